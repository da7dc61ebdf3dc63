import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dayMs, epochMs, epochMsMax } from '../../src/lib/units.ts'
import { longerPeriod, periodCompare, retainUntil } from '../../src/lock/periods.ts'
import type { RetentionPeriod } from '../../src/lock/types.ts'
import { anyPeriod, anyStart } from './arbitraries.ts'

const days = (count: number): RetentionPeriod => ({ unit: 'DAYS', count })
const years = (count: number): RetentionPeriod => ({ unit: 'YEARS', count })
const instant = (text: string): ReturnType<typeof epochMs> => epochMs(Date.parse(text))

describe('retainUntil', () => {
  test.each([
    ['one day is 24 h', '2026-03-28T23:30:00.123Z', days(1), '2026-03-29T23:30:00.123Z'],
    ['the longest period in days', '2026-01-01T00:00:00Z', days(36_500), '2125-12-08T00:00:00Z'],
    ['a common year has 365 days', '2026-01-01T00:00:00Z', years(1), '2027-01-01T00:00:00Z'],
    ['a year over a leap day has 366 days', '2027-06-01T12:00:00Z', years(1), '2028-06-01T12:00:00Z'],
    [
      '29 February of a year without one is 1 March',
      '2024-02-29T10:00:00Z',
      years(1),
      '2025-03-01T10:00:00Z',
    ],
    ['29 February after four years is 29 February', '2024-02-29T10:00:00Z', years(4), '2028-02-29T10:00:00Z'],
    [
      '29 February before a century without a leap day',
      '2096-02-29T00:00:00Z',
      years(4),
      '2100-03-01T00:00:00Z',
    ],
    ['the end of a year', '2025-12-31T23:59:59.999Z', years(1), '2026-12-31T23:59:59.999Z'],
    ['a hundred years', '2026-11-22T00:00:00Z', years(100), '2126-11-22T00:00:00Z'],
    ['beyond year 9999 is capped', '9950-01-01T00:00:00Z', years(100), '9999-12-31T23:59:59.999Z'],
    ['days beyond year 9999 are capped', '9999-12-31T00:00:00Z', days(36_500), '9999-12-31T23:59:59.999Z'],
  ])('retainUntil: %s', (_title, start, period, end) => {
    expect(retainUntil(instant(start), period)).toBe(Date.parse(end))
  })

  test('retainUntil: any start and period, 365 to 366 days a year up to the cap', () => {
    fc.assert(
      fc.property(anyStart, fc.integer({ min: 1, max: 100 }), (start, count) => {
        const end = retainUntil(start, years(count))
        expect(end).toBeGreaterThanOrEqual(Math.min(start + count * 365 * dayMs, epochMsMax))
        expect(end).toBeLessThanOrEqual(Math.min(start + count * 366 * dayMs, epochMsMax))
      }),
    )
  })

  test.each([days(0), days(36_501), days(1.5), years(0), years(101), years(-1), days(Number.NaN)])(
    'retainUntil: a period of %o, an assertion fails',
    (period) => {
      expect(() => retainUntil(epochMs(0), period)).toThrow('a period is')
    },
  )

  test('retainUntil: a unit that is neither days nor years, an assertion fails', () => {
    const weeks = { unit: 'WEEKS', count: 1 } as unknown as RetentionPeriod
    expect(() => retainUntil(epochMs(0), weeks)).toThrow('unreachable: a period counts days or years')
  })
})

describe('periodCompare', () => {
  test.each([
    ['equal days', days(30), days(30), 'same'],
    ['one day more', days(30), days(31), 'longer'],
    ['one day less', days(30), days(29), 'shorter'],
    ['equal years', years(2), years(2), 'same'],
    ['one year more', years(2), years(3), 'longer'],
    ['one year less', years(2), years(1), 'shorter'],
    ['31 days to 1 year', days(31), years(1), 'longer'],
    ['365 days to 1 year', days(365), years(1), 'longer'],
    ['366 days to 1 year, not provable', days(366), years(1), 'shorter'],
    ['1 year to 366 days', years(1), days(366), 'longer'],
    ['1 year to 365 days, not provable', years(1), days(365), 'shorter'],
    ['2 years to 731 days, not provable', years(2), days(731), 'shorter'],
    ['731 days to 2 years, not provable', days(731), years(2), 'shorter'],
  ])('periodCompare: %s', (_title, current, next, expected) => {
    expect(periodCompare(current, next)).toBe(expected)
  })

  test('periodCompare: either period beyond its unit, an assertion fails', () => {
    expect(() => periodCompare(days(36_501), years(1))).toThrow('a period is within the limits')
    expect(() => periodCompare(days(1), years(101))).toThrow('a period is within the limits')
  })

  test('periodCompare: same or longer, next ends no earlier from any start', () => {
    fc.assert(
      fc.property(anyPeriod, anyPeriod, anyStart, (current, next, start) => {
        if (periodCompare(current, next) === 'shorter') return
        expect(retainUntil(start, next)).toBeGreaterThanOrEqual(retainUntil(start, current))
      }),
    )
  })
})

describe('longerPeriod', () => {
  test.each([
    ['days', days(1), days(2), days(2)],
    ['years', years(3), years(2), years(3)],
    ['a year and 31 days', years(1), days(31), years(1)],
    ['366 days and a year', years(1), days(366), days(366)],
    ['731 days and 2 years, longer on the average', years(2), days(731), days(731)],
    ['2 years and 731 days, whatever the order', days(731), years(2), days(731)],
    ['4 years and 1,460 days, longer on the average', days(1460), years(4), years(4)],
    ['4 years and 1,461 days, neither provable', years(4), days(1461), days(1461)],
    ['10 years and 3,651 days, longer on the average', days(3651), years(10), years(10)],
    ['3,651 days and 10 years, whatever the order', years(10), days(3651), years(10)],
  ])('longerPeriod: %s', (_title, a, b, expected) => {
    expect(longerPeriod(a, b)).toEqual(expected)
  })

  test('longerPeriod: two equal ones, the first', () => {
    const first = days(7)
    expect(longerPeriod(first, days(7))).toBe(first)
  })
})
