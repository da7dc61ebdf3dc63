/** Documents of a bucket as text: canonical JSON with a format number, checked on the way in and on the way out. */
import { CorruptRecordError, type Decode } from './fields.ts'

export type TextCodec<T> = {
  /** Throws CorruptRecordError rather than write what could not be read back. */
  readonly encode: (document: T) => string
  /** Throws CorruptRecordError, also for a text that this codec would have written otherwise. */
  readonly decode: (text: string) => T
}

/** `name` is for people. All documents of this release have format 1. */
export function textCodec<T extends object>(name: string, decode: Decode<T>): TextCodec<T> {
  const encode = (document: T): string => JSON.stringify({ format: 1, ...decode(document, name) })
  return {
    encode,
    decode(text) {
      const { format, ...fields } = parseObject(name, text)
      if (format !== 1) throw new CorruptRecordError(`stored document: ${name} has format ${String(format)}`)
      const document = decode(fields, name)
      if (encode(document) !== text) throw new CorruptRecordError(`stored document: ${name} is not canonical`)
      return document
    },
  }
}

function parseObject(name: string, text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new CorruptRecordError(`stored document: ${name} is not JSON`, { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new CorruptRecordError(`stored document: ${name} is not an object`)
  return { ...parsed }
}
