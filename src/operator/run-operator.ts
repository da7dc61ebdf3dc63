import type { LockServer } from '../client/lock-server.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { makeReconciler, type Reconciler, type StatusListener } from './controller.ts'
import { lockedBucketController } from './controllers/LockedBucket.ts'
import { retentionPolicyController } from './controllers/RetentionPolicy.ts'
import { acquireLeadership, type Leadership, LeadershipLostError, ServerFacts } from './leadership.ts'
import { OperatorMetrics } from './metrics.ts'
import { type RunnerOptions, runController } from './runner.ts'
import type { EventRecord, Source } from './sources/source.ts'
import { systemTimers, type Timers } from './timers.ts'

export type OperatorOptions = {
  readonly source: Source
  readonly lockServer: LockServer
  readonly clock: Clock
  readonly log: Log
  /** Half of an owner's identity: the uid of kube-system, or the volume id in standalone. */
  readonly clusterId: string
  /** Who leads, for the server's record and people: a pod's name. */
  readonly holder: string
  /** Every bucket is compared with its spec at least this often. */
  readonly verifyIntervalMs: number
  readonly signal: AbortSignal
  /** Told of the status after every reconcile, and of every event; must not throw. */
  readonly onStatus?: StatusListener
  /** Told when the controllers work, i.e. leadership is acquired and the source has synced. */
  readonly onReady?: () => void
  readonly metrics?: OperatorMetrics
  readonly timers?: Timers
}

export const lockedBucketWorkers = 4
export const retentionPolicyWorkers = 1

/**
 * Acquires the leadership of the lock server, reads the source and runs both controllers until the signal is
 * aborted; waits out a server that does not answer. Resolves when the running reconciles have ended. Errors:
 * LeadershipLostError when another operator took over (nothing was written since), ServerRefusedError for a
 * key that the server does not take.
 */
export async function runOperator(options: OperatorOptions): Promise<void> {
  const { source, clock, log, verifyIntervalMs, signal, timers = systemTimers } = options
  if (verifyIntervalMs < limits.verifyIntervalMsMin || verifyIntervalMs > limits.verifyIntervalMsMax) {
    throw new RangeError('the verify interval must be within 100 ms and 24 h')
  }
  const epoch = await acquireLeadership({ ...options, timers }, signal)
  if (epoch === null) return
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  let loss: LeadershipLostError | null = null
  const lost = (currentEpoch: number) => {
    if (loss !== null) return
    loss = new LeadershipLostError(
      `the lock server is led by epoch ${currentEpoch}, ours is ${epoch}: another operator took over, so this one stops`,
    )
    log.error({ epoch, currentEpoch }, loss.message)
    stop.abort(loss)
  }
  await source.start(stopped)
  const reconcilers = makeReconcilers(options, { epoch, lost })
  const metrics = options.metrics ?? new OperatorMetrics()
  const shared = {
    source,
    clock,
    timers,
    log,
    metrics,
    verifyIntervalMs,
    reconcileMsMax: limits.reconcileMsMax,
  }
  const workers = (reconciler: Reconciler) =>
    reconciler.kind === 'LockedBucket' ? lockedBucketWorkers : retentionPolicyWorkers
  const running = reconcilers.map((reconciler) => {
    const runnerOptions: RunnerOptions = { ...shared, workers: workers(reconciler) }
    return runController(reconciler, runnerOptions, stopped)
  })
  if (!stopped.aborted) options.onReady?.()
  await Promise.all(running)
  if (loss !== null) throw loss
}

function makeReconcilers(options: OperatorOptions, leadership: Leadership): readonly Reconciler[] {
  const { source, lockServer, clock, log, clusterId, onStatus = () => undefined } = options
  const serverFacts = new ServerFacts({ lockServer, clock, leadership })
  const recordEvent = (event: EventRecord) => {
    onStatus({ kind: 'event', event })
    return source.recordEvent(event)
  }
  const parts = { source, wallMs: () => clock.wallMs(), onStatus, recordEvent }
  return [
    makeReconciler(retentionPolicyController(source), parts),
    makeReconciler(
      lockedBucketController({ source, lockServer, serverFacts, leadership, clusterId, recordEvent, log }),
      parts,
    ),
  ]
}
