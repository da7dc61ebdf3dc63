/**
 * The stored form of the hash chains that `append` builds. Everything here is format: a change needs a new
 * format
 * number. A record's hash is SHA-256 of its whole value, so it covers number, previous hash and record.
 */
import { hash } from 'node:crypto'
import { assert } from '../../lib/assert.ts'
import { startsWithBytes } from '../../lib/bytes.ts'
import { CorruptRecordError } from '../fields.ts'

/** First byte of every key that `append` owns; no other write may touch such a key. */
export const logKeyTag = 0x61
export const logNameLengthMax = 64
export const chainHashBytes = 32
const headerBytes = 8 + chainHashBytes
const headMark = 0x68
const recordMark = 0x72

/** One record as stored: `previous` is 32 zero bytes in the first. */
export type ChainRecord = {
  readonly sequence: number
  readonly previous: Uint8Array
  readonly record: Uint8Array
}

/**
 * The end of a chain: the last record's number and hash; number 0 and 32 zero bytes while the log is
 * empty.
 */
export type ChainHead = { readonly sequence: number; readonly hash: Uint8Array }

export const emptyChainHead: ChainHead = { sequence: 0, hash: new Uint8Array(chainHashBytes) }

/**
 * Key of record `sequence` of `log`: 0x61, name, 0x00, 'r', u64be. Keys of one log are in order of
 * number.
 */
export function logKey(log: string, sequence: number): Uint8Array {
  assert(Number.isSafeInteger(sequence) && sequence >= 0, 'a sequence is a whole number')
  const key = new Uint8Array(log.length + 11)
  writeLogPrefix(key, log, recordMark)
  writeU64(key, log.length + 3, sequence)
  return key
}

/** The number of a record, by the key that logKey gave it. */
export function sequenceOfLogKey(key: Uint8Array): number {
  return readU64(key, key.length - 8)
}

/** Key of the head of `log`: 0x61, name, 0x00, 'h'. */
export function logHeadKey(log: string): Uint8Array {
  const key = new Uint8Array(log.length + 3)
  writeLogPrefix(key, log, headMark)
  return key
}

/** u64be sequence, 32 bytes hash of the previous value, record. */
export function chainValue(sequence: number, previous: Uint8Array, record: Uint8Array): Uint8Array {
  assert(Number.isSafeInteger(sequence) && sequence >= 1, 'records are numbered from 1')
  assert(previous.length === chainHashBytes, 'a previous hash has 32 bytes')
  const value = new Uint8Array(headerBytes + record.length)
  writeU64(value, 0, sequence)
  value.set(previous, 8)
  value.set(record, headerBytes)
  return value
}

/** Whether a stored value begins as chainValue wrote it for this number; whatever it is. */
export function hasChainHeader(value: Uint8Array, sequence: number): boolean {
  const number = new Uint8Array(8)
  writeU64(number, 0, sequence)
  return value.length >= headerBytes && startsWithBytes(value, number)
}

/** Reads what chainValue wrote. Throws CorruptRecordError on anything shorter. */
export function parseChainValue(value: Uint8Array): ChainRecord {
  if (value.length < headerBytes)
    throw new CorruptRecordError('stored record: a chain value has number and previous hash')
  return {
    sequence: readU64(value, 0),
    previous: value.slice(8, headerBytes),
    record: value.slice(headerBytes),
  }
}

/** SHA-256 of a chain value: what the next record carries as `previous`. */
export function chainHash(value: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha256', value, 'buffer'))
}

/** Stored under logHeadKey: u64be sequence and hash of the last record. */
export function chainHeadValue(head: ChainHead): Uint8Array {
  assert(head.hash.length === chainHashBytes, 'a head has a hash of 32 bytes')
  const value = new Uint8Array(headerBytes)
  writeU64(value, 0, head.sequence)
  value.set(head.hash, 8)
  return value
}

/** Reads what chainHeadValue wrote; null is the head of a log without records. Throws CorruptRecordError: a flipped bit, and no bug. */
export function parseChainHead(value: Uint8Array | null): ChainHead {
  if (value === null) return emptyChainHead
  if (value.length !== headerBytes)
    throw new CorruptRecordError('stored record: a chain head has number and hash')
  return { sequence: readU64(value, 0), hash: value.slice(8) }
}

/**
 * Throws CorruptRecordError unless the head names the last record, by the values under its number and under the next: one that lies
 * would number the next record over another, or past a gap. `head` is of the same snapshot.
 */
export function demandLast(
  log: string,
  { sequence }: ChainHead,
  { named, beyond }: { readonly named: Uint8Array | null; readonly beyond: Uint8Array | null },
): void {
  if (sequence > 0 && named === null)
    throw new CorruptRecordError(`stored record: the head of the ${log} log names a record that is not there`)
  if (beyond !== null)
    throw new CorruptRecordError(`stored record: a record of the ${log} log lies beyond its head`)
}

function writeLogPrefix(key: Uint8Array, log: string, mark: number): void {
  assert(log.length >= 1 && log.length <= logNameLengthMax, 'a log name has 1 to 64 characters')
  key[0] = logKeyTag
  for (let index = 0; index < log.length; index += 1) {
    const code = log.charCodeAt(index)
    assert(code > 0x20 && code < 0x7f, 'a log name is printable ASCII')
    key[index + 1] = code
  }
  key[log.length + 1] = 0
  key[log.length + 2] = mark
}

function writeU64(target: Uint8Array, offset: number, value: number): void {
  const view = new DataView(target.buffer, target.byteOffset)
  view.setUint32(offset, Math.floor(value / 2 ** 32))
  view.setUint32(offset + 4, value % 2 ** 32)
}

function readU64(source: Uint8Array, offset: number): number {
  const view = new DataView(source.buffer, source.byteOffset)
  const value = view.getUint32(offset) * 2 ** 32 + view.getUint32(offset + 4)
  if (!Number.isSafeInteger(value))
    throw new CorruptRecordError('stored record: the number of a chain is a safe integer')
  return value
}
