/**
 * Which of several replicas leads, by a Lease, with client-go's rules: the record counts from when this process saw it
 * change, by its own clock, never by the times written in it. A Lease only keeps replicas from working at the same
 * time; that a deposed leader can do no harm is the business of the lock server's epoch.
 */
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { withAnySignal } from '../lib/signals.ts'
import { jittered } from './backoff.ts'
import { type KubeClient, KubeStatusError } from './kube.ts'
import { LeadershipLostError } from './leadership.ts'
import {
  createLease,
  formatMicroTime,
  type Lease,
  type LeaseClaim,
  type LeaseName,
  readLease,
  replaceLease,
} from './lease.ts'
import { sleep, type Timers } from './timers.ts'

/** The right to lead, for as long as `signal` is not aborted. */
export interface Term {
  readonly signal: AbortSignal
  /**
   * Throws LeadershipLostError when the right has run out by this process' clock: a process that was frozen
   * learns it here before any timer has fired.
   */
  assertHeld(): void
}

export type ElectionState =
  /** `holder: null`: not known yet. */
  { readonly kind: 'standby'; readonly holder: string | null } | { readonly kind: 'elected' }

export interface Election {
  /**
   * Calls `lead` each time this replica is elected, one call at a time, until the signal is aborted; resolves
   * when the last call has ended and the right was given back. Errors: those of `lead`, except a leadership
   * that was lost to another replica of the same election, which makes this one stand by again.
   */
  run(signal: AbortSignal, lead: (term: Term) => Promise<void>): Promise<void>
}

/** The only replica there is: elected once, for good. */
export const soleCandidate: Election = {
  run: (signal, lead) => lead({ signal, assertHeld: () => undefined }),
}

export type LeaseElectionOptions = {
  /** Of its own: a renewal must not queue behind thousands of status writes. */
  readonly client: KubeClient
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly name: LeaseName
  /** Unique to this process. */
  readonly identity: string
  readonly periods: LeasePeriods
  /** Told of every change; must not throw. */
  readonly onState: (state: ElectionState) => void
}

export type LeasePeriods = {
  /** How long others wait for a silent holder. Whole seconds. */
  readonly leaseDurationMs: number
  /** How long a holder goes on without a renewal. Shorter than the above. */
  readonly renewDeadlineMs: number
  /** Between renewals, and between the looks of those who wait. Shorter than the above. */
  readonly retryPeriodMs: number
}

/** Null, or what is wrong with the periods, as a sentence. */
export function leasePeriodsProblem({
  leaseDurationMs,
  renewDeadlineMs,
  retryPeriodMs,
}: LeasePeriods): string | null {
  if (leaseDurationMs % 1000 !== 0) return 'the lease duration is a whole number of seconds'
  if (leaseDurationMs > limits.leaseDurationMsMax) return 'the lease duration is at most 5 minutes'
  if (renewDeadlineMs >= leaseDurationMs) return 'the renew deadline is shorter than the lease duration'
  // Jitter lengthens a period by up to a fifth.
  if (retryPeriodMs * 1.2 >= renewDeadlineMs) return 'the retry period is well below the renew deadline'
  return null
}

type Attempt =
  | { readonly kind: 'held' }
  | { readonly kind: 'heldBy'; readonly holder: string }
  /** Somebody else wrote at the same moment: look again. */
  | { readonly kind: 'outrun' }

/** Elects by a Lease of the API server. */
export class LeaseElection implements Election {
  readonly #options: LeaseElectionOptions
  /** The last version seen, and when it was first seen, by the local clock. */
  #seen: { readonly lease: Lease; readonly atMs: number } | null = null
  #acquireTime = ''
  #standbyFor: string | null = null

  constructor(options: LeaseElectionOptions) {
    this.#options = options
  }

  async run(signal: AbortSignal, lead: (term: Term) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const renewedMs = await this.#waitForElection(signal)
      if (renewedMs === null) return
      await this.#leadOnce(renewedMs, lead)
    }
  }

  /** When the Lease was acquired, by the local clock; null: aborted meanwhile. */
  async #waitForElection(signal: AbortSignal): Promise<number | null> {
    const { clock, timers, periods } = this.#options
    while (!signal.aborted) {
      const askedMs = clock.uptimeMs()
      const attempt = await this.#tryWithin(periods.renewDeadlineMs / 2, signal, (within) =>
        this.#acquireOrRenew(within),
      )
      if (attempt?.kind === 'held') return askedMs
      if (attempt?.kind === 'heldBy') this.#standBy(attempt.holder)
      await sleep(timers, this.#retryMs(), signal)
    }
    return null
  }

  async #leadOnce(electedMs: number, lead: (term: Term) => Promise<void>): Promise<void> {
    const { log, identity, onState } = this.#options
    this.#standbyFor = null
    log.info({ lease: this.#leaseText(), identity }, 'elected')
    onState({ kind: 'elected' })
    const ended = new AbortController()
    const term = new HeldTerm(this.#options, electedMs)
    const renewing = this.#keepRenewing(term, ended.signal)
    let failure: unknown = null
    try {
      await lead(term)
    } catch (error) {
      failure = error
    } finally {
      ended.abort()
      await renewing
      term.close()
    }
    const holder = await this.#release()
    onState({ kind: 'standby', holder })
    if (failure === null) return
    // The lock server told first that another replica took over: that is no failure of this one.
    if (!(failure instanceof LeadershipLostError) || holder === null) throw failure
  }

  /** Goes on while the controllers come to their end, so that nobody takes over meanwhile. */
  async #keepRenewing(term: HeldTerm, ended: AbortSignal): Promise<void> {
    const { clock, timers, periods } = this.#options
    await withAnySignal([ended, term.signal], async (stop) => {
      while (!stop.aborted) {
        await sleep(timers, periods.retryPeriodMs, stop)
        if (stop.aborted) return
        const askedMs = clock.uptimeMs()
        const attempt = await this.#tryWithin(periods.renewDeadlineMs / 2, stop, (within) =>
          this.#renew(within),
        )
        if (attempt?.kind === 'held') term.renewed(askedMs)
        if (attempt?.kind === 'heldBy') term.lose(`${attempt.holder} holds the Lease ${this.#leaseText()}`)
      }
    })
  }

  /** The version that we wrote last is replaced at once; if it is not the latest any more, with a look first. */
  async #renew(signal: AbortSignal): Promise<Attempt> {
    const { client, name, identity } = this.#options
    const lease = this.#seen?.lease
    if (lease?.holderIdentity === identity) {
      try {
        const claim = this.#claim(lease)
        this.#see(await replaceLease(client, { name, lease, claim }, signal))
        return { kind: 'held' }
      } catch (error) {
        if (statusOf(error) !== 409 && statusOf(error) !== 404) throw error
      }
    }
    return this.#acquireOrRenew(signal)
  }

  async #acquireOrRenew(signal: AbortSignal): Promise<Attempt> {
    const { client, name, identity } = this.#options
    try {
      const lease = await readLease(client, name, signal)
      if (lease === null) {
        this.#see(await createLease(client, { name, claim: this.#claim(null) }, signal))
        return { kind: 'held' }
      }
      this.#see(lease)
      const { holderIdentity } = lease
      if (holderIdentity !== '' && holderIdentity !== identity && !this.#hasRunOut())
        return { kind: 'heldBy', holder: holderIdentity }
      this.#see(await replaceLease(client, { name, lease, claim: this.#claim(lease) }, signal))
      return { kind: 'held' }
    } catch (error) {
      if (statusOf(error) === 409) return { kind: 'outrun' }
      throw error
    }
  }

  /**
   * Gives the Lease back if it is ours, so that the next leader need not wait. Returns who holds it if that is
   * somebody else. Best effort: it runs out by itself.
   */
  async #release(): Promise<string | null> {
    const { client, name, identity, periods } = this.#options
    const never = new AbortController().signal
    const attempt = await this.#tryWithin(periods.retryPeriodMs, never, async (within) => {
      const lease = await readLease(client, name, within)
      if (lease === null || lease.holderIdentity === '') return { kind: 'free' as const }
      if (lease.holderIdentity !== identity) return { kind: 'heldBy' as const, holder: lease.holderIdentity }
      const claim = { ...this.#claim(lease), holderIdentity: '', leaseDurationSeconds: 1 }
      this.#see(await replaceLease(client, { name, lease, claim }, within))
      return { kind: 'free' as const }
    })
    return attempt?.kind === 'heldBy' ? attempt.holder : null
  }

  #claim(lease: Lease | null): LeaseClaim {
    const { clock, identity, periods } = this.#options
    const now = formatMicroTime(clock.wallMs())
    const isNew = lease?.holderIdentity !== identity
    if (isNew || this.#acquireTime === '') this.#acquireTime = now
    return {
      holderIdentity: identity,
      leaseDurationSeconds: periods.leaseDurationMs / 1000,
      leaseTransitions: (lease?.leaseTransitions ?? 0) + (isNew && lease !== null ? 1 : 0),
      acquireTime: this.#acquireTime,
      renewTime: now,
    }
  }

  #see(lease: Lease): void {
    const isSame = this.#seen?.lease.fingerprint === lease.fingerprint
    this.#seen = { lease, atMs: isSame ? (this.#seen?.atMs ?? 0) : this.#options.clock.uptimeMs() }
  }

  /** True when the holder wrote nothing for as long as it said that others should wait. */
  #hasRunOut(): boolean {
    if (this.#seen === null) return false
    const { lease, atMs } = this.#seen
    // A holder that does not say is given as long as we would ask for.
    const saidMs = lease.leaseDurationSeconds * 1000
    const waitMs = saidMs === 0 ? this.#options.periods.leaseDurationMs : saidMs
    return this.#options.clock.uptimeMs() - atMs > Math.min(waitMs, limits.leaseDurationMsMax)
  }

  #standBy(holder: string): void {
    if (this.#standbyFor === holder) return
    this.#standbyFor = holder
    this.#options.log.info({ lease: this.#leaseText(), holder }, 'standing by')
    this.#options.onState({ kind: 'standby', holder })
  }

  /** Null when it failed or was aborted; a failure is logged, and tried again by the caller's loop. */
  async #tryWithin<T>(
    delayMs: number,
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | null> {
    const deadline = new AbortController()
    const cancel = this.#options.timers.after(delayMs, () => deadline.abort())
    try {
      return await withAnySignal([signal, deadline.signal], run)
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      if (!signal.aborted)
        this.#options.log.warn(
          { lease: this.#leaseText(), error: detail },
          'the Lease could not be read or written',
        )
      return null
    } finally {
      cancel()
    }
  }

  #retryMs(): number {
    const { retryPeriodMs } = this.#options.periods
    return retryPeriodMs + jittered(retryPeriodMs / 5)
  }

  #leaseText(): string {
    const { namespace, name } = this.#options.name
    return `${namespace}/${name}`
  }
}

/** Ends by itself when it was not renewed in time. */
class HeldTerm implements Term {
  readonly #options: LeaseElectionOptions
  readonly #controller = new AbortController()
  #renewedMs: number
  #cancel: () => void = () => undefined

  constructor(options: LeaseElectionOptions, renewedMs: number) {
    this.#options = options
    this.#renewedMs = renewedMs
    this.renewed(renewedMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  assertHeld(): void {
    if (this.#leftMs() <= 0) this.#runOut()
    if (this.signal.aborted) throw new LeadershipLostError('the Lease is not ours any more')
  }

  /** `askedMs`: when the renewal was sent, not when its answer came. */
  renewed(askedMs: number): void {
    this.#cancel()
    this.#renewedMs = askedMs
    this.#cancel = this.#options.timers.after(Math.max(0, this.#leftMs()), () => this.#runOut())
  }

  lose(reason: string): void {
    if (this.signal.aborted) return
    this.#options.log.warn({ reason }, 'leadership lost; standing by')
    this.#controller.abort()
  }

  close(): void {
    this.#cancel()
  }

  #leftMs(): number {
    const { clock, periods } = this.#options
    return this.#renewedMs + periods.renewDeadlineMs - clock.uptimeMs()
  }

  #runOut(): void {
    this.lose(`the Lease was not renewed within ${this.#options.periods.renewDeadlineMs} ms`)
  }
}

function statusOf(error: unknown): number | null {
  return error instanceof KubeStatusError ? error.status : null
}
