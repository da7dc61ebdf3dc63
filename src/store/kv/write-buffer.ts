/** What a transaction wants to write, kept until commit. */
import { assert } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import { copyBytes, keyBytes, keyText } from './bytes-key.ts'
import { logKeyTag, logNameLengthMax } from './chain.ts'
import { type Entry, type RangeOptions, TransactionTooLargeError } from './contract.ts'

/** A buffered value: bytes to put, or null for a delete. */
export type BufferedValue = Uint8Array | null
export type Append = { readonly log: string; readonly record: Uint8Array }

/** Key and value bytes that an append costs beside its record: both keys, header and head. */
const appendOverheadBytes = 2 * (logNameLengthMax + 11) + 80

export class WriteBuffer {
  readonly values = new Map<string, BufferedValue>()
  readonly counters = new Map<string, number>()
  /** The most that each of these counters may be raised to. */
  readonly bounds = new Map<string, number>()
  readonly appends: Append[] = []
  sizeBytes = 0

  isEmpty(): boolean {
    return this.values.size === 0 && this.counters.size === 0 && this.appends.length === 0
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const text = this.#writableKey(key)
    assert(!this.counters.has(text), 'a key is either put or added to in one transaction')
    this.#charge(key.length + value.length)
    this.values.set(text, copyBytes(value))
    this.#checkKeys()
  }

  delete(key: Uint8Array): void {
    const text = this.#writableKey(key)
    assert(!this.counters.has(text), 'a key is either deleted or added to in one transaction')
    this.#charge(key.length)
    this.values.set(text, null)
    this.#checkKeys()
  }

  add(key: Uint8Array, delta: number): void {
    assert(Number.isSafeInteger(delta), 'a delta is a safe integer')
    const text = this.#writableKey(key)
    assert(!this.values.has(text), 'a key is either put or added to in one transaction')
    this.#charge(key.length + 8)
    this.counters.set(text, (this.counters.get(text) ?? 0) + delta)
    this.#checkKeys()
  }

  bound(key: Uint8Array, countMax: number): void {
    assert(Number.isSafeInteger(countMax), 'a bound is a safe integer')
    const text = this.#writableKey(key)
    this.#charge(key.length + 8)
    this.bounds.set(text, Math.min(this.bounds.get(text) ?? countMax, countMax))
  }

  append(log: string, record: Uint8Array): void {
    this.#charge(record.length + appendOverheadBytes)
    this.appends.push({ log, record: copyBytes(record) })
    this.#checkKeys()
  }

  /** The transaction's own write of `key`; undefined when it wrote none. */
  own(key: Uint8Array): BufferedValue | undefined {
    return this.values.size === 0 ? undefined : this.values.get(keyText(key))
  }

  /** Own puts and deletes with from <= key < to, in key order. */
  ownWithin(options: RangeOptions): (readonly [string, BufferedValue])[] {
    if (this.values.size === 0) return []
    const from = keyText(options.from)
    const to = keyText(options.to)
    const within = [...this.values].filter(([key]) => key >= from && key < to)
    return within.sort(([a], [b]) => (a < b ? -1 : 1))
  }

  #writableKey(key: Uint8Array): string {
    assertKey(key)
    assert(key[0] !== logKeyTag, 'only append writes the keys of a log')
    return keyText(key)
  }

  // Overwriting an own write counts again: the bound is on the work asked for, and simple.
  #charge(sizeBytes: number): void {
    this.sizeBytes += sizeBytes
    if (this.sizeBytes <= limits.transactionBytesMax) return
    throw new TransactionTooLargeError(`a transaction writes at most ${limits.transactionBytesMax} bytes`)
  }

  #checkKeys(): void {
    const count = this.values.size + this.counters.size + 2 * this.appends.length
    if (count <= limits.transactionKeysMax) return
    throw new TransactionTooLargeError(`a transaction writes at most ${limits.transactionKeysMax} keys`)
  }
}

/** Entries of a snapshot with own writes laid over them; both in key order, result in the order asked for. */
export function overlay(
  stored: readonly Entry[],
  own: readonly (readonly [string, BufferedValue])[],
  options: RangeOptions,
): Entry[] {
  const merged = new Map(stored.map((entry) => [keyText(entry.key), entry.value]))
  for (const [key, value] of own) {
    if (value === null) merged.delete(key)
    else merged.set(key, copyBytes(value))
  }
  const keys = [...merged.keys()].sort()
  if (options.reverse === true) keys.reverse()
  return keys
    .slice(0, options.limit)
    .map((key) => ({ key: keyBytes(key), value: merged.get(key) as Uint8Array }))
}

export function assertKey(key: Uint8Array): void {
  assert(key.length >= 1, 'a key has at least one byte')
  assert(key.length <= limits.storeKeyBytesMax, `a key has at most ${limits.storeKeyBytesMax} bytes`)
}

export function assertRange(options: RangeOptions): void {
  assert(Number.isSafeInteger(options.limit) && options.limit >= 1, 'a range has a limit of at least 1')
  const lengthMax = limits.storeKeyBytesMax + 1
  assert(
    options.from.length <= lengthMax && options.to.length <= lengthMax,
    'a range bound is as short as a key',
  )
}
