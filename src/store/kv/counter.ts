/** The stored form of counters that `add` keeps: signed 64-bit little-endian. */
import { assert } from '../../lib/assert.ts'

/** Reads a counter; null (absent) is 0. Throws AssertionError on other lengths and beyond 2^53. */
export function parseCounter(value: Uint8Array | null): number {
  if (value === null) return 0
  assert(value.length === 8, 'a counter has 8 bytes')
  const count = Number(new DataView(value.buffer, value.byteOffset).getBigInt64(0, true))
  assert(Number.isSafeInteger(count), 'a counter is a safe integer')
  return count
}

export function counterValue(count: number): Uint8Array {
  assert(Number.isSafeInteger(count), 'a counter is a safe integer')
  const value = new Uint8Array(8)
  new DataView(value.buffer).setBigInt64(0, BigInt(count), true)
  return value
}
