/** Lengths of time as Kubernetes writes them (metav1.Duration), as far as they are one whole number with a unit. */
import { z } from 'zod'
import { assert } from '../lib/assert.ts'
import { type DurationMs, durationMs } from '../lib/units.ts'

const durationPattern = /^(0|[1-9][0-9]{0,5})(s|m|h)$/
const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 }

export function durationSchema(sentence: string) {
  return z
    .string()
    .max(7)
    .regex(durationPattern, {
      error: 'a whole number of seconds, minutes or hours, e.g. 30s, 90m or 720h',
      // The rules of the parent take a valid value for granted.
      abort: true,
    })
    .describe(sentence)
}

/** Of a valid text, e.g. 2592000000 of `720h`. */
export function toDuration(text: string): DurationMs {
  const [, count = '', unit = ''] = durationPattern.exec(text) ?? []
  const unitMs = unitsMs[unit]
  assert(unitMs !== undefined, 'a validated duration ends in its unit')
  return durationMs(Number(count) * unitMs)
}
