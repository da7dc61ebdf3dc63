import { assert } from '../lib/assert.ts'

/**
 * A token bucket over a clock that never goes back (`Clock.uptimeMs`). Reserves: the caller waits what it is
 * told.
 */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  readonly #uptimeMs: () => number
  #tokens: number
  #atMs: number

  constructor(options: { perSecond: number; burst: number; uptimeMs: () => number }) {
    assert(options.perSecond > 0 && options.burst >= 1, 'a bucket fills and holds at least one token')
    this.#perSecond = options.perSecond
    this.#burst = options.burst
    this.#uptimeMs = options.uptimeMs
    this.#tokens = options.burst
    this.#atMs = options.uptimeMs()
  }

  /** Takes one token, on credit if there is none; returns the whole milliseconds until it is earned. */
  reserveMs(): number {
    this.#refill()
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#perSecond)
  }

  /** Takes one token if there is one. */
  tryTake(): boolean {
    this.#refill()
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** True when nothing was taken for so long that the bucket is full again: it may be forgotten. */
  isFull(): boolean {
    this.#refill()
    return this.#tokens >= this.#burst
  }

  #refill(): void {
    const nowMs = this.#uptimeMs()
    const earned = (Math.max(0, nowMs - this.#atMs) * this.#perSecond) / 1000
    this.#tokens = Math.min(this.#burst, this.#tokens + earned)
    this.#atMs = nowMs
  }
}
