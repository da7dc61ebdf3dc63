import { randomInt } from 'node:crypto'
import { assert } from '../lib/assert.ts'

export type BackoffRange = { readonly delayMsMin: number; readonly delayMsMax: number }

/** The delay before attempt number `attempt` (0 is the first retry): doubled each time, capped. */
export function exponentialDelayMs(range: BackoffRange, attempt: number): number {
  assert(Number.isInteger(attempt) && attempt >= 0, 'attempts count from 0')
  // 2 ** 64 times one millisecond exceeds every cap, and a larger exponent would only overflow.
  return Math.min(range.delayMsMin * 2 ** Math.min(attempt, 64), range.delayMsMax)
}

/**
 * Spreads a delay over [delayMs / 2, delayMs], so that clients cut off together do not come back together.
 */
export function jittered(delayMs: number): number {
  const wholeMs = Math.floor(delayMs)
  return wholeMs <= 1 ? wholeMs : randomInt(Math.ceil(wholeMs / 2), wholeMs + 1)
}

/** Counts failures in a row. */
export class Backoff {
  readonly #range: BackoffRange
  #attempt = 0

  constructor(range: BackoffRange) {
    this.#range = range
  }

  /** The delay before the next try, with jitter but never below the minimum. */
  nextMs(): number {
    const delayMs = exponentialDelayMs(this.#range, this.#attempt)
    this.#attempt += 1
    return Math.max(this.#range.delayMsMin, jittered(delayMs))
  }

  reset(): void {
    this.#attempt = 0
  }
}
