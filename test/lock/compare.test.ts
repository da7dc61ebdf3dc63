import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochMs } from '../../src/lib/units.ts'
import { compareBounds, compareBucketRetention, meetsFloor } from '../../src/lock/compare.ts'
import { defaultRetentionFor } from '../../src/lock/create.ts'
import type { BucketRetention, PrefixRule, RetentionMode, RetentionPeriod } from '../../src/lock/types.ts'
import { anyBucketRetention, daysBucketRetention, sampleKeys } from './arbitraries.ts'

const days = (count: number): RetentionPeriod => ({ unit: 'DAYS', count })
const years = (count: number): RetentionPeriod => ({ unit: 'YEARS', count })
const none: BucketRetention = { defaultRetention: null, prefixRules: [] }

function bucket(
  mode: RetentionMode,
  period: RetentionPeriod,
  ...rules: readonly (readonly [string, number])[]
): BucketRetention {
  const prefixRules: readonly PrefixRule[] = rules.map(([prefix, count]) => ({ prefix, period: days(count) }))
  return { defaultRetention: { mode, period }, prefixRules }
}

const governance = (count: number, ...rules: readonly (readonly [string, number])[]): BucketRetention =>
  bucket('GOVERNANCE', days(count), ...rules)

describe('compareBucketRetention', () => {
  test.each([
    ['nothing and nothing', none, none, 'same'],
    ['a default where there was none', none, governance(1), 'stronger'],
    ['the default is gone', governance(1), none, 'weaker'],
    ['the same', governance(5, ['a', 9]), governance(5, ['a', 9]), 'same'],
    [
      'the rules in another order',
      governance(5, ['a', 9], ['b', 8]),
      governance(5, ['b', 8], ['a', 9]),
      'same',
    ],
    ['a longer default', governance(5), governance(6), 'stronger'],
    ['a shorter default', governance(5), governance(4), 'weaker'],
    ['the stronger mode', governance(5), bucket('COMPLIANCE', days(5)), 'stronger'],
    ['the weaker mode, though longer', bucket('COMPLIANCE', days(5)), governance(50), 'weaker'],
    ['the stronger mode, though shorter', governance(5), bucket('COMPLIANCE', days(4)), 'weaker'],
    ['1 year to 366 days', bucket('COMPLIANCE', years(1)), bucket('COMPLIANCE', days(366)), 'stronger'],
    [
      '1 year to 365 days, not provable',
      bucket('COMPLIANCE', years(1)),
      bucket('COMPLIANCE', days(365)),
      'weaker',
    ],
    ['a rule added', governance(5), governance(5, ['a', 9]), 'stronger'],
    ['a rule added that the default covers', governance(5), governance(5, ['a', 5]), 'same'],
    ['a rule removed', governance(5, ['a', 9]), governance(5), 'weaker'],
    ['a rule removed that the default covers', governance(5, ['a', 5]), governance(5), 'same'],
    ['a rule removed, the default raised to it', governance(5, ['a', 9]), governance(9), 'stronger'],
    [
      'a rule removed that a shorter prefix covers',
      governance(5, ['a', 9], ['ab', 7]),
      governance(5, ['a', 9]),
      'same',
    ],
    [
      'a rule removed that a longer prefix does not cover',
      governance(5, ['a', 7], ['ab', 9]),
      governance(5, ['ab', 9]),
      'weaker',
    ],
    ['a rule shortened', governance(5, ['a', 9]), governance(5, ['a', 8]), 'weaker'],
    ['a rule lengthened', governance(5, ['a', 9]), governance(5, ['a', 10]), 'stronger'],
    ['a rule moved to a longer prefix', governance(5, ['a', 9]), governance(5, ['ab', 9]), 'weaker'],
    ['a rule moved to a shorter prefix', governance(5, ['ab', 9]), governance(5, ['a', 9]), 'stronger'],
    ['a default lowered though all rules stay', governance(5, ['a', 9]), governance(4, ['a', 9]), 'weaker'],
    ['the default moved to a rule of the empty prefix', governance(9), governance(5, ['', 9]), 'same'],
    ['the rule of the empty prefix moved to the default', governance(5, ['', 9]), governance(9), 'same'],
    ['prefixes that share a first byte only', governance(5, ['é', 9]), governance(5, ['è', 9]), 'weaker'],
    [
      'rules without a default give nothing',
      { ...governance(1, ['a', 9]), defaultRetention: null },
      none,
      'same',
    ],
  ] as const)('compareBucketRetention: %s', (_title, current, next, expected) => {
    expect(compareBucketRetention(current, next)).toBe(expected)
  })

  test('compareBucketRetention: any two settings in days, exactly what every key gets', () => {
    fc.assert(
      fc.property(daysBucketRetention, daysBucketRetention, (current, next) => {
        expect(compareBucketRetention(current, next)).toBe(bruteForce(current, next))
      }),
      { numRuns: 2000 },
    )
  })

  test('compareBucketRetention: not weaker, no key ends earlier from any day of eight years', () => {
    const starts = Array.from({ length: 300 }, (_, index) => epochMs(Date.UTC(2095, 0, 1 + index * 10)))
    fc.assert(
      fc.property(
        anyBucketRetention,
        anyBucketRetention,
        fc.constantFrom(...starts),
        (current, next, start) => {
          if (compareBucketRetention(current, next) === 'weaker') return
          for (const key of sampleKeys) expect(isWeaker(current, next, { key, start })).toBe(false)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('compareBucketRetention: any two settings, same is mutual and stronger reverses to weaker', () => {
    fc.assert(
      fc.property(anyBucketRetention, anyBucketRetention, (a, b) => {
        const there = compareBucketRetention(a, b)
        const back = compareBucketRetention(b, a)
        expect(compareBucketRetention(a, a)).toBe('same')
        expect(there === 'same').toBe(back === 'same')
        if (there === 'stronger') expect(back).toBe('weaker')
      }),
    )
  })

  test('compareBucketRetention: any three settings, never weaker twice is never weaker at once', () => {
    fc.assert(
      fc.property(anyBucketRetention, anyBucketRetention, anyBucketRetention, (a, b, c) => {
        if (compareBucketRetention(a, b) === 'weaker' || compareBucketRetention(b, c) === 'weaker') return
        expect(compareBucketRetention(a, c)).not.toBe('weaker')
      }),
      { numRuns: 2000 },
    )
  })
})

/** What every sample key gets from both, judged by the stamped retention alone. */
function bruteForce(current: BucketRetention, next: BucketRetention): string {
  const start = epochMs(0)
  const weaker = (a: BucketRetention, b: BucketRetention): boolean =>
    sampleKeys.some((key) => isWeaker(a, b, { key, start }))
  if (weaker(current, next)) return 'weaker'
  return weaker(next, current) ? 'stronger' : 'same'
}

function isWeaker(
  current: BucketRetention,
  next: BucketRetention,
  { key, start }: { readonly key: string; readonly start: ReturnType<typeof epochMs> },
): boolean {
  const before = defaultRetentionFor(current, start, key)
  const after = defaultRetentionFor(next, start, key)
  if (before === null) return false
  if (after === null) return true
  return (
    (before.mode === 'COMPLIANCE' && after.mode === 'GOVERNANCE') ||
    after.retainUntilMs < before.retainUntilMs
  )
}

describe('compareBounds', () => {
  const bounds = (minimum: RetentionPeriod | null, maximum: RetentionPeriod | null = null) => ({
    minimum,
    maximum,
  })

  test.each([
    ['no minimum', bounds(null), bounds(null), 'same'],
    ['a minimum set', bounds(null), bounds(days(1)), 'stronger'],
    ['the minimum removed', bounds(days(1)), bounds(null), 'weaker'],
    ['the minimum kept', bounds(days(1)), bounds(days(1)), 'same'],
    ['the minimum raised', bounds(days(1)), bounds(years(1)), 'stronger'],
    ['the minimum lowered', bounds(days(2)), bounds(days(1)), 'weaker'],
    ['the minimum not provably kept', bounds(years(1)), bounds(days(365)), 'weaker'],
    ['the maximum set, raised and removed', bounds(days(1), days(2)), bounds(days(1), days(9)), 'same'],
    ['the maximum removed', bounds(null, days(2)), bounds(null), 'same'],
  ] as const)('compareBounds: COMPLIANCE, %s', (_title, current, next, expected) => {
    expect(compareBounds('COMPLIANCE', current, next)).toBe(expected)
  })

  test('compareBounds: GOVERNANCE or no policy, every change is free', () => {
    expect(compareBounds('GOVERNANCE', bounds(days(9)), bounds(null))).toBe('same')
    expect(compareBounds(null, bounds(days(9)), bounds(days(1)))).toBe('same')
  })
})

describe('meetsFloor', () => {
  const floor = { mode: 'COMPLIANCE', period: days(30) } as const

  test.each([
    ['no default rule', null, false],
    ['the floor itself', floor, true],
    ['longer', { mode: 'COMPLIANCE', period: days(31) }, true],
    ['one day shorter', { mode: 'COMPLIANCE', period: days(29) }, false],
    ['the weaker mode', { mode: 'GOVERNANCE', period: days(3000) }, false],
    ['years that cover it', { mode: 'COMPLIANCE', period: years(1) }, true],
  ] as const)('meetsFloor: %s', (_title, wanted, expected) => {
    expect(meetsFloor(floor, wanted)).toBe(expected)
  })

  test('meetsFloor: a GOVERNANCE floor, binds nobody', () => {
    expect(meetsFloor({ mode: 'GOVERNANCE', period: days(30) }, null)).toBe(true)
  })
})
