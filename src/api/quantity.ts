/** Sizes as Kubernetes writes them, as far as they are whole numbers of bytes. */
import { z } from 'zod'
import { assert } from '../lib/assert.ts'
import { type ApiRule, withRules } from './rules.ts'

const quantityPattern = /^[1-9][0-9]*(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/
const powers: readonly string[] = ['', 'K', 'M', 'G', 'T', 'P']

/** 2^53: what is below is exact in every program that reads JSON. */
const bytesQuantityRange: ApiRule<string> = {
  name: 'QuantityRange',
  cel: "quantity(self).isLessThan(quantity('8Pi'))",
  message: 'a size is less than 8Pi',
  reason: 'FieldValueInvalid',
  fieldPath: [],
  holds: (text) => toBytes(text) <= Number.MAX_SAFE_INTEGER,
}

/** Every rule of a size, for the table of cases. */
export const bytesQuantityRules = [bytesQuantityRange] as const

/** A size of at least one byte. */
export function bytesQuantitySchema(sentence: string) {
  return withRules(
    z.string().max(18).regex(quantityPattern, {
      error: 'a whole number of bytes, with k, M, G, T, P (powers of 1000) or Ki, Mi, Gi, Ti, Pi (of 1024)',
    }),
    bytesQuantityRules,
  ).describe(sentence)
}

/** Bytes of a valid size, e.g. 536870912000 of `500Gi`. */
export function toBytes(text: string): number {
  const [, suffix = ''] = quantityPattern.exec(text) ?? []
  const count = Number.parseInt(text, 10)
  assert(Number.isFinite(count), 'a validated size begins with a number')
  const power = powers.indexOf(suffix.slice(0, 1).toUpperCase())
  return count * (suffix.endsWith('i') ? 1024 : 1000) ** power
}
