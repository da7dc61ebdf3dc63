import { type LockServer, type ServerInfo, ServerUnreachableError } from '../client/lock-server.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { Backoff } from './backoff.ts'
import { sleep, type Timers } from './timers.ts'

/**
 * Another operator acquired the leadership of the lock server, or the server forgot ours: nothing more may be
 * written.
 */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError'
}

/** The right to change buckets, as the lock server gave it: every admin call carries the epoch. */
export interface Leadership {
  readonly epoch: number
  /** Throws LeadershipLostError when the right to lead has run out: asked before every write. */
  assertHeld(): void
  /** Stops the operator; `currentEpoch` is what the server answered. */
  lost(currentEpoch: number): void
}

export type AcquireOptions = {
  readonly lockServer: LockServer
  readonly holder: string
  readonly timers: Timers
  readonly log: Log
}

/**
 * Acquires the leadership, waiting out a server that does not answer. Null: aborted meanwhile. Errors: a
 * server that refuses (wrong key), which waiting does not cure.
 */
export async function acquireLeadership(
  options: AcquireOptions,
  signal: AbortSignal,
): Promise<number | null> {
  const { lockServer, holder, timers, log } = options
  const backoff = new Backoff({ delayMsMin: limits.kubeBackoffMsMin, delayMsMax: limits.serverRetryMsMax })
  while (!signal.aborted) {
    try {
      const { epoch } = await lockServer.acquireLeadership(holder)
      log.info({ epoch, holder }, 'leadership acquired')
      return epoch
    } catch (error) {
      if (!(error instanceof ServerUnreachableError)) throw error
      log.warn({ error: error.message }, 'the lock server does not answer; trying again')
      await sleep(timers, backoff.nextMs(), signal)
    }
  }
  return null
}

/**
 * The server's own facts, asked at most every 30 s for all buckets together. An epoch beyond ours means that
 * somebody else leads, so an operator with nothing to write learns it here.
 */
export class ServerFacts {
  readonly #lockServer: LockServer
  readonly #clock: Clock
  readonly #leadership: Leadership
  #held: { readonly info: ServerInfo; readonly atMs: number } | null = null

  constructor(options: { lockServer: LockServer; clock: Clock; leadership: Leadership }) {
    this.#lockServer = options.lockServer
    this.#clock = options.clock
    this.#leadership = options.leadership
  }

  /** What was answered within 30 s. Errors: ServerUnreachableError, ServerRefusedError. */
  async read(): Promise<ServerInfo> {
    const nowMs = this.#clock.uptimeMs()
    if (this.#held !== null && nowMs - this.#held.atMs < limits.serverInfoMsMax) return this.#held.info
    return this.readNow()
  }

  /** Asks now. Errors: as `read`. */
  async readNow(): Promise<ServerInfo> {
    const nowMs = this.#clock.uptimeMs()
    const info = await this.#lockServer.info()
    if (info.epoch !== null && info.epoch !== this.#leadership.epoch) this.#leadership.lost(info.epoch)
    this.#held = { info, atMs: nowMs }
    return info
  }
}
