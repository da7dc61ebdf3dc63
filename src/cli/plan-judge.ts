/**
 * What applying manifests would change or be refused: pure, and by the very functions that judge it later: the
 * twins of the CRDs' rules, the comparison of `src/lock`, and the server's own floor.
 */
import { isDeepStrictEqual } from 'node:util'
import type { EffectiveRetention } from '../api/cluster-retention.ts'
import type { LockedBucket } from '../api/LockedBucket.ts'
import { type Manifest, validateManifest } from '../api/manifest.ts'
import { formatPeriod, formatRetention } from '../api/periods.ts'
import { type RetentionPolicySpec, toBounds, toBucketRetention } from '../api/RetentionPolicy.ts'
import { schemaRule } from '../api/rules.ts'
import type { BucketFactsAnswer } from '../client/lock-server.ts'
import { limits } from '../lib/limits.ts'
import { type EpochMs, formatIso, laterOf } from '../lib/units.ts'
import { compareBounds, compareBucketRetention, type RetentionComparison } from '../lock/compare.ts'
import { daysMax, retainUntil } from '../lock/periods.ts'
import type { BucketRetention, RetentionBounds } from '../lock/types.ts'
import { type EnforcedRetention, weakerAspects } from '../store/apply-bucket.ts'
import { effectiveIn, judgeCluster } from './plan-cluster.ts'
import { manifestChanges } from './plan-diff.ts'
import { judgeBucketWalk, judgePolicyWalk } from './plan-differences.ts'

type Wanted = Pick<EffectiveRetention, 'retention' | 'bounds'>
type PolicyManifest = Extract<Manifest, { readonly kind: 'RetentionPolicy' }>
type AccessManifest = Extract<Manifest, { readonly kind: 'BucketAccess' }>
type BucketManifest = Extract<Manifest, { readonly kind: 'LockedBucket' }>

/** Who says no: in the order in which a request meets them. */
export type PlanLayer = 'schema' | 'CEL' | 'admission policy' | 'operator' | 'lock server'
export type Finding =
  | { readonly kind: 'refused'; readonly layer: PlanLayer; readonly message: string }
  | {
      readonly kind: 'change'
      readonly effect: 'creates' | 'tightens' | 'loosens' | 'locks existing versions' | 'changes' | 'deletes'
      readonly message: string
    }
  /** Worth reading, and no verdict. */
  | { readonly kind: 'note'; readonly message: string }

export type ObjectPlan = {
  readonly object: Pick<Manifest, 'kind'> & { readonly namespace: string; readonly name: string }
  readonly findings: readonly Finding[]
}

export type PlanInput = {
  readonly after: readonly Manifest[]
  /** null: nobody said what was applied before. */
  readonly before: readonly Manifest[] | null
  /** By the name of the bucket, null: there is none; null as a whole: the server was not asked. */
  readonly enforced: ReadonlyMap<string, BucketFactsAnswer | null> | null
  readonly nowMs: EpochMs
  /** Whether whoever applies holds the verb `bypassgovernance`. */
  readonly governance: 'keep' | 'bypass'
}

/** Every object of `after` in its order, then those of `before` that are not there any more. */
export function judgePlan(input: PlanInput): readonly ObjectPlan[] {
  const { after, before } = input
  const applied = after.map((manifest) => {
    const old = before === null ? null : (find(before, manifest) ?? null)
    return { object: refOf(manifest), findings: judgeApply(input, old, manifest) }
  })
  const gone = (before ?? []).filter((manifest) => find(after, manifest) === undefined)
  const deleted = gone.map((manifest) => ({
    object: refOf(manifest),
    findings: judgeDelete(input, manifest),
  }))
  return [...applied, ...deleted]
}

function judgeApply(input: PlanInput, old: Manifest | null, next: Manifest): readonly Finding[] {
  const refusals = validateManifest(old, next).map(({ path, rule, message }): Finding => {
    const layer = rule === schemaRule ? 'schema' : 'CEL'
    return { kind: 'refused', layer, message: layer === 'CEL' ? `${path}: ${message} (${rule})` : message }
  })
  const own = judgeKind(input, old, next)
  const changes = old === null ? [] : manifestChanges(old, next)
  const isCreated = old === null && input.before !== null
  if (refusals.length > 0)
    return [...refusals, ...own.filter(({ kind }) => kind === 'refused'), ...changes.map(note)]
  if (isCreated || (input.before === null && input.enforced === null))
    return [{ kind: 'change', effect: 'creates', message: 'it is not there yet' }, ...own]
  const isTold = changes.length === 0 || own.some(({ kind }) => kind !== 'note')
  const plain: Finding = { kind: 'change', effect: 'changes', message: 'no key gets another retention' }
  return [...(isTold ? [] : [plain]), ...own, ...changes.map(note)]
}

/** What a kind has to say beyond its fields. */
function judgeKind(input: PlanInput, old: Manifest | null, next: Manifest): readonly Finding[] {
  if (next.kind === 'RetentionPolicy')
    return [
      ...judgeBinding(input, next),
      ...judgePolicy(input, old?.kind === 'RetentionPolicy' ? old : null, next),
    ]
  if (next.kind === 'ClusterRetentionPolicy')
    return judgeCluster(old?.kind === 'ClusterRetentionPolicy' ? old : null, next)
  if (next.kind === 'LockedBucket') return judgeBucket(input, old?.kind === 'LockedBucket' ? old : null, next)
  if (next.kind === 'BucketAccess') return judgeAccess(input, old?.kind === 'BucketAccess' ? old : null, next)
  return []
}

function judgePolicy(input: PlanInput, old: PolicyManifest | null, next: PolicyManifest): readonly Finding[] {
  const { before, enforced, governance, nowMs } = input
  const dates = datesOf(nowMs, next.spec)
  if (old === null && before === null && enforced !== null) return [note(seenByBuckets), ...dates]
  const walk = judgeWalk(input, old, next)
  if (old === null) return [...walk, ...dates]
  const { mode } = old.spec.defaultRetention
  const [from, to] = [toBucketRetention(old.spec), toBucketRetention(next.spec)]
  const retention = compareBucketRetention(from, to)
  const [oldBounds, nextBounds] = [toBounds(old.spec), toBounds(next.spec)]
  const effect = effectOf([retention, compareMinimums(oldBounds, nextBounds)])
  if (effect === null) return walk
  const message = becomes({ retention: from, bounds: oldBounds }, { retention: to, bounds: nextBounds })
  // The rules of the CRD, which come first, have said it.
  if (effect === 'loosens' && mode === 'COMPLIANCE') return []
  if (effect === 'loosens' && governance === 'keep')
    return [{ kind: 'refused', layer: 'admission policy', message: `${message}: ${needsBypass}` }]
  return [{ kind: 'change', effect, message }, ...walk, ...dates]
}

function judgeWalk(
  input: PlanInput,
  old: PolicyManifest | null,
  { metadata: { namespace }, spec }: PolicyManifest,
): readonly Finding[] {
  const before = old === null ? null : { spec: old.spec, ...effectiveBefore(input, namespace, old.spec) }
  return judgePolicyWalk(before, spec, effectiveIn(input, namespace, spec))
}

/** As the admission policy judges it; whether the LockedBuckets are there is asked later, again and again. */
function judgeAccess(
  { governance }: PlanInput,
  old: AccessManifest | null,
  { spec }: AccessManifest,
): readonly Finding[] {
  if (spec.role !== 'RetentionOfficer' || governance === 'bypass') return []
  if (old !== null && isDeepStrictEqual(old.spec, spec)) return []
  const message = `the keys of a RetentionOfficer bypass GOVERNANCE: ${needsBypass}`
  return [{ kind: 'refused', layer: 'admission policy', message }]
}

/** What the ClusterRetentionPolicies of the manifests have against it, or make of it. */
function judgeBinding(input: PlanInput, { metadata, spec }: PolicyManifest): readonly Finding[] {
  const { bar, changes } = effectiveIn(input, metadata.namespace, spec)
  if (bar === null) return changes.map(note)
  return [{ kind: 'refused', layer: 'operator', message: `${bar.message} (${bar.reason})` }]
}

const seenByBuckets = 'the lock server knows policies by their buckets only'
const needsBypass = 'only whoever holds the verb bypassgovernance on it may (--bypass-governance on)'

function judgeBucket(input: PlanInput, old: BucketManifest | null, next: BucketManifest): readonly Finding[] {
  const policy = policyOf(input, next)
  if (policy === null) {
    const { name } = next.spec.retentionPolicyRef
    return [note(`RetentionPolicy ${name} is not among the manifests, so the retention is not judged`)]
  }
  if (input.enforced !== null) return judgeEnforced(input, next, policy)
  const before = old === null ? null : policyOf({ after: input.before ?? [], before: null }, old)
  // Of an edited policy the CRD and the admission policy say enough; a switch is seen by the server alone.
  if (old === null || before === null || isSamePolicy(old, next)) return []
  const isGovernance = before.spec.defaultRetention.mode === 'GOVERNANCE'
  if (isGovernance && input.governance === 'keep') {
    const message = `another policy for a bucket in GOVERNANCE mode might be a shorter one: ${needsBypass}`
    return [{ kind: 'refused', layer: 'admission policy', message }]
  }
  const wanted = effectiveIn(input, next.metadata.namespace, policy.spec)
  return judgeRetention(enforcedBy(effectiveIn(input, next.metadata.namespace, before.spec)), wanted)
}

/** Against what the lock server enforces, as it would answer itself. */
function judgeEnforced(
  input: PlanInput,
  { metadata, spec }: BucketManifest,
  policy: PolicyManifest,
): readonly Finding[] {
  const facts = input.enforced?.get(spec.bucketName) ?? null
  if (facts === null)
    return [
      { kind: 'change', effect: 'creates', message: `bucket ${spec.bucketName} is not on the lock server` },
    ]
  const { owner } = facts
  if (owner !== null && (owner.namespace !== metadata.namespace || owner.name !== metadata.name)) {
    const message = `bucket ${facts.name} belongs to LockedBucket ${owner.namespace}/${owner.name} (NameConflict)`
    return [{ kind: 'refused', layer: 'lock server', message }]
  }
  if (owner === null && spec.adoptionPolicy !== 'IfUnowned') {
    const message = `bucket ${facts.name} is there and adoptionPolicy is not IfUnowned (AdoptionRefused)`
    return [{ kind: 'refused', layer: 'lock server', message }]
  }
  const wanted = effectiveIn(input, metadata.namespace, policy.spec)
  const retention = judgeRetention(facts, wanted)
  if (retention.some(({ kind }) => kind === 'refused')) return retention
  return [...retention, ...judgeBucketWalk(facts, policy.spec, wanted)]
}

/** By the ClusterRetentionPolicies as they were. */
function effectiveBefore({ before }: PlanInput, namespace: string, spec: RetentionPolicySpec) {
  return effectiveIn({ after: before ?? [], before: null }, namespace, spec)
}

function judgeRetention(current: EnforcedRetention, wanted: Wanted): readonly Finding[] {
  const next = enforcedBy(wanted)
  const aspects = weakerAspects(current, next)
  if (aspects.length > 0)
    return aspects.map((aspect) => ({
      kind: 'refused',
      layer: 'lock server',
      message: `${aspect} (RetentionWouldShorten)`,
    }))
  const [from, to] = [retentionOf(current), retentionOf(next)]
  const bounds = current.policy?.bounds ?? unbounded
  const effect = effectOf([compareBucketRetention(from, to), compareMinimums(bounds, wanted.bounds)])
  if (effect === null) return []
  const message = becomes({ retention: from, bounds }, { retention: to, bounds: wanted.bounds })
  return [{ kind: 'change', effect, message }]
}

/** A tool that prunes deletes what is not in its manifests any more; `kubectl apply` alone does not. */
function judgeDelete({ after, enforced }: PlanInput, gone: Manifest): readonly Finding[] {
  const { namespace, name } = gone.metadata
  const message = 'it is not among the manifests any more: a tool that prunes deletes it'
  const change: Finding = { kind: 'change', effect: 'deletes', message }
  const refused = (reason: string): readonly Finding[] => [
    { kind: 'refused', layer: 'admission policy', message: `${message}, which is refused while ${reason}` },
  ]
  if (gone.kind === 'RetentionPolicy') {
    const users = after.filter(
      (each) =>
        each.kind === 'LockedBucket' &&
        each.metadata.namespace === namespace &&
        each.spec.retentionPolicyRef.name === name,
    )
    return users.length === 0 ? [change] : refused(`${users.length} of the LockedBuckets refer to it`)
  }
  if (gone.kind === 'ClusterRetentionPolicy') return [change, note('what buckets have by it stays')]
  if (gone.kind !== 'LockedBucket') return [change]
  const facts = enforced?.get(gone.spec.bucketName) ?? null
  const lockedCount = facts === null ? 0 : facts.lockedVersionCount + facts.legalHoldCount
  if (lockedCount > 0) return refused(`versions are locked or held in bucket ${gone.spec.bucketName}`)
  const isKnown = enforced !== null
  return [change, ...(isKnown ? [] : [note('whether something is locked in it, only the lock server knows')])]
}

/** Both halves of what a policy makes the server enforce, as the server itself would write it down. */
export function enforcedBy({ retention, bounds }: Wanted): EnforcedRetention {
  const mode = retention.defaultRetention?.mode ?? null
  const floor = mode === 'COMPLIANCE' ? retention : null
  const policy = mode === null ? null : { mode, bounds, floor }
  return { objectLock: { status: 'Enabled', retention }, policy }
}

function datesOf(nowMs: EpochMs, spec: RetentionPolicySpec): readonly Finding[] {
  const { defaultRetention, prefixRules } = toBucketRetention(spec)
  if (defaultRetention === null) return []
  const defaultMs = retainUntil(nowMs, defaultRetention.period)
  const periods = [defaultRetention.period, ...prefixRules.map(({ period }) => period)]
  const isLong =
    defaultRetention.mode === 'COMPLIANCE' &&
    periods.some((period) => daysMax(period) > limits.complianceDaysUnconfirmedMax)
  return [
    note(`a version written now would be locked until ${formatIso(defaultMs)}`),
    ...prefixRules.map(({ prefix, period }) => {
      const untilMs = laterOf(defaultMs, retainUntil(nowMs, period))
      return note(`under ${JSON.stringify(prefix)} until ${formatIso(untilMs)}, or longer by another rule`)
    }),
    ...(isLong ? [note('COMPLIANCE of more than 366 days: nobody can undo it while it lasts')] : []),
  ]
}

function effectOf(comparisons: readonly RetentionComparison[]): 'tightens' | 'loosens' | null {
  if (comparisons.includes('weaker')) return 'loosens'
  return comparisons.includes('stronger') ? 'tightens' : null
}

/** The policy that the bucket would get: of the new manifests, else of the old ones, which stay. */
function policyOf(
  { after, before }: Pick<PlanInput, 'after' | 'before'>,
  { metadata, spec }: Pick<LockedBucket, 'spec'> & Pick<BucketManifest, 'metadata'>,
): PolicyManifest | null {
  const wanted = {
    kind: 'RetentionPolicy',
    metadata: { ...metadata, name: spec.retentionPolicyRef.name },
  } as const
  const found = find(after, wanted) ?? find(before ?? [], wanted)
  return found?.kind === 'RetentionPolicy' ? found : null
}

function isSamePolicy(a: BucketManifest, b: BucketManifest): boolean {
  return a.spec.retentionPolicyRef.name === b.spec.retentionPolicyRef.name
}

function find(
  manifests: readonly Manifest[],
  { kind, metadata: { namespace, name } }: Pick<Manifest, 'kind' | 'metadata'>,
): Manifest | undefined {
  return manifests.find(
    (each) => each.kind === kind && each.metadata.namespace === namespace && each.metadata.name === name,
  )
}

function refOf({ kind, metadata: { namespace, name } }: Manifest): ObjectPlan['object'] {
  return { kind, namespace, name }
}

const unbounded = { minimum: null, maximum: null }

function retentionOf({ objectLock }: EnforcedRetention): BucketRetention {
  return objectLock?.retention ?? { defaultRetention: null, prefixRules: [] }
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

function note(message: string): Finding {
  return { kind: 'note', message }
}
