import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import { exponentialDelayMs } from '../backoff.ts'
import { formatKey, type ObjectKey } from '../objects.ts'

type Failure = { readonly count: number; readonly untilMs: number; readonly error: Error }

/**
 * Between keys that were made and refused again at once, because their Secret could not be written: whatever asks for the
 * next look, there is no key at each of them. Of one process; the next begins with one key.
 */
export class MakingPauses {
  readonly #clock: Pick<Clock, 'uptimeMs'>
  readonly #failures = new Map<string, Failure>()

  constructor(clock: Pick<Clock, 'uptimeMs'>) {
    this.#clock = clock
  }

  /** Errors: the last failure's, while its pause lasts. */
  assertOver(key: ObjectKey): void {
    const failure = this.#failures.get(formatKey(key))
    if (failure !== undefined && this.#clock.uptimeMs() < failure.untilMs) throw failure.error
  }

  failed(key: ObjectKey, error: Error): void {
    const count = this.#failures.get(formatKey(key))?.count ?? 0
    const range = { delayMsMin: limits.serverRetryMsMax, delayMsMax: limits.reconcileRetryDelayMsMax }
    const untilMs = this.#clock.uptimeMs() + exponentialDelayMs(range, count)
    this.#failures.set(formatKey(key), { count: count + 1, untilMs, error })
  }

  /** It was written, or its object is gone. */
  end(key: ObjectKey): void {
    this.#failures.delete(formatKey(key))
  }
}
