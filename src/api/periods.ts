/** How the CRDs write a period: exactly one of `days` and `years`. */
import { z } from 'zod'
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import { periodCovers } from '../lock/periods.ts'
import type { BucketRetention, RetentionPeriod } from '../lock/types.ts'
import type { ApiRule } from './rules.ts'

/** A period as in a manifest; after validation exactly one of the two is there. */
export type PeriodFields = { readonly days?: number | undefined; readonly years?: number | undefined }

/** The two fields of every period. */
export const periodFields = {
  days: z
    .int()
    .min(1)
    .max(limits.retentionDaysMax)
    .optional()
    .describe('Days of exactly 24 hours. Set either days or years.'),
  years: z
    .int()
    .min(1)
    .max(limits.retentionYearsMax)
    .optional()
    .describe('Calendar years in UTC, each at least 365 days. Set either days or years.'),
}

/** XOR, as S3 has it for DefaultRetention. */
export const daysXorYears: ApiRule<PeriodFields> = {
  name: 'DaysXorYears',
  cel: 'has(self.days) != has(self.years)',
  message: 'set exactly one of days and years',
  reason: 'FieldValueInvalid',
  fieldPath: [],
  holds: ({ days, years }) => (days === undefined) !== (years === undefined),
}

/** The CEL of "period `next` is provably at least as long as period `old`": the twin of `covers`. */
export function celCovers(next: string, old: string): string {
  return [
    `(has(${next}.years) && has(${old}.years) ? ${next}.years >= ${old}.years`,
    `has(${next}.days) && has(${old}.days) ? ${next}.days >= ${old}.days`,
    `has(${next}.days) ? ${next}.days >= ${old}.years * 366`,
    `${next}.years * 365 >= ${old}.days)`,
  ].join(' : ')
}

/** True when `next` is provably at least as long as `old`, whatever the start. Both are valid periods. */
export function covers(next: PeriodFields, old: PeriodFields): boolean {
  return periodCovers(toPeriod(old), toPeriod(next))
}

export function toPeriod({ days, years }: PeriodFields): RetentionPeriod {
  assert((days === undefined) !== (years === undefined), 'a validated period has either days or years')
  if (days !== undefined) return { unit: 'DAYS', count: days }
  return { unit: 'YEARS', count: years as number }
}

export function fromPeriod(period: RetentionPeriod): { days: number } | { years: number } {
  return period.unit === 'DAYS' ? { days: period.count } : { years: period.count }
}

/** For people: `1 day`, `30 days`, `7 years`. */
export function formatPeriod({ unit, count }: RetentionPeriod): string {
  const noun = unit === 'DAYS' ? 'day' : 'year'
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** For a column: the default period and how many prefix rules there are, e.g. `7 days, 1 rule`. */
export function formatRetention(bucket: BucketRetention): string {
  if (bucket.defaultRetention === null) return 'none'
  const period = formatPeriod(bucket.defaultRetention.period)
  const ruleCount = bucket.prefixRules.length
  if (ruleCount === 0) return period
  return `${period}, ${ruleCount} ${ruleCount === 1 ? 'rule' : 'rules'}`
}
