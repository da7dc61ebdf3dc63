/** Tags in manifests: a list of key and value, as S3's TagSet. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { type ApiRule, asListMap, withRules } from './rules.ts'

/** S3: letters, digits, spaces and a few signs. */
const tagPattern = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
const tagLetters = { error: 'letters, digits, spaces and _ . : / = + - @' }

const tagKeyReserved: ApiRule<string> = {
  name: 'TagKeyReserved',
  cel: "!self.lowerAscii().startsWith('aws:')",
  message: 'tag keys beginning aws: are reserved',
  reason: 'FieldValueForbidden',
  fieldPath: [],
  holds: (key) => !key.toLowerCase().startsWith('aws:'),
}

/** Every rule of a tag, for the table of cases. */
export const tagRules = [tagKeyReserved] as const

const keySchema = withRules(
  z.string().min(1).max(limits.tagKeyLengthMax).regex(tagPattern, tagLetters),
  tagRules,
).describe('The key of the tag.')
const valueSchema = z
  .string()
  .max(limits.tagValueLengthMax)
  .regex(tagPattern, tagLetters)
  .describe('The value of the tag; it may be empty.')

/** At most `countMax` tags of different keys. */
export function tagListSchema(countMax: number) {
  return asListMap(z.array(z.object({ key: keySchema, value: valueSchema })).max(countMax), 'key')
}

export type TagFields = { readonly key: string; readonly value: string }

/** `fromEntries` makes `__proto__` a tag like any other. */
export function toTags(tags: readonly TagFields[]): Readonly<Record<string, string>> {
  return Object.fromEntries(tags.map(({ key, value }) => [key, value]))
}
