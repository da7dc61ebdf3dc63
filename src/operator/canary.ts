import type { CanaryOutcome, LockServer, ServerInfo } from '../client/lock-server.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import type { OperatorMetrics } from './metrics.ts'

type Parts = {
  readonly lockServer: LockServer
  readonly clock: Clock
  readonly log: Log
  readonly metrics: OperatorMetrics
  /** How long an outcome speaks for all buckets. */
  readonly intervalMs: number
}

/** Whether the server refuses to delete what is locked: tried once for all buckets together, and again after the interval. */
export class Canary {
  readonly #parts: Parts
  #held: { readonly outcome: CanaryOutcome; readonly atMs: number } | null = null
  #attempt: Promise<CanaryOutcome> | null = null

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** As old as the interval at most; one that proved nothing is tried again sooner. Errors: ServerUnreachableError, not kept. */
  async read(info: ServerInfo): Promise<CanaryOutcome> {
    const { clock, intervalMs } = this.#parts
    if (this.#held === null) return this.readNow(info)
    const { outcome, atMs } = this.#held
    const goodMs = outcome.kind === 'untried' ? Math.min(intervalMs, limits.canaryRetryMs) : intervalMs
    return clock.uptimeMs() - atMs < goodMs ? outcome : this.readNow(info)
  }

  /** Tries now; whoever asks meanwhile gets the same answer. */
  readNow(info: ServerInfo): Promise<CanaryOutcome> {
    this.#attempt ??= this.#try(info).finally(() => {
      this.#attempt = null
    })
    return this.#attempt
  }

  async #try({ clock: serverClock }: ServerInfo): Promise<CanaryOutcome> {
    const { lockServer, clock, log, metrics } = this.#parts
    const outcome = await lockServer.tryCanary({
      trustedMs: Date.parse(serverClock.trusted),
      wallMs: Date.parse(serverClock.wall),
    })
    metrics.canaryTried(outcome.kind)
    if (outcome.kind === 'deleted') log.error(outcome, 'the lock server deleted what it had locked')
    if (outcome.kind === 'untried') log.warn(outcome, 'the canary could not be tried')
    this.#held = { outcome, atMs: clock.uptimeMs() }
    return outcome
  }
}
