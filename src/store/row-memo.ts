/**
 * Rows that every request reads and hardly any writes. What was decoded is given again for the very same bytes, which then were
 * found whole once already; other bytes are decoded anew.
 */
import { assert } from '../lib/assert.ts'

/** A stored row decoded: throws CorruptRecordError, also for one that is not there. */
type DecodeRow<Value extends Uint8Array | null, T> = (row: Uint8Array, value: Value) => T

/** The same, for up to `rowsMax` rows from memory. What it returns is frozen: many requests hold it at once. */
export function remembering<Value extends Uint8Array | null, T extends object>(
  rowsMax: number,
  decode: DecodeRow<Value, T>,
): DecodeRow<Value, T> {
  assert(rowsMax >= 1, 'a memory holds at least one row')
  const known = new Map<string, { readonly value: Uint8Array; readonly record: T }>()
  return (row, value) => {
    if (value === null) return decode(row, value)
    const name = Buffer.from(row.buffer, row.byteOffset, row.length).toString('latin1')
    const before = known.get(name)
    if (before !== undefined && Buffer.compare(before.value, value) === 0) return before.record
    const record = deepFrozen(decode(row, value))
    if (known.size >= rowsMax && before === undefined) known.clear()
    // A copy: the store's bytes are its own again after the read.
    known.set(name, { value: value.slice(), record })
    return record
  }
}

function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) deepFrozen(part)
  return Object.freeze(value)
}
