/** How long the store takes and what it refuses, seen from outside its engines. */
import type { MetricSet } from '../lib/metrics.ts'
import type { KeyValue } from '../store/kv/contract.ts'
import { withTransact } from '../store/kv/with-transact.ts'

/** Seconds: from a commit that shares a flush to one that waits for a slow disk. */
const durationBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30]

export type StoreMeasures = {
  /** The same store, each transaction timed. */
  readonly keyValue: (kv: KeyValue) => KeyValue
  /** Told of every refusal that goes into the audit log. */
  readonly denied: (rule: string) => void
}

export function measureStore(metrics: MetricSet, worker: string): StoreMeasures {
  const durations = metrics.histogram(
    'holdfast_transaction_duration_seconds',
    'Store transactions from their first read until they are durable',
    durationBounds,
  )
  const running = metrics.gauge(
    'holdfast_transactions_in_flight',
    'Store transactions that are not durable yet',
  )
  const denials = metrics.counter('holdfast_denials_total', 'Refusals in the audit log, by rule')
  let runningCount = 0
  const move = (change: 1 | -1): void => {
    runningCount += change
    running.set({ worker }, runningCount)
  }
  const timed = async <T>(work: () => Promise<T>): Promise<T> => {
    const startMs = performance.now()
    move(1)
    try {
      return await work()
    } finally {
      move(-1)
      durations.observe({}, (performance.now() - startMs) / 1000)
    }
  }
  return {
    keyValue: (kv) => withTransact(kv, (work) => timed(() => kv.transact(work))),
    denied: (rule) => denials.add({ rule }),
  }
}
