/**
 * Whether the volume of the lock server still goes on from where it was: the head of its audit chain is noted at every look, and
 * kept, signed, outside of the volume. A chain that does not go through what was noted is that of an older copy, or was
 * written anew; which neither the volume nor its server can tell by themselves.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ConditionReason } from '../../api/conditions.ts'
import { type LockServer, type ServerInfo, ServerRefusedError } from '../../client/lock-server.ts'
import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { Log } from '../../lib/log.ts'
import { Backoff } from '../backoff.ts'
import { KubeStatusError } from '../kube.ts'
import type { Leadership } from '../leadership.ts'
import type { OperatorMetrics } from '../metrics.ts'
import { sleep, type Timers } from '../timers.ts'

/** A head of the chain as the server told it, by its clocks. */
export type NotedHead = {
  readonly volumeId: string
  readonly sequence: number
  /** Hex. */
  readonly hash: string
  readonly trustedMs: number
  readonly wallMs: number
  /** Release of the server that told it. */
  readonly version: string
}

/** `unbelievable`: something is kept, and the key did not sign it. */
export type KeptHead =
  | { readonly kind: 'none' }
  | { readonly kind: 'kept'; readonly newest: NotedHead }
  | { readonly kind: 'unbelievable'; readonly cause: string }

/** Where heads are kept. Errors of both: KubeStatusError (409 where somebody else wrote), KubeUnreachableError. */
export interface CheckpointStore {
  /** What it is called, for people. */
  readonly place: string
  read(signal: AbortSignal): Promise<KeptHead>
  /** Behind what is kept, if `mayFollow` says so of that. */
  add(head: NotedHead, mayFollow: (kept: KeptHead) => boolean, signal: AbortSignal): Promise<void>
}

/** `doubted`: it lasts until the volume is the right one again, or somebody says that this one is. */
export type HistoryState = { readonly kind: 'continuous' } | Doubted
type Doubted = {
  readonly kind: 'doubted'
  readonly reason: Extract<ConditionReason, 'RollbackDetected' | 'VolumeReplaced' | 'CheckpointsUnreadable'>
  /** The same at every look. */
  readonly message: string
}

export type VolumeHistoryOptions = {
  readonly lockServer: Pick<LockServer, 'info' | 'auditHash'>
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly metrics: OperatorMetrics
  /** null: there is nowhere to keep them, and what is noted ends with this process. */
  readonly store: CheckpointStore | null
}

const continuous: HistoryState = { kind: 'continuous' }

export class VolumeHistory {
  readonly #options: VolumeHistoryOptions
  #store: CheckpointStore | null
  #noted: NotedHead | null = null
  /** The last that is kept for sure. */
  #kept: { readonly head: NotedHead; readonly atMs: number } | null = null
  /** What may be the newest that is kept by this process' doing: the last, and one whose write was not answered. */
  #own: readonly NotedHead[] = []
  #leadership: Pick<Leadership, 'assertHeld'> = { assertHeld: () => undefined }
  #state: HistoryState = continuous
  #lookedMs = Number.NEGATIVE_INFINITY
  #looking: Promise<HistoryState> | null = null

  constructor(options: VolumeHistoryOptions) {
    this.#options = options
    this.#store = options.store
  }

  /** As of the last look. */
  get state(): HistoryState {
    return this.#state
  }

  /**
   * Reads what is kept, at the start of a term: another replica may have gone on since. Resolves when it is known, or cannot be
   * for want of rights; nothing may be written before.
   */
  async begin(leadership: Pick<Leadership, 'assertHeld'>, signal: AbortSignal): Promise<void> {
    const { log, timers, metrics } = this.#options
    this.#leadership = leadership
    this.#lookedMs = Number.NEGATIVE_INFINITY
    const backoff = new Backoff({ delayMsMin: limits.kubeBackoffMsMin, delayMsMax: limits.kubeBackoffMsMax })
    while (this.#store !== null && !signal.aborted) {
      try {
        this.#resume(await this.#store.read(signal))
        return
      } catch (error) {
        if (error instanceof KubeStatusError && error.status === 403) {
          log.error(
            { error: error.message },
            'checkpoints cannot be kept: what is noted ends with this process',
          )
          this.#store = null
          metrics.checkpointKept(null)
          return
        }
        if (!signal.aborted)
          log.warn({ error: String(error) }, 'the checkpoints cannot be read; trying again')
        await sleep(timers, backoff.nextMs(), signal)
      }
    }
  }

  /** Looks at every interval until the signal is aborted, also where no object asks; keeps the last head. Never rejects. */
  async run(intervalMs: number, signal: AbortSignal): Promise<void> {
    const { log, timers } = this.#options
    while (!signal.aborted) {
      await this.read().catch((error: unknown) =>
        log.debug({ error: String(error) }, 'the volume was not looked at'),
      )
      await sleep(timers, intervalMs, signal)
    }
    await this.#flush()
  }

  /** As old as the server's facts at most. Errors: ServerUnreachableError, ServerRefusedError. */
  async read(): Promise<HistoryState> {
    const ageMs = this.#options.clock.uptimeMs() - this.#lookedMs
    return ageMs < limits.serverInfoMsMax ? this.#state : this.readNow()
  }

  /** Looks now; whoever asks meanwhile gets the same answer. Errors: as `read`. */
  readNow(): Promise<HistoryState> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  /** One look after the other: a head that was asked for later is never before the one that is noted. */
  async #look(): Promise<HistoryState> {
    const { lockServer, clock } = this.#options
    if (this.#state.kind === 'doubted') await this.#askForWord()
    const nowMs = clock.uptimeMs()
    const info = await lockServer.info()
    const state = this.#isBelieved() ? await this.#judge(info) : this.#state
    this.#lookedMs = nowMs
    if (state.kind === 'continuous') {
      this.#noted = headOf(info) ?? this.#noted
      await this.#keep(limits.checkpointIntervalMs)
    } else {
      // What is noted by this process alone would be forgotten with it.
      await this.#keep(0)
    }
    this.#setState(state)
    return state
  }

  async #judge(info: ServerInfo): Promise<HistoryState> {
    const noted = this.#noted
    if (noted === null) return continuous
    const { volumeId, auditHead } = info
    if (volumeId !== noted.volumeId) {
      const message = `The lock server serves volume ${volumeId}; before, it was volume ${noted.volumeId}.`
      return this.#doubt('VolumeReplaced', message)
    }
    if (auditHead !== null && (await this.#goesThrough(noted, auditHead))) return continuous
    const message =
      `The audit log of volume ${volumeId} had record ${noted.sequence}, and what it has now does not go through it: ` +
      'an older copy of the volume was put back, or its log was written anew.'
    return this.#doubt('RollbackDetected', message)
  }

  /** An older copy has neither the record nor a next one that names it; where only one of the two is another one, it was damaged. */
  async #goesThrough(noted: NotedHead, head: NonNullable<ServerInfo['auditHead']>): Promise<boolean> {
    const { sequence } = noted
    if (head.sequence < sequence) return false
    if (head.sequence === sequence && head.hash === noted.hash) return true
    try {
      const { hash, chainHash } = await this.#options.lockServer.auditHash(sequence)
      const isIn = hash === noted.hash || chainHash === noted.hash
      if (isIn && chainHash !== null && hash !== chainHash)
        this.#options.log.error(
          { sequence },
          'an audit record of the volume was damaged, which is no rollback: the chain goes on from what it was; holdfast audit verify names the place',
        )
      return isIn
    } catch (error) {
      // A server of an older release does not tell: only a shorter chain, or another head, is seen there.
      if (error instanceof ServerRefusedError && error.status === 404) return head.sequence > sequence
      throw error
    }
  }

  /** If nobody else kept or took away anything, what this process saw since then still counts; and so does its doubt. */
  #resume(kept: KeptHead): void {
    if (this.#noted !== null && this.#isOwn(kept)) this.#setKept(kept)
    else this.#take(kept)
  }

  #take(kept: KeptHead): void {
    this.#noted = kept.kind === 'kept' ? kept.newest : null
    this.#setKept(kept)
    if (kept.kind === 'unbelievable')
      this.#setState(this.#doubt('CheckpointsUnreadable', `It cannot be believed: ${kept.cause}.`))
    else this.#setState(continuous)
  }

  #setKept(kept: KeptHead): void {
    const newest = kept.kind === 'kept' ? kept.newest : null
    this.#kept = newest === null ? null : { head: newest, atMs: Number.NEGATIVE_INFINITY }
    this.#own = newest === null ? [] : [newest]
    this.#options.metrics.checkpointKept(newest)
  }

  #isOwn(kept: KeptHead): boolean {
    if (kept.kind === 'none') return this.#kept === null
    return kept.kind === 'kept' && this.#own.some((head) => isDeepStrictEqual(head, kept.newest))
  }

  /** Behind what another replica kept, a head may be one of a volume that nobody wants any more. */
  #mayFollow(kept: KeptHead, head: NotedHead): boolean {
    // Deleted while nothing is doubted: made again.
    if (kept.kind !== 'none' && !this.#isOwn(kept)) return false
    this.#own = kept.kind === 'kept' ? [kept.newest, head] : [head]
    return true
  }

  /** False: there is something kept that says nothing, so that nothing can be compared. */
  #isBelieved(): boolean {
    return this.#state.kind === 'continuous' || this.#state.reason !== 'CheckpointsUnreadable'
  }

  /** Who takes away what was kept says that the volume is right as it is. */
  async #askForWord(): Promise<void> {
    const { log } = this.#options
    if (this.#store === null || (this.#isBelieved() && !this.#isKept())) return
    try {
      const kept = await this.#store.read(new AbortController().signal)
      if (kept.kind === 'unbelievable' || (kept.kind === 'kept' && this.#isBelieved())) return
      if (kept.kind === 'none')
        log.warn(
          { place: this.#store.place },
          'the checkpoints were deleted: the volume is accepted as it is',
        )
      this.#take(kept)
    } catch (error) {
      log.warn({ error: String(error) }, 'the checkpoints cannot be read')
    }
  }

  #isKept(): boolean {
    return this.#kept !== null && isDeepStrictEqual(this.#kept.head, this.#noted)
  }

  /** When the last one is so old, and only by who leads. A failure is told, and tried again at the next look. */
  async #keep(afterMs: number, signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { clock, log, metrics } = this.#options
    const head = this.#noted
    if (this.#store === null || head === null || this.#isKept()) return
    if (this.#kept !== null && clock.uptimeMs() - this.#kept.atMs < afterMs) return
    try {
      this.#leadership.assertHeld()
      await this.#store.add(head, (kept) => this.#mayFollow(kept, head), signal)
      this.#kept = { head, atMs: clock.uptimeMs() }
      this.#own = [head]
      metrics.checkpointKept(head)
    } catch (error) {
      log.warn({ place: this.#store.place, error: String(error) }, 'the checkpoint could not be kept')
    }
  }

  /** So that a volume that is set back while nobody looks is seen to the last record that was seen. */
  async #flush(): Promise<void> {
    if (this.#state.kind === 'doubted') return
    const deadline = new AbortController()
    const cancel = this.#options.timers.after(limits.checkpointFlushMs, () => deadline.abort())
    await this.#keep(0, deadline.signal)
    cancel()
  }

  #doubt(reason: Doubted['reason'], fact: string): Doubted {
    const word =
      this.#store === null
        ? 'restart the operator to accept it.'
        : `delete ${this.#store.place} to accept it.`
    const message =
      `${fact} Nothing new is made on it and nothing that it enforces gets less. Bring the right volume back; or, ` +
      `when you know why, ${word}`
    return { kind: 'doubted', reason, message }
  }

  #setState(state: HistoryState): void {
    const { log, metrics } = this.#options
    metrics.rollbackDetected(state.kind === 'doubted' ? 1 : 0)
    if (state.kind === 'doubted' && this.#state.kind === 'continuous')
      log.error({ reason: state.reason }, state.message)
    this.#state = state
  }
}

function headOf({ volumeId, auditHead, clock, version }: ServerInfo): NotedHead | null {
  if (auditHead === null) return null
  const { sequence, hash } = auditHead
  const [trustedMs, wallMs] = [Date.parse(clock.trusted), Date.parse(clock.wall)]
  return { volumeId, sequence, hash, trustedMs, wallMs, version }
}
