/**
 * Optimistic transactions, the same for every engine: reads come from a snapshot and are remembered, writes
 * are
 * buffered; at commit the engine lets `prepareCommit` check the reads against the state that it is about to
 * change.
 */
import { assert } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import { limits } from '../../lib/limits.ts'
import { copyBytes, keyBytes } from './bytes-key.ts'
import type { ChainHead } from './chain.ts'
import {
  chainHash,
  chainHeadValue,
  chainValue,
  demandLast,
  logHeadKey,
  logKey,
  parseChainHead,
} from './chain.ts'
import {
  CounterBoundError,
  type Entry,
  type KeyValueReader,
  type KeyValueTransaction,
  type RangeOptions,
  TransactionTooLargeError,
  TransactionTooOldError,
} from './contract.ts'
import { counterValue, parseCounter } from './counter.ts'
import type { Snapshot, View, WritableView } from './engine.ts'
import { assertKey, assertRange, overlay, WriteBuffer } from './write-buffer.ts'

type PointRead = { readonly key: Uint8Array; readonly value: Uint8Array | null }
type RangeRead = { readonly options: RangeOptions; readonly entries: readonly Entry[] }
export type ReadSet = { readonly points: readonly PointRead[]; readonly ranges: readonly RangeRead[] }
type Write = { readonly key: Uint8Array; readonly value: Uint8Array | null }

/** Reads of one snapshot. Throws TransactionTooOldError once `end` was called. */
export class SnapshotReader implements KeyValueReader {
  readonly #snapshot: Snapshot
  #ended: Error | null = null

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    return this.read(key)
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]> {
    return keys.map((key) => this.read(key))
  }

  async range(options: RangeOptions): Promise<Entry[]> {
    return this.readRange(options)
  }

  /** Frees the snapshot; reads after it throw `reason`. */
  end(reason: Error): void {
    if (this.#ended !== null) return
    this.#ended = reason
    this.#snapshot.release()
  }

  protected read(key: Uint8Array): Uint8Array | null {
    this.assertLive()
    assertKey(key)
    return this.#snapshot.get(key)
  }

  protected readRange(options: RangeOptions): Entry[] {
    this.assertLive()
    assertRange(options)
    return this.#snapshot.range(options)
  }

  protected assertLive(): void {
    if (this.#ended !== null) throw this.#ended
  }
}

export class OptimisticTransaction extends SnapshotReader implements KeyValueTransaction {
  readonly writes = new WriteBuffer()
  readonly #points: PointRead[] = []
  readonly #ranges: RangeRead[] = []
  #readKeys = 0
  #readBytes = 0

  get reads(): ReadSet {
    return { points: this.#points, ranges: this.#ranges }
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.assertLive()
    this.writes.put(key, value)
  }

  delete(key: Uint8Array): void {
    this.assertLive()
    this.writes.delete(key)
  }

  add(key: Uint8Array, delta: number): void {
    this.assertLive()
    this.writes.add(key, delta)
  }

  bound(key: Uint8Array, countMax: number): void {
    this.assertLive()
    this.writes.bound(key, countMax)
  }

  append(log: string, record: Uint8Array): void {
    this.assertLive()
    this.writes.append(log, record)
  }

  protected override read(key: Uint8Array): Uint8Array | null {
    const own = this.writes.own(key)
    if (own !== undefined) {
      this.assertLive()
      return own === null ? null : copyBytes(own)
    }
    const value = super.read(key)
    this.#charge(1, key.length + (value?.length ?? 0))
    // The caller owns what it gets and may change it; validation must not compare with that.
    this.#points.push({ key: copyBytes(key), value: value === null ? null : copyBytes(value) })
    return value
  }

  protected override readRange(options: RangeOptions): Entry[] {
    const own = this.writes.ownWithin(options)
    const deleted = own.filter(([, value]) => value === null).length
    const wanted = {
      from: copyBytes(options.from),
      to: copyBytes(options.to),
      limit: options.limit + deleted,
      reverse: options.reverse === true,
    }
    const stored = super.readRange(wanted)
    const sizeBytes = stored.reduce((sum, entry) => sum + entry.key.length + entry.value.length, 0)
    this.#charge(1 + stored.length, sizeBytes)
    const entries = stored.map(({ key, value }) => ({ key: copyBytes(key), value: copyBytes(value) }))
    this.#ranges.push({ options: wanted, entries })
    return own.length === 0 ? stored : overlay(stored, own, options)
  }

  #charge(keys: number, sizeBytes: number): void {
    this.#readKeys += keys
    this.#readBytes += sizeBytes
    if (this.#readKeys > limits.transactionReadKeysMax) {
      throw new TransactionTooLargeError(`a transaction reads at most ${limits.transactionReadKeysMax} keys`)
    }
    if (this.#readBytes > limits.transactionReadBytesMax) {
      throw new TransactionTooLargeError(
        `a transaction reads at most ${limits.transactionReadBytesMax} bytes`,
      )
    }
  }
}

export const transactionEnded = new TransactionTooOldError('the transaction has ended')

/** True when every read would give the same bytes again, also for keys that have come into a range since. */
export function readsHold(reads: ReadSet, view: View): boolean {
  return (
    reads.points.every((read) => equalValues(read.value, view.get(read.key))) &&
    reads.ranges.every((read) => equalEntries(read.entries, view.range(read.options)))
  )
}

/**
 * All writes of a transaction as plain puts and deletes, with counters added up and log records numbered and
 * hashed on top of `view`. Changes nothing: whatever can be wrong with the stored state throws here, before
 * the
 * first write, so that no half of a transaction is ever applied.
 */
export function prepareWrites(buffer: WriteBuffer, view: View): Write[] {
  const writes: Write[] = []
  for (const [text, value] of buffer.values) writes.push({ key: keyBytes(text), value })
  for (const [text, delta] of buffer.counters) {
    const key = keyBytes(text)
    const before = parseCounter(view.get(key))
    const count = before + delta
    const countMax = buffer.bounds.get(text)
    if (countMax !== undefined && delta > 0 && count > countMax) throw new CounterBoundError(before, countMax)
    writes.push({ key, value: count === 0 ? null : counterValue(count) })
  }
  const heads = new Map<string, ChainHead>()
  for (const { log, record } of buffer.appends) {
    const head = heads.get(log) ?? provenHead(log, view)
    const sequence = head.sequence + 1
    const value = chainValue(sequence, head.hash, record)
    writes.push({ key: logKey(log, sequence), value })
    heads.set(log, { sequence, hash: chainHash(value) })
  }
  for (const [log, head] of heads) writes.push({ key: logHeadKey(log), value: chainHeadValue(head) })
  return writes
}

/**
 * The head of a log, held to the records themselves. Its hash goes into the next record as it is, also where the last record has another one: then one of the two was changed, the
 * chain shows where for ever, and nothing is lost by going on. Throws CorruptRecordError.
 */
function provenHead(log: string, view: View): ChainHead {
  const head = parseChainHead(view.get(logHeadKey(log)))
  const { sequence } = head
  const named = view.get(logKey(log, sequence))
  demandLast(log, head, { named, beyond: view.get(logKey(log, sequence + 1)) })
  return head
}

export function applyWrites(writes: readonly Write[], view: WritableView): void {
  for (const { key, value } of writes) {
    if (value === null) view.remove(key)
    else view.put(key, value)
  }
}

function equalValues(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b
  return equalBytes(a, b)
}

function equalEntries(a: readonly Entry[], b: readonly Entry[]): boolean {
  if (a.length !== b.length) return false
  return a.every((entry, index) => {
    const other = b[index]
    assert(other !== undefined, 'lists of one length have the same places')
    return equalBytes(entry.key, other.key) && equalBytes(entry.value, other.value)
  })
}
