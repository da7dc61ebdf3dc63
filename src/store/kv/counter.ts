/** The stored form of counters that `add` keeps: signed 64-bit little-endian. */
import { assert } from '../../lib/assert.ts'
import { CorruptRecordError } from '../fields.ts'

/** Reads a counter; null (absent) is 0. Throws CorruptRecordError on other lengths and beyond 2^53: a flipped bit, and no bug. */
export function parseCounter(value: Uint8Array | null): number {
  if (value === null) return 0
  if (value.length !== 8) throw new CorruptRecordError('stored record: a counter has 8 bytes')
  const count = Number(new DataView(value.buffer, value.byteOffset).getBigInt64(0, true))
  if (!Number.isSafeInteger(count)) throw new CorruptRecordError('stored record: a counter is a safe integer')
  return count
}

export function counterValue(count: number): Uint8Array {
  assert(Number.isSafeInteger(count), 'a counter is a safe integer')
  const value = new Uint8Array(8)
  new DataView(value.buffer).setBigInt64(0, BigInt(count), true)
  return value
}
