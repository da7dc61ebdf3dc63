/** What a plan says of `applyToExisting`: whether a walk over the versions that are there begins. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { EffectiveRetention } from '../api/cluster-retention.ts'
import { type RetentionPolicySpec, toBucketRetention } from '../api/RetentionPolicy.ts'
import type { BucketFactsAnswer } from '../client/lock-server.ts'
import { compareBucketRetention } from '../lock/compare.ts'
import type { BucketRetention } from '../lock/types.ts'
import { change, type Finding } from './plan-findings.ts'

type Wanted = Pick<EffectiveRetention, 'retention' | 'bar'>
type Scope = NonNullable<RetentionPolicySpec['applyToExisting']>

/** The walk over versions that are there, by the policy before (null: none was) and the one to come. */
export function judgePolicyWalk(
  old: { readonly spec: RetentionPolicySpec; readonly retention: BucketRetention } | null,
  next: RetentionPolicySpec,
  wanted: Wanted,
): readonly Finding[] {
  const scope = scopeOf(next)
  if (old === null || scopeOf(old.spec) !== scope) return walks(scope, wanted)
  // The policy as it was may be raised by another floor; what a floor gave before stays.
  const isSame =
    isDeepStrictEqual(toBucketRetention(old.spec), toBucketRetention(next)) &&
    compareBucketRetention(old.retention, wanted.retention) !== 'stronger'
  return isSame ? [] : walks(scope, wanted)
}

/** The same by what the server has of it, which judges so itself: `wishedExisting` of the store. */
export function judgeBucketWalk(
  facts: BucketFactsAnswer,
  policy: RetentionPolicySpec,
  wanted: Wanted,
): readonly Finding[] {
  const { applyToExisting: walk } = facts
  const scope = scopeOf(policy)
  if (scope === 'No')
    return walk === null ? [] : [change('changes', 'applyToExisting ends: what it locked stays locked')]
  return walk !== null && walk.scope === scope && isSameWalk(facts, walk.retention, wanted.retention)
    ? []
    : walks(scope, wanted)
}

/** A time without the rule, by a freeze or a weaker default rule, ends: versions of it were met by no walk. */
function isSameWalk(
  { objectLock }: BucketFactsAnswer,
  ofWalk: BucketRetention | null,
  wanted: BucketRetention,
): boolean {
  if (objectLock === null || objectLock.status === 'Frozen') return false
  // A server of an earlier release does not say what its walk gives.
  const walked = ofWalk ?? objectLock.retention
  if (compareBucketRetention(walked, objectLock.retention) === 'weaker') return false
  return isDeepStrictEqual(walked, wanted)
}

/** Of a barred policy nothing is begun. */
function walks(scope: Scope, { retention, bar }: Wanted): readonly Finding[] {
  if (scope === 'No' || bar !== null) return []
  const isChanged = scope === 'IncludingModeChange' && retention.defaultRetention?.mode === 'COMPLIANCE'
  const modes = isChanged ? 'GOVERNANCE becoming COMPLIANCE' : 'those of another mode left alone'
  const message = `what is there gets what a new version would, ${modes}; once done it cannot be undone`
  return [change('locks existing versions', message)]
}

function scopeOf(spec: RetentionPolicySpec | null): Scope {
  return spec?.applyToExisting ?? 'No'
}
