import type { Clock } from '../../../src/lib/clock.ts'
import { epochMs } from '../../../src/lib/units.ts'
import type { Timers } from '../../../src/operator/timers.ts'

/**
 * A clock and its timers, moved by hand: `advance` runs what is due in order and lets promises settle in
 * between.
 */
export class ManualTime implements Timers, Clock {
  #nowMs = 0
  #sequence = 0
  readonly #wallStartMs: number
  readonly #pending = new Map<number, { dueMs: number; run: () => void }>()

  constructor(wallStartMs = Date.UTC(2026, 10, 21)) {
    this.#wallStartMs = wallStartMs
  }

  wallMs() {
    return epochMs(this.#wallStartMs + this.#nowMs)
  }

  uptimeMs() {
    return this.#nowMs
  }

  bootId() {
    return 'boot'
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  after(delayMs: number, run: () => void): () => void {
    const id = this.#sequence
    this.#sequence += 1
    this.#pending.set(id, { dueMs: this.#nowMs + delayMs, run })
    return () => {
      this.#pending.delete(id)
    }
  }

  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs
    await settle()
    for (let next = this.#nextDue(endMs); next !== null; next = this.#nextDue(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      this.#pending.delete(next.id)
      next.run()
      await settle()
    }
    this.#nowMs = endMs
  }

  #nextDue(endMs: number): { id: number; dueMs: number; run: () => void } | null {
    let first: { id: number; dueMs: number; run: () => void } | null = null
    for (const [id, timer] of this.#pending) {
      if (timer.dueMs <= endMs && (first === null || timer.dueMs < first.dueMs)) first = { id, ...timer }
    }
    return first
  }
}

/** Lets every promise that can go on do so: a macrotask runs after all microtasks. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve))
}
