import type { EpochMs } from './units.ts'

/**
 * The door to time. `src/platform` has the real one; tests inject their own through constructors.
 * There is no setter: nothing in the release can move it.
 */
export interface Clock {
  /** The machine's wall clock: evidence, not truth. Used for Date, Last-Modified and signature skew. */
  wallMs(): EpochMs
  /** Milliseconds since the machine booted, never going back while `bootId` stays the same. */
  uptimeMs(): number
  /** Identifies one boot of the machine. */
  bootId(): string
}
