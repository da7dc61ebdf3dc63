/** Trusted and wall time as a history expects them: between two bounds, because the machine's time goes on. */
import { expect } from 'vitest'
import { type EpochMs, epochMs } from '../../src/lib/units.ts'
import { sendAdmin } from '../support/admin.ts'
import type { TestServer } from '../support/server.ts'

export type Now = { readonly trustedMs: EpochMs; readonly wallMs: EpochMs; readonly requestMs: EpochMs }
/** From the earliest that a request can be judged at to the latest. */
export type Span = { readonly low: Now; readonly high: Now }

/** No request takes as long. */
const requestMsMax = 60_000
/** Trusted time follows uptime, led towards the wall clock by at most so much of it. */
const slew = 1 / 1000
const roundingMs = 3

/** What the server said, and the uptime of this process before and after it did. */
type Anchor = { readonly trustedMs: number; readonly beforeMs: number; readonly afterMs: number }

export class ModelClock {
  readonly #server: TestServer
  #anchor: Anchor | null = null
  #passedMs = 0

  constructor(server: TestServer) {
    this.#server = server
  }

  /** Every history begins with a wall clock that is right. */
  async begin(): Promise<void> {
    await this.check()
    this.#server.setClock({ wallShiftMs: Math.floor(this.#bounds().low - Date.now()) })
  }

  now(): Span {
    const { low, high } = this.#bounds()
    const wallMs = this.#server.nowMs()
    return { low: instant(low, wallMs), high: instant(high + requestMsMax, wallMs + requestMsMax) }
  }

  async advance(durationMs: number): Promise<void> {
    this.#server.advance(durationMs)
    this.#passedMs += durationMs
    await this.check()
  }

  async step(durationMs: number): Promise<void> {
    this.#server.setClock({ wallShiftMs: Math.floor(this.#server.nowMs() + durationMs - Date.now()) })
    await this.check()
  }

  /** Only time moves trusted time: no step of the wall clock, no restart, nothing that was asked (I17). */
  async check(): Promise<void> {
    const beforeMs = this.#uptimeMs()
    const expected = this.#anchor === null ? null : this.#bounds()
    const { status, document } = await sendAdmin(this.#server, { method: 'GET', path: '/v1/server' })
    expect(status).toBe(200)
    const { trusted } = document['clock'] as { trusted: string }
    const trustedMs = Date.parse(trusted)
    if (expected !== null) {
      expect(trustedMs, 'trusted time went back').toBeGreaterThanOrEqual(Math.floor(expected.low))
      expect(trustedMs, 'trusted time ran ahead').toBeLessThanOrEqual(Math.ceil(this.#bounds().high))
    }
    this.#anchor = { trustedMs, beforeMs, afterMs: this.#uptimeMs() }
  }

  #uptimeMs(): number {
    return performance.now() + this.#passedMs
  }

  #bounds(): { readonly low: number; readonly high: number } {
    if (this.#anchor === null) throw new Error('the clock was never read')
    const { trustedMs, beforeMs, afterMs } = this.#anchor
    const uptimeMs = this.#uptimeMs()
    return {
      low: trustedMs + (uptimeMs - afterMs) * (1 - slew) - roundingMs,
      high: trustedMs + (uptimeMs - beforeMs) * (1 + slew) + roundingMs,
    }
  }
}

function instant(trusted: number, wall: number): Now {
  const trustedMs = epochMs(Math.floor(trusted))
  const wallMs = epochMs(Math.floor(wall))
  return { trustedMs, wallMs, requestMs: epochMs(Math.max(trustedMs, wallMs)) }
}
