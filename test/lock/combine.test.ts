import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { capAt, isAtLeast, isWithin, raiseTo } from '../../src/lock/combine.ts'
import { compareBucketRetention } from '../../src/lock/compare.ts'
import { periodCovers, retainUntil } from '../../src/lock/periods.ts'
import type { DefaultRetention, RetentionPeriod } from '../../src/lock/types.ts'
import { anyBucketRetention, anyMode, anyPeriod, anyStart } from './arbitraries.ts'

const days = (count: number): RetentionPeriod => ({ unit: 'DAYS', count })
const years = (count: number): RetentionPeriod => ({ unit: 'YEARS', count })
const anyDefault: fc.Arbitrary<DefaultRetention> = fc.record({ mode: anyMode, period: anyPeriod })
const bounds = (maximum: RetentionPeriod | null) => ({ minimum: null, maximum })

test('raiseTo: any retention and any floor, the result is weaker than neither', () => {
  fc.assert(
    fc.property(anyBucketRetention, anyDefault, (retention, floor) => {
      const raised = raiseTo(retention, floor)
      expect(compareBucketRetention(retention, raised)).not.toBe('weaker')
      const alone = { defaultRetention: floor, prefixRules: [] }
      expect(compareBucketRetention(alone, raised)).not.toBe('weaker')
      expect(raised.prefixRules).toBe(retention.prefixRules)
    }),
  )
})

test('raiseTo: a floor that is covered changes nothing, also written in another unit', () => {
  fc.assert(
    fc.property(anyBucketRetention, anyDefault, (retention, floor) => {
      if (retention.defaultRetention === null) return
      const { mode, period } = retention.defaultRetention
      const isCovered = periodCovers(floor.period, period) && (mode === 'COMPLIANCE' || floor.mode === mode)
      expect(raiseTo(retention, floor).defaultRetention?.period === period || !isCovered).toBe(true)
      if (isCovered) expect(raiseTo(retention, floor)).toEqual(retention)
    }),
  )
})

test.each([
  ['no default at all, the floor', null, ['GOVERNANCE', days(3)], ['GOVERNANCE', days(3)]],
  ['a longer floor', ['GOVERNANCE', days(2)], ['GOVERNANCE', days(3)], ['GOVERNANCE', days(3)]],
  [
    'a shorter floor of a stronger mode',
    ['GOVERNANCE', days(3)],
    ['COMPLIANCE', days(2)],
    ['COMPLIANCE', days(3)],
  ],
  [
    'a longer floor of a weaker mode',
    ['COMPLIANCE', days(2)],
    ['GOVERNANCE', days(3)],
    ['COMPLIANCE', days(3)],
  ],
  ['days against years', ['GOVERNANCE', days(366)], ['GOVERNANCE', years(1)], ['GOVERNANCE', days(366)]],
  ['neither provably longer', ['GOVERNANCE', days(731)], ['GOVERNANCE', years(2)], ['GOVERNANCE', days(732)]],
] as const)('raiseTo: %s', (_title, own, floor, expected) => {
  const toDefault = (pair: readonly [DefaultRetention['mode'], RetentionPeriod] | null) =>
    pair === null ? null : { mode: pair[0], period: pair[1] }
  const raised = raiseTo(
    { defaultRetention: toDefault(own), prefixRules: [] },
    { mode: floor[0], period: floor[1] },
  )
  expect(raised.defaultRetention).toEqual(toDefault(expected))
})

test('capAt: any two bounds and any start, no date beyond either, and always a period that S3 takes', () => {
  fc.assert(
    fc.property(fc.option(anyPeriod), anyPeriod, anyStart, (maximum, ceiling, startMs) => {
      const capped = capAt(bounds(maximum), ceiling).maximum
      if (capped === null) throw new Error('a ceiling always caps')
      expect(isWithin(bounds(capped), ceiling)).toBe(true)
      expect(isWithin(bounds(capped), maximum)).toBe(true)
      expect(retainUntil(startMs, capped)).toBeLessThanOrEqual(retainUntil(startMs, ceiling))
      expect(capped.count).toBeGreaterThanOrEqual(1)
      expect(capped.count).toBeLessThanOrEqual(limits.retentionDaysMax)
    }),
  )
})

test('capAt: the tighter of both, whichever it is, and 730 days where neither is', () => {
  expect(capAt({ minimum: days(1), maximum: null }, years(1))).toEqual({
    minimum: days(1),
    maximum: years(1),
  })
  expect(capAt(bounds(days(5)), days(9))).toEqual(bounds(days(5)))
  expect(capAt(bounds(days(9)), days(5))).toEqual(bounds(days(5)))
  expect(capAt(bounds(days(731)), years(2))).toEqual(bounds(days(730)))
})

test('isAtLeast: no minimum is less than any, and enough for none; of 731 days and 2 years neither is enough', () => {
  const from = (minimum: RetentionPeriod | null) => ({ minimum, maximum: null })
  expect(isAtLeast(from(null), days(1))).toBe(false)
  expect(isAtLeast(from(null), null)).toBe(true)
  expect(isAtLeast(from(days(1)), null)).toBe(true)
  expect(isAtLeast(from(days(1)), days(2))).toBe(false)
  expect(isAtLeast(from(days(2)), days(2))).toBe(true)
  expect(isAtLeast(from(days(731)), years(2))).toBe(false)
  expect(isAtLeast(from(years(2)), days(731))).toBe(false)
})

test('isWithin: no bound at all is beyond any maximum, and within none', () => {
  expect(isWithin(bounds(null), days(1))).toBe(false)
  expect(isWithin(bounds(null), null)).toBe(true)
  expect(isWithin(bounds(days(2)), days(1))).toBe(false)
})
