import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import { type BackoffRange, exponentialDelayMs } from './backoff.ts'
import type { QueueMetrics, QueueView } from './metrics.ts'
import type { TokenBucket } from './rate-limit.ts'
import type { Timers } from './timers.ts'

export type WorkqueueOptions = {
  readonly timers: Timers
  readonly retry: BackoffRange
  /** Bounds all retries together; null: only the delay per key counts. */
  readonly retryBucket: TokenBucket | null
  readonly metrics?: QueueMetrics
}

type Delayed = { readonly dueMs: number; readonly cancel: () => void }

/**
 * Keys that wait for work, with client-go's semantics: a key is in the queue at most once and is given to one
 * worker at a time; a key added while it is being processed runs once more afterwards. Holds keys only: what
 * to do is read from the cache when the key's turn comes.
 */
export class Workqueue implements QueueView {
  readonly #timers: Timers
  readonly #retry: BackoffRange
  readonly #retryBucket: TokenBucket | null
  readonly #metrics: QueueMetrics | undefined
  /** Keys that need work, with when they were added; a Map keeps the order of first adding. */
  readonly #queued = new Map<string, number>()
  /** With when a worker got it. */
  readonly #processing = new Map<string, number>()
  /** Added while being processed, with when. */
  readonly #dirty = new Map<string, number>()
  readonly #delayed = new Map<string, Delayed>()
  readonly #failures = new Map<string, number>()
  readonly #waiters: ((key: string | null) => void)[] = []
  readonly #uptimeMs: () => number
  #isShutDown = false
  #drained: (() => void)[] = []

  /** `uptimeMs` never goes back; it only compares the delays of one key. */
  constructor(options: WorkqueueOptions, uptimeMs: () => number) {
    this.#timers = options.timers
    this.#retry = options.retry
    this.#retryBucket = options.retryBucket
    this.#metrics = options.metrics
    this.#uptimeMs = uptimeMs
  }

  /** Keys that wait for a worker now, without the delayed ones. */
  get depth(): number {
    return this.#queued.size + this.#dirty.size
  }

  get processingCount(): number {
    return this.#processing.size
  }

  /** How long the keys being processed have been, together. */
  unfinishedMs(): number {
    return this.#processingAgesMs().reduce((sum, ageMs) => sum + ageMs, 0)
  }

  longestRunningMs(): number {
    return Math.max(0, ...this.#processingAgesMs())
  }

  /** Failures in a row of a key, since the last `forget`. */
  failureCount(key: string): number {
    return this.#failures.get(key) ?? 0
  }

  add(key: string): void {
    if (this.#isShutDown) return
    const waiting = this.#processing.has(key) ? this.#dirty : this.#queued
    if (waiting.has(key)) return
    this.#metrics?.added()
    waiting.set(key, this.#uptimeMs())
    this.#handOut()
  }

  /** Adds the key after a delay. Of several delays of one key the earliest wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#isShutDown) return
    if (delayMs <= 0) {
      this.add(key)
      return
    }
    const boundedMs = Math.min(Math.ceil(delayMs), limits.timerMsMax)
    const dueMs = this.#uptimeMs() + boundedMs
    const pending = this.#delayed.get(key)
    if (pending !== undefined && pending.dueMs <= dueMs) return
    pending?.cancel()
    const cancel = this.#timers.after(boundedMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, { dueMs, cancel })
  }

  /**
   * Adds the key after its own delay, doubled with each failure in a row, and the one of all retries
   * together.
   */
  addRateLimited(key: string, delayMsMax: number = this.#retry.delayMsMax): void {
    const failures = this.failureCount(key)
    this.#failures.set(key, failures + 1)
    this.#metrics?.retried()
    const ownMs = Math.min(exponentialDelayMs(this.#retry, failures), delayMsMax)
    this.addAfter(key, Math.max(ownMs, this.#retryBucket?.reserveMs() ?? 0))
  }

  /** The key succeeded or is given up: its next failure starts at the shortest delay. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** The next key; it belongs to the caller until `done`. Null: the queue is shut down. */
  get(): Promise<string | null> {
    if (this.#isShutDown) return Promise.resolve(null)
    return new Promise((resolve) => {
      this.#waiters.push(resolve)
      this.#handOut()
    })
  }

  done(key: string): void {
    const startMs = this.#processing.get(key)
    assert(startMs !== undefined, 'only a key that was handed out is done')
    this.#processing.delete(key)
    this.#metrics?.done(this.#uptimeMs() - startMs)
    const addedMs = this.#dirty.get(key)
    if (addedMs !== undefined) {
      this.#dirty.delete(key)
      this.#queued.set(key, addedMs)
      this.#handOut()
    }
    if (this.#isShutDown && this.#processing.size === 0) this.#resolveDrained()
  }

  /**
   * Takes no more keys and forgets the waiting ones (the next start reads everything again); resolves when
   * the keys being processed are done.
   */
  shutDown(): Promise<void> {
    this.#isShutDown = true
    for (const { cancel } of this.#delayed.values()) cancel()
    this.#delayed.clear()
    this.#queued.clear()
    this.#dirty.clear()
    for (const resolve of this.#waiters.splice(0)) resolve(null)
    if (this.#processing.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drained.push(resolve)
    })
  }

  #handOut(): void {
    for (const [key, addedMs] of this.#queued) {
      const waiter = this.#waiters.shift()
      if (waiter === undefined) return
      const nowMs = this.#uptimeMs()
      this.#queued.delete(key)
      this.#processing.set(key, nowMs)
      this.#metrics?.handedOut(nowMs - addedMs)
      waiter(key)
    }
  }

  #processingAgesMs(): readonly number[] {
    const nowMs = this.#uptimeMs()
    return [...this.#processing.values()].map((startMs) => nowMs - startMs)
  }

  #resolveDrained(): void {
    for (const resolve of this.#drained.splice(0)) resolve()
  }
}
