import { startsWithBytes } from '../lib/bytes.ts'
import { periodCompare, periodCovers } from './periods.ts'
import { modeRank } from './state.ts'
import type {
  BucketRetention,
  DefaultRetention,
  RetentionBounds,
  RetentionMode,
  RetentionPeriod,
} from './types.ts'

/** How `next` stands to `current`; `weaker` includes "not provably as strong". */
export type RetentionComparison = 'same' | 'stronger' | 'weaker'

type Rules = { readonly fallback: RetentionPeriod; readonly prefixes: readonly PrefixPeriod[] }
type PrefixPeriod = { readonly prefix: Uint8Array; readonly period: RetentionPeriod }

const encoder = new TextEncoder()
/** Begun by no prefix but the empty one: stands for the keys that only the default rule covers. */
const noKey = new Uint8Array(0)

/**
 * Compares what two settings give to every key, not how they are written: `weaker` when the mode falls, the
 * default goes, or some key's effective period (the longest of the default and all matching prefix rules) may
 * get shorter. Removing a rule that another rule or the default covers is `same`.
 */
export function compareBucketRetention(current: BucketRetention, next: BucketRetention): RetentionComparison {
  if (!covers(current, next)) return 'weaker'
  return covers(next, current) ? 'same' : 'stronger'
}

/**
 * Compares the bounds on clients' dates under a policy of the given mode: in COMPLIANCE `minimum`
 * only rises; `maximum`, and both bounds in every other policy, are free and compare as `same`.
 */
export function compareBounds(
  mode: RetentionMode | null,
  current: RetentionBounds,
  next: RetentionBounds,
): RetentionComparison {
  if (mode !== 'COMPLIANCE') return 'same'
  if (current.minimum === null) return next.minimum === null ? 'same' : 'stronger'
  if (next.minimum === null) return 'weaker'
  const comparison = periodCompare(current.minimum, next.minimum)
  if (comparison === 'same') return 'same'
  return comparison === 'longer' ? 'stronger' : 'weaker'
}

/**
 * Whether PutObjectLockConfiguration may set `wanted` (null: no default rule) on a bucket with this floor.
 * Only a COMPLIANCE floor binds; S3 cannot express prefix rules, so they are not touched by it.
 */
export function meetsFloor(floor: DefaultRetention, wanted: DefaultRetention | null): boolean {
  if (floor.mode !== 'COMPLIANCE') return true
  return wanted !== null && wanted.mode === 'COMPLIANCE' && periodCovers(floor.period, wanted.period)
}

/** True when no key gets a weaker lock from `next` than from `current`. */
function covers(current: BucketRetention, next: BucketRetention): boolean {
  if (current.defaultRetention === null) return true
  if (next.defaultRetention === null) return false
  if (modeRank(next.defaultRetention.mode) < modeRank(current.defaultRetention.mode)) return false
  const before = rulesOf(current.defaultRetention, current)
  const after = rulesOf(next.defaultRetention, next)
  // The prefixes that begin one key are nested, so a key gets the same rules as the longest of them: the
  // prefixes themselves, and the empty text, which none of them begins, stand for all keys.
  const samples = [...before.prefixes, ...after.prefixes].map(({ prefix }) => prefix)
  return coversKey(before, after, noKey) && samples.every((sample) => coversKey(before, after, sample))
}

/** Each period in force before is covered by one in force after; so then is the longest. */
function coversKey(before: Rules, after: Rules, key: Uint8Array): boolean {
  const kept = periodsOf(after, key)
  return periodsOf(before, key).every((period) => kept.some((other) => periodCovers(period, other)))
}

function periodsOf(rules: Rules, key: Uint8Array): readonly RetentionPeriod[] {
  const matching = rules.prefixes.filter(({ prefix }) => startsWithBytes(key, prefix))
  return [rules.fallback, ...matching.map(({ period }) => period)]
}

function rulesOf(defaultRetention: DefaultRetention, bucket: BucketRetention): Rules {
  const prefixes = bucket.prefixRules.map(({ prefix, period }) => ({
    prefix: encoder.encode(prefix),
    period,
  }))
  return { fallback: defaultRetention.period, prefixes }
}
