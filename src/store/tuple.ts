/**
 * How a key is spelled: a one-byte tag and a tuple, so that byte order of the keys is the order of the tuples, and no two
 * tuples share a key. Which tables there are is keys.ts'.
 *
 * Strings are UTF-8 with 0x00 written as 0x00 0xff and ended by 0x00 0x01, so that a string sorts before all
 * longer ones that begin with it, and cutting the end off gives a prefix. Numbers are unsigned big-endian.
 */
import { assert } from '../lib/assert.ts'
import { concatBytes } from '../lib/bytes.ts'
import { CorruptRecordError } from './fields.ts'
import type { BucketId } from './records.ts'

const terminator = Uint8Array.of(0x00, 0x01)
const uint64Max = 0xffff_ffff_ffff_ffffn

export function text(value: string): Uint8Array {
  return concatBytes([textPrefix(value), terminator])
}

/** Without its end: what all strings that begin with `value` share. */
export function textPrefix(value: string): Uint8Array {
  // A lone surrogate would become U+FFFD: two different keys, one row.
  assert(value.isWellFormed(), 'a string in a key is well-formed Unicode')
  const bytes = Buffer.from(value, 'utf8')
  if (!bytes.includes(0)) return bytes
  return Uint8Array.from([...bytes].flatMap((byte) => (byte === 0 ? [byte, 0xff] : [byte])))
}

export function id(bucketId: BucketId): Uint8Array {
  assert(/^[0-9a-f]{16}$/.test(bucketId), 'a bucket id is 16 hex digits')
  return Buffer.from(bucketId, 'hex')
}

export function uint32(value: number): Uint8Array {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, 'a number in a key fits 32 bits')
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

export function uint64(value: number): Uint8Array {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number in a key is a whole number')
  return bigUint64(BigInt(value))
}

export function descending(value: number): Uint8Array {
  assert(Number.isSafeInteger(value) && value >= 0, 'an order is a whole number')
  return bigUint64(uint64Max - BigInt(value))
}

function bigUint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

/** Of a row that is there: what it is not was damaged, and is no bug. */
export function demand(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new CorruptRecordError(`stored record: ${sentence}`)
}

export class TupleReader {
  readonly #bytes: Buffer
  #offset = 1

  /** Errors, of this and of all reads: CorruptRecordError for a row that is not such a tuple behind `tag`. */
  constructor(row: Uint8Array, tag: number) {
    demand(row[0] === tag, 'a row begins with the tag of its table')
    this.#bytes = Buffer.from(row.buffer, row.byteOffset, row.byteLength)
  }

  id(): BucketId {
    return this.#take(8).toString('hex')
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0)
  }

  uint64(): number {
    return this.#safe(this.#take(8).readBigUInt64BE(0))
  }

  descending(): number {
    return this.#safe(uint64Max - this.#take(8).readBigUInt64BE(0))
  }

  text(): string {
    const start = this.#offset
    let isEscaped = false
    for (;;) {
      const zero = this.#bytes.indexOf(0, this.#offset)
      demand(zero >= 0 && zero + 1 < this.#bytes.length, 'a string in a key has an end')
      this.#offset = zero + 2
      if (this.#bytes[zero + 1] === 0x01) {
        const value = this.#bytes.toString('latin1', start, zero)
        if (!isEscaped) return this.#bytes.toString('utf8', start, zero)
        return Buffer.from(value.replaceAll('\u0000\u00ff', '\u0000'), 'latin1').toString('utf8')
      }
      demand(this.#bytes[zero + 1] === 0xff, 'a zero byte in a key is escaped')
      isEscaped = true
    }
  }

  isAtEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** Demands that nothing is left over, and passes `value` on. */
  end<T>(value: T): T {
    demand(this.#offset === this.#bytes.length, 'a key has nothing after its tuple')
    return value
  }

  #take(byteCount: number): Buffer {
    demand(this.#offset + byteCount <= this.#bytes.length, 'a key is as long as its tuple')
    const bytes = this.#bytes.subarray(this.#offset, this.#offset + byteCount)
    this.#offset += byteCount
    return bytes
  }

  #safe(value: bigint): number {
    demand(value <= BigInt(Number.MAX_SAFE_INTEGER), 'a number in a key is a safe integer')
    return Number(value)
  }
}
