/**
 * What an engine offers below the shared transaction code: synchronous reads of one state, and writes to
 * it.
 */
import type { Entry, RangeOptions } from './contract.ts'

/** Reads of one state of the store. Bytes returned are copies. */
export type View = {
  get(key: Uint8Array): Uint8Array | null
  range(options: RangeOptions): Entry[]
}

/** A fixed state; `release` frees it and may be called more than once. */
export type Snapshot = View & { release(): void }

/** The state inside the engine's write transaction: reads see the writes made before. */
export type WritableView = View & {
  put(key: Uint8Array, value: Uint8Array): void
  remove(key: Uint8Array): void
}
