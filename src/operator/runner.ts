import { assert, unreachable } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { withAnySignal } from '../lib/signals.ts'
import { jittered } from './backoff.ts'
import { type Next, type Reconciler, StatusConflictError } from './controller.ts'
import type { ControllerMetrics, OperatorMetrics } from './metrics.ts'
import { formatKey, keyOf, type ObjectKey, parseKey } from './objects.ts'
import { TokenBucket } from './rate-limit.ts'
import { revisionOf } from './requests.ts'
import type { Change, Source } from './sources/source.ts'
import { sleep, type Timers } from './timers.ts'
import { Workqueue } from './workqueue.ts'

export type RunnerOptions = {
  readonly source: Source
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly metrics: OperatorMetrics
  readonly workers: number
  /** Every object is reconciled at least this often, without any change. */
  readonly verifyIntervalMs: number
  /** A reconcile that takes longer is told to stop by its signal. */
  readonly reconcileMsMax: number
}

/**
 * `stop`: begin no further reconcile. `abandon`: the running ones are told to stop as well; it also stops.
 */
export type RunnerSignals = { readonly stop: AbortSignal; readonly abandon: AbortSignal }

/**
 * Reconciles every object of the controller's kind until it is told to stop; resolves when the running
 * reconciles have ended. The source must have synced. Level-triggered: what is told of a change is its key;
 * the state is read from the cache when the key's turn comes. Nothing that a reconcile throws ends the
 * runner.
 */
export async function runController(
  reconciler: Reconciler,
  options: RunnerOptions,
  signals: RunnerSignals,
): Promise<void> {
  assert(
    options.workers >= 1 && options.workers <= limits.reconcileWorkersMax,
    'the number of workers is in bounds',
  )
  const runner = new ControllerRunner(reconciler, options)
  await runner.run(signals)
}

class ControllerRunner {
  readonly #reconciler: Reconciler
  readonly #options: RunnerOptions
  readonly #queue: Workqueue
  readonly #metrics: ControllerMetrics
  /** The revision for which retrying cannot help, per key. */
  readonly #terminal = new Map<string, string>()

  constructor(reconciler: Reconciler, options: RunnerOptions) {
    this.#reconciler = reconciler
    this.#options = options
    const uptimeMs = () => options.clock.uptimeMs()
    const retryBucket = new TokenBucket({
      perSecond: limits.reconcileRetriesPerSecond,
      burst: limits.reconcileRetriesBurst,
      uptimeMs,
    })
    const retry = { delayMsMin: limits.reconcileRetryDelayMsMin, delayMsMax: limits.reconcileRetryDelayMsMax }
    const { timers, metrics, workers } = options
    const { name } = reconciler
    this.#queue = new Workqueue({ timers, retry, retryBucket, metrics: metrics.queue(name) }, uptimeMs)
    this.#metrics = metrics.controller(name, workers)
    metrics.watchQueue(name, this.#queue)
  }

  async run({ stop, abandon }: RunnerSignals): Promise<void> {
    const { source, workers } = this.#options
    const unsubscribe = source.subscribe((changed) => this.#changed(changed))
    const { kind } = this.#reconciler
    for (const object of source.list(kind)) this.#queue.add(formatKey(keyOf(object)))
    for (const key of source.unparsable(kind).keys()) this.#queue.add(key)
    const running = Array.from({ length: workers }, () => this.#work(abandon))
    const { leftovers } = this.#reconciler
    await withAnySignal([stop, abandon], async (either) => {
      if (leftovers !== null) running.push(this.#lookFor(leftovers, either))
      await aborted(either)
    })
    unsubscribe()
    await this.#queue.shutDown()
    await Promise.all(running)
  }

  #changed(changed: Change): void {
    if (changed.kind === this.#reconciler.kind && this.#isWork(changed)) this.#queue.add(formatKey(changed))
    for (const watch of this.#reconciler.watches) {
      if (watch.kind !== changed.kind) continue
      if (changed.cause === 'ownStatus' && watch.ownStatus !== 'told') continue
      for (const key of watch.keys(changed)) this.#queue.addAfter(formatKey(key), watch.delayMs)
    }
  }

  /**
   * False for the echo of our own status write, and for any change of an object given up in this revision.
   */
  #isWork(changed: Change): boolean {
    if (changed.cause === 'ownStatus') return false
    const object = this.#options.source.get(changed.kind, changed)
    return object === null || this.#terminal.get(formatKey(changed)) !== revisionOf(object.metadata)
  }

  async #work(abandon: AbortSignal): Promise<void> {
    for (;;) {
      const text = await this.#queue.get()
      if (text === null) return
      this.#metrics.workerBegan()
      const startMs = this.#options.clock.uptimeMs()
      try {
        this.#settle(text, await this.#reconcile(text, abandon))
      } finally {
        this.#metrics.workerEnded(this.#options.clock.uptimeMs() - startMs)
        this.#queue.done(text)
      }
    }
  }

  /**
   * One reconcile under its deadline. The key stays taken until the reconcile has really ended: never two at
   * once.
   */
  async #reconcile(text: string, abandon: AbortSignal): Promise<Next> {
    const deadline = new AbortController()
    const cancel = this.#options.timers.after(this.#options.reconcileMsMax, () => {
      this.#metrics.timedOut()
      deadline.abort(new Error(`reconcile took longer than ${this.#options.reconcileMsMax} ms`))
    })
    try {
      return await withAnySignal([abandon, deadline.signal], (either) =>
        this.#reconciler.reconcile(parseKey(text), either),
      )
    } catch (error) {
      if (abandon.aborted) return { kind: 'done' }
      if (!deadline.signal.aborted) this.#metrics.panicked()
      return { kind: 'retry', error: toError(error) }
    } finally {
      cancel()
    }
  }

  #settle(text: string, next: Next): void {
    const { source, log, verifyIntervalMs } = this.#options
    const object = source.get(this.#reconciler.kind, parseKey(text))
    // What a gone object leaves to do is done: it is tried again until it is.
    if (object === null && next.kind !== 'retry') {
      this.#forgetObject(text)
      return
    }
    if (next.kind === 'terminal' && object !== null) this.#terminal.set(text, revisionOf(object.metadata))
    else this.#terminal.delete(text)
    // A steady verify even while retrying: the longest retry delay must not delay it.
    if (object !== null) this.#queue.addAfter(text, Math.max(1, jittered(verifyIntervalMs)))
    const fields = { controller: this.#reconciler.name, object: text }
    switch (next.kind) {
      case 'done':
        this.#metrics.reconciled('success')
        this.#queue.forget(text)
        return
      case 'after':
        this.#metrics.reconciled('requeue_after')
        this.#queue.forget(text)
        this.#queue.addAfter(text, next.delayMs)
        return
      case 'terminal':
        this.#metrics.reconciled('terminal')
        this.#queue.forget(text)
        log.warn({ ...fields, error: next.error.message }, 'reconcile stalled')
        return
      case 'retry':
        if (next.error instanceof StatusConflictError) {
          // As controller-runtime counts a reconcile that asks for another without having failed.
          this.#metrics.reconciled('requeue')
        } else {
          this.#metrics.reconciled('error')
          log.warn(
            { ...fields, error: next.error.message, failures: this.#queue.failureCount(text) + 1 },
            'reconcile failed',
          )
        }
        this.#queue.addRateLimited(text, next.delayMsMax)
        return
      default:
        unreachable(next, 'a reconcile ends in one of four ways')
    }
  }

  /** At the start and at each verification: of what went while nobody watched, nobody is told. */
  async #lookFor(
    leftovers: (signal: AbortSignal) => Promise<readonly ObjectKey[]>,
    stop: AbortSignal,
  ): Promise<void> {
    const { timers, log, verifyIntervalMs } = this.#options
    while (!stop.aborted) {
      let delayMs = Math.max(1, jittered(verifyIntervalMs))
      try {
        for (const key of await leftovers(stop)) this.#queue.add(formatKey(key))
      } catch (error) {
        delayMs = Math.min(delayMs, limits.serverRetryMsMax)
        log.warn(
          { controller: this.#reconciler.name, error: toError(error).message },
          'looking for leftovers failed',
        )
      }
      await sleep(timers, delayMs, stop)
    }
  }

  #forgetObject(text: string): void {
    this.#queue.forget(text)
    this.#terminal.delete(text)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
