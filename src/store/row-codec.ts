/**
 * Rows that prove themselves: a checksum over the row's own key and its bytes in front of all that a row holds, so that
 * no flipped bit and no exchanged row reads as another record. Counters are the only rows without (kv/counter.ts).
 */
import { crc32 } from 'node:zlib'
import type { Decode } from './fields.ts'
import { CorruptRecordError } from './fields.ts'

/** Small records as rows: JSON with a format number, checked on the way in and on the way out. `row` is the key. */
export type RowCodec<T> = {
  /** Throws CorruptRecordError rather than write what could not be read back. */
  readonly encode: (row: Uint8Array, record: T) => Uint8Array
  /** Throws CorruptRecordError, also for a row that is not there: only the caller knows where that may be. */
  readonly decode: (row: Uint8Array, value: Uint8Array | null) => T
}

/** CRC32 as eight lower-case hex digits: a row of JSON stays a line of text. */
const sealLength = 8

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `name` is for people. All rows of this release have format 1. */
export function rowCodec<T extends object>(name: string, decode: Decode<T>): RowCodec<T> {
  const format = 1
  return {
    encode(row, record) {
      return sealRow(row, encoder.encode(JSON.stringify({ format, ...decode(record, name) })))
    },
    decode(row, value) {
      const { format: found, ...fields } = parseRow(name, row, value)
      if (found !== format) throw new CorruptRecordError(`stored record: ${name} has format ${String(found)}`)
      return decode(fields, name)
    },
  }
}

/** The row's content behind its checksum. */
export function sealRow(row: Uint8Array, content: Uint8Array): Uint8Array {
  const value = new Uint8Array(sealLength + content.length)
  value.set(content, sealLength)
  let rest = crc32(content, crc32(row))
  for (let index = sealLength - 1; index >= 0; index -= 1) {
    value[index] = hexDigit(rest)
    rest >>>= 4
  }
  return value
}

/** The content that was sealed for this very row. Throws CorruptRecordError, also for a row that is not there. */
export function unsealRow(name: string, row: Uint8Array, value: Uint8Array | null): Uint8Array {
  if (value === null) throw new CorruptRecordError(`stored record: ${name} is missing`)
  const content = value.subarray(sealLength)
  let rest = crc32(content, crc32(row))
  for (let index = sealLength - 1; index >= 0; index -= 1) {
    if (value[index] !== hexDigit(rest)) {
      throw new CorruptRecordError(`stored record: ${name} is not what was written: its checksum differs`)
    }
    rest >>>= 4
  }
  return content
}

/** The JSON object of a sealed row, of whatever format. Throws CorruptRecordError. */
export function parseRow(
  name: string,
  row: Uint8Array,
  value: Uint8Array | null,
): Readonly<Record<string, unknown>> {
  const content = unsealRow(name, row, value)
  let parsed: unknown
  try {
    parsed = JSON.parse(decoder.decode(content))
  } catch (error) {
    throw new CorruptRecordError(`stored record: ${name} is not JSON`, { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new CorruptRecordError(`stored record: ${name} is not an object`)
  }
  return parsed as Readonly<Record<string, unknown>>
}

/** The lowest four bits as a lower-case digit. By hand: this runs for every row that is read or written. */
function hexDigit(bits: number): number {
  const digit = bits & 0xf
  return digit < 10 ? 0x30 + digit : 0x57 + digit
}
