/**
 * Several wishes made one: the retention that is at least as strong as two, the bound that lies within two. Pure;
 * what is proved of the results is proved from any start, like `compare`.
 */
import { daysMax, daysMin, periodCovers } from './periods.ts'
import { modeRank } from './state.ts'
import type { BucketRetention, DefaultRetention, RetentionBounds, RetentionPeriod } from './types.ts'

/**
 * The weakest retention that is nowhere weaker than either: the stronger mode, the longer period, the prefix rules.
 */
export function raiseTo(retention: BucketRetention, floor: DefaultRetention): BucketRetention {
  const current = retention.defaultRetention
  if (current === null) return { ...retention, defaultRetention: floor }
  const mode = modeRank(current.mode) < modeRank(floor.mode) ? floor.mode : current.mode
  const period = coveringPeriod(current.period, floor.period)
  return { ...retention, defaultRetention: { mode, period } }
}

/** The bounds with a `maximum` that is within both. */
export function capAt(bounds: RetentionBounds, ceiling: RetentionPeriod): RetentionBounds {
  const { maximum } = bounds
  return { ...bounds, maximum: maximum === null ? ceiling : coveredPeriod(maximum, ceiling) }
}

/** Whether every date that `bounds` lets clients ask for is within the maximum; null: all are. */
export function isWithin(bounds: RetentionBounds, maximum: RetentionPeriod | null): boolean {
  if (maximum === null) return true
  return bounds.maximum !== null && periodCovers(bounds.maximum, maximum)
}

/** Whether no date that `bounds` lets clients ask for ends before the minimum; null: any may. */
export function isAtLeast(bounds: RetentionBounds, minimum: RetentionPeriod | null): boolean {
  if (minimum === null) return true
  return bounds.minimum !== null && periodCovers(minimum, bounds.minimum)
}

/** The shortest period that both fit in; of 731 days and 2 years neither is, so that 732 days are. */
function coveringPeriod(a: RetentionPeriod, b: RetentionPeriod): RetentionPeriod {
  if (periodCovers(b, a)) return a
  if (periodCovers(a, b)) return b
  return { unit: 'DAYS', count: Math.max(daysMax(a), daysMax(b)) }
}

/** The longest period that fits in both; of 731 days and 2 years neither is, so that 730 days are. */
function coveredPeriod(a: RetentionPeriod, b: RetentionPeriod): RetentionPeriod {
  if (periodCovers(a, b)) return a
  if (periodCovers(b, a)) return b
  return { unit: 'DAYS', count: Math.min(daysMin(a), daysMin(b)) }
}
