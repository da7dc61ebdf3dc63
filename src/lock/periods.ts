import { assert, unreachable } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import { addMs, dayMs, durationMs, type EpochMs, epochMs, epochMsMax, laterOf } from '../lib/units.ts'
import type { RetentionPeriod } from './types.ts'

/** Every calendar year has at least and at most this many days: the safe conversions between the units. */
const daysPerYearMin = 365
const daysPerYearMax = 366
/** The mean Gregorian year: only to name the longer of two periods to people. */
const daysPerYearMean = 365.2425

/** How `next` stands to `current`; `shorter` includes "cannot be proved to be as long". */
export type PeriodComparison = 'same' | 'longer' | 'shorter'

/**
 * The last instant at which a version created at `startMs` is locked, capped to the year 9999. A day is 24 h.
 * A year is a calendar year in UTC, at least 365 days: of the readings of other
 * implementations the longest wins, so 29 February plus one year is 1 March. Stored as an instant, never as a
 * period.
 */
export function retainUntil(startMs: EpochMs, period: RetentionPeriod): EpochMs {
  assertPeriod(period)
  switch (period.unit) {
    case 'DAYS':
      return addDays(startMs, period.count)
    case 'YEARS':
      return laterOf(addCalendarYears(startMs, period.count), addDays(startMs, period.count * daysPerYearMin))
    default:
      return unreachable(period, 'a period counts days or years')
  }
}

/**
 * Compares without a clock: like with like, and days against years by the safe conversions (a year has 365 to
 * 366 days). `same` and `longer` promise that `next` ends no earlier than `current` from any start.
 */
export function periodCompare(current: RetentionPeriod, next: RetentionPeriod): PeriodComparison {
  assertPeriod(current)
  assertPeriod(next)
  if (current.unit === next.unit) {
    if (next.count < current.count) return 'shorter'
    return next.count > current.count ? 'longer' : 'same'
  }
  return daysMin(next) >= daysMax(current) ? 'longer' : 'shorter'
}

/** True when `next` ends no earlier than `current` from any start. */
export function periodCovers(current: RetentionPeriod, next: RetentionPeriod): boolean {
  return periodCompare(current, next) !== 'shorter'
}

/**
 * The longer of two periods on the average, of equal ones the first, to show one to people: 731 days and 2 years
 * change places from start to start. Decisions compare instants of `retainUntil` instead.
 */
export function longerPeriod(a: RetentionPeriod, b: RetentionPeriod): RetentionPeriod {
  return daysMean(b) > daysMean(a) ? b : a
}

/** The fewest days that the period can last. */
export function daysMin(period: RetentionPeriod): number {
  return period.unit === 'DAYS' ? period.count : period.count * daysPerYearMin
}

/** The most days that the period can last. */
export function daysMax(period: RetentionPeriod): number {
  return period.unit === 'DAYS' ? period.count : period.count * daysPerYearMax
}

function daysMean(period: RetentionPeriod): number {
  return period.unit === 'DAYS' ? period.count : period.count * daysPerYearMean
}

function addDays(startMs: EpochMs, dayCount: number): EpochMs {
  return addMs(startMs, durationMs(dayCount * dayMs))
}

function addCalendarYears(startMs: EpochMs, yearCount: number): EpochMs {
  const date = new Date(startMs)
  // A day that the target year lacks (29 February) overflows into 1 March: later, never earlier.
  date.setUTCFullYear(date.getUTCFullYear() + yearCount)
  return epochMs(Math.min(date.getTime(), epochMsMax))
}

function assertPeriod(period: RetentionPeriod): void {
  const countMax = period.unit === 'DAYS' ? limits.retentionDaysMax : limits.retentionYearsMax
  assert(Number.isSafeInteger(period.count), 'a period is a whole number of days or years')
  assert(period.count >= 1 && period.count <= countMax, 'a period is within the limits of its unit')
}
