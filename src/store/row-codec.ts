/** Small records as rows: JSON with a format number, checked on the way in and on the way out. */
import type { Decode } from './fields.ts'
import { CorruptRecordError } from './fields.ts'

export type RowCodec<T> = {
  /** Throws CorruptRecordError rather than write what could not be read back. */
  readonly encode: (record: T) => Uint8Array
  /** Throws CorruptRecordError, also for a row that is not there: only the caller knows where that may be. */
  readonly decode: (value: Uint8Array | null) => T
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `name` is for people. All rows of this release have format 1. */
export function rowCodec<T extends object>(name: string, decode: Decode<T>): RowCodec<T> {
  const format = 1
  return {
    encode(record) {
      return encoder.encode(JSON.stringify({ format, ...decode(record, name) }))
    },
    decode(value) {
      const { format: found, ...fields } = parseJsonObject(name, value)
      if (found !== format) throw new CorruptRecordError(`stored record: ${name} has format ${String(found)}`)
      return decode(fields, name)
    },
  }
}

/** Throws CorruptRecordError. */
export function parseJsonObject(name: string, value: Uint8Array | null): Readonly<Record<string, unknown>> {
  if (value === null) throw new CorruptRecordError(`stored record: ${name} is missing`)
  let parsed: unknown
  try {
    parsed = JSON.parse(decoder.decode(value))
  } catch (error) {
    throw new CorruptRecordError(`stored record: ${name} is not JSON`, { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new CorruptRecordError(`stored record: ${name} is not an object`)
  }
  return parsed as Readonly<Record<string, unknown>>
}
