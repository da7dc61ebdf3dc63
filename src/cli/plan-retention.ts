/** What a plan says of a retention that takes the place of another. Pure. */
import type { EffectiveRetention } from '../api/cluster-retention.ts'
import { formatPeriod, formatRetention } from '../api/periods.ts'
import { compareBounds, compareBucketRetention, type RetentionComparison } from '../lock/compare.ts'
import type { BucketRetention, RetentionBounds } from '../lock/types.ts'
import { type EnforcedRetention, weakerAspects } from '../store/apply-bucket.ts'
import { change, type Finding, refused } from './plan-findings.ts'

type RuleChange = Extract<Finding, { kind: 'change' }>
type Wanted = Pick<EffectiveRetention, 'retention' | 'bounds'>

/** As the lock server judges it itself. */
export function judgeRetention(current: EnforcedRetention, wanted: Wanted): readonly Finding[] {
  const next = enforcedBy(wanted)
  const aspects = weakerAspects(current, next)
  if (aspects.length > 0)
    return aspects.map((aspect) => refused('lock server', `${aspect} (RetentionWouldShorten)`))
  const [from, to] = [retentionOf(current), retentionOf(next)]
  const bounds = current.policy?.bounds ?? unbounded
  const found = judgeRules({ retention: from, bounds }, { retention: to, bounds: wanted.bounds })
  if (found !== null) return [found]
  const isFloorNew = compareBucketRetention(floorOf(current), floorOf(next)) === 'stronger'
  return isFloorNew
    ? [change('tightens', `${describe(to)} becomes what the lock server goes below for nobody`)]
    : []
}

/** By the rules for new versions and what clients have to ask for; null: neither gets another. */
export function judgeRules(from: Wanted, to: Wanted): RuleChange | null {
  const rules = compareBucketRetention(from.retention, to.retention)
  const effect = effectOf([rules, compareMinimums(from.bounds, to.bounds)])
  return effect === null ? null : { kind: 'change', effect, message: becomes(from, to) }
}

/** Both halves of what a policy makes the server enforce, as the server itself would write it down. */
export function enforcedBy({ retention, bounds }: Wanted): EnforcedRetention {
  const mode = retention.defaultRetention?.mode ?? null
  const floor = mode === 'COMPLIANCE' ? retention : null
  const policy = mode === null ? null : { mode, bounds, floor }
  return { objectLock: { status: 'Enabled', retention }, policy }
}

function effectOf(comparisons: readonly RetentionComparison[]): 'tightens' | 'loosens' | null {
  if (comparisons.includes('weaker')) return 'loosens'
  return comparisons.includes('stronger') ? 'tightens' : null
}

const none: BucketRetention = { defaultRetention: null, prefixRules: [] }
const unbounded = { minimum: null, maximum: null }

function retentionOf({ objectLock }: EnforcedRetention): BucketRetention {
  return objectLock?.retention ?? none
}

function floorOf({ policy }: EnforcedRetention): BucketRetention {
  return policy?.floor ?? none
}

/** In every mode alike: of a GOVERNANCE policy it is the admission policy that keeps the minimum. */
function compareMinimums(current: RetentionBounds, next: RetentionBounds): RetentionComparison {
  return compareBounds('COMPLIANCE', current, next)
}

function becomes(from: Wanted, to: Wanted): string {
  const isOther = compareMinimums(from.bounds, to.bounds) !== 'same'
  const [before, after] = [from, to].map(({ retention, bounds: { minimum } }) => {
    if (!isOther) return describe(retention)
    return `${describe(retention)} with ${minimum === null ? 'no minimum' : `a minimum of ${formatPeriod(minimum)}`}`
  })
  return `${before} becomes ${after}`
}

function describe(retention: BucketRetention): string {
  const { defaultRetention } = retention
  return defaultRetention === null ? 'no retention' : `${defaultRetention.mode} ${formatRetention(retention)}`
}
