/** What a plan says of LockedBuckets: by the manifests before, by what the lock server answers, or by both. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { LockedBucket } from '../api/LockedBucket.ts'
import { formatPeriod } from '../api/periods.ts'
import type { BucketFactsAnswer } from '../client/lock-server.ts'
import type { BucketRetention, RetentionPeriod } from '../lock/types.ts'
import { differentSettings, settingsOf } from '../operator/controllers/locked-bucket-settings.ts'
import { effectiveBefore, effectiveIn } from './plan-cluster.ts'
import {
  type BucketManifest,
  change,
  type Finding,
  findManifest,
  needsBypass,
  note,
  type PlanInput,
  type PolicyManifest,
  refused,
} from './plan-findings.ts'
import { enforcedBy, judgeRetention } from './plan-retention.ts'
import { judgeBucketWalk, judgePolicyWalk } from './plan-walk.ts'

/** `old: null`: nobody said what it was, or it was not there. */
type BucketChange = { readonly old: BucketManifest | null; readonly next: BucketManifest }

export function judgeBucket(
  input: PlanInput,
  old: BucketManifest | null,
  next: BucketManifest,
): readonly Finding[] {
  if (input.enforced !== null) return judgeEnforced(input, { old, next })
  if (old !== null && !isSamePolicy(old, next)) return judgeSwitch(input, old, next)
  const policy = policyOf(input, next)
  if (policy === null) return [note(notJudged(next))]
  return old === null ? [] : judgeEdited(input, old, policy)
}

/** Of an edited policy the CRD and the admission policy say enough; but not where a floor made GOVERNANCE COMPLIANCE. */
function judgeEdited(input: PlanInput, old: BucketManifest, policy: PolicyManifest): readonly Finding[] {
  const { namespace } = old.metadata
  const before = policyOf({ after: input.before ?? [], before: null }, old)
  if (before === null || before.spec.defaultRetention.mode === 'COMPLIANCE') return []
  if (isDeepStrictEqual(before.spec, policy.spec)) return []
  const current = enforcedBy(effectiveBefore(input, namespace, before.spec))
  return judgeRetention(current, effectiveIn(input, namespace, policy.spec)).filter(isRefusal)
}

/** Another policy of which nobody asked the server. */
function judgeSwitch(input: PlanInput, old: BucketManifest, next: BucketManifest): readonly Finding[] {
  const { namespace } = next.metadata
  const before = policyOf({ after: input.before ?? [], before: null }, old)
  const current = before === null ? null : effectiveBefore(input, namespace, before.spec)
  // As its status has it: raised by what bound the policy before.
  if (input.governance === 'keep' && isGovernance(current?.retention)) return [refusedReference]
  const policy = policyOf(input, next)
  if (before === null || current === null) return [change('changes', notJudged(old))]
  if (policy === null) return [change('changes', notJudged(next))]
  const wanted = effectiveIn(input, namespace, policy.spec)
  const retention = judgeRetention(enforcedBy(current), wanted)
  if (retention.some(isRefusal)) return retention
  const walk = judgePolicyWalk({ spec: before.spec, retention: current.retention }, policy.spec, wanted)
  return [...retention, ...walk]
}

/** Against what the lock server enforces, as it would answer itself. */
function judgeEnforced(input: PlanInput, { old, next }: BucketChange): readonly Finding[] {
  const { metadata, spec } = next
  const facts = input.enforced?.get(spec.bucketName) ?? null
  if (facts === null) return [change('creates', `bucket ${spec.bucketName} is not on the lock server`)]
  const refusal = judgeOwner(facts, next) ?? judgeReference(input, facts, { old, next })
  if (refusal !== null) return [refusal]
  const settings = judgeSettings(facts, next)
  const policy = policyOf(input, next)
  if (policy === null) return [note(notJudged(next)), ...settings]
  const wanted = effectiveIn(input, metadata.namespace, policy.spec)
  const retention = judgeRetention(facts, wanted)
  if (retention.some(isRefusal)) return retention
  const loosened = retention.find((each) => each.kind === 'change' && each.effect === 'loosens')
  // Whether the policy itself gets shorter, or the bucket had more than it, the manifests before would tell.
  if (loosened !== undefined && facts.owner !== null && input.before === null && input.governance === 'keep')
    return [refused('admission policy', `${loosened.message}: ${needsBypass}`)]
  return [
    ...retention,
    ...judgeMaximum(facts.policy?.bounds.maximum ?? null, wanted.bounds.maximum),
    ...judgeBucketWalk(facts, policy.spec, wanted),
    ...settings,
  ]
}

function judgeOwner({ name, owner }: BucketFactsAnswer, { metadata, spec }: BucketManifest): Finding | null {
  if (owner === null) {
    if (spec.adoptionPolicy === 'IfUnowned') return null
    const message = `bucket ${name} is there and adoptionPolicy is not IfUnowned (AdoptionRefused)`
    return refused('lock server', message)
  }
  if (owner.namespace === metadata.namespace && owner.name === metadata.name) return null
  const message = `bucket ${name} belongs to LockedBucket ${owner.namespace}/${owner.name} (NameConflict)`
  return refused('lock server', message)
}

/** As the admission policy judges it, by the mode that the status has from the server. A new object has no status. */
function judgeReference(
  { before, governance }: PlanInput,
  { owner, objectLock, policy }: BucketFactsAnswer,
  { old, next }: BucketChange,
): Finding | null {
  const isNew = owner === null || (before !== null && old === null)
  if (isNew || governance === 'bypass' || !isGovernance(objectLock?.retention)) return null
  const isOther = policy !== null && policy.name !== next.spec.retentionPolicyRef.name
  return isOther || (old !== null && !isSamePolicy(old, next)) ? refusedReference : null
}

/** What the spec, or any policy, makes of what the server has of the bucket itself. */
function judgeSettings(facts: BucketFactsAnswer, { spec }: BucketManifest): readonly Finding[] {
  const { name, owner, objectLock, versioning, policy } = facts
  const wanted = spec.retentionPolicyRef.name
  const settings = differentSettings(facts, settingsOf(spec))
  const findings: Finding[] = []
  if (owner === null) findings.push(change('changes', `nobody owns bucket ${name}: it is adopted`))
  if (policy !== null && policy.name !== wanted)
    findings.push(change('changes', `RetentionPolicy ${policy.name} becomes ${wanted}`))
  if (objectLock?.status === 'Frozen')
    findings.push(change('tightens', 'the bucket is frozen: it makes locks again'))
  if (versioning !== 'Enabled')
    findings.push(change('tightens', `versioning is ${versioning}: it becomes Enabled`))
  if (settings.length > 0)
    findings.push(change('changes', `the lock server has another ${settings.join(', ')}`))
  return findings
}

function judgeMaximum(from: RetentionPeriod | null, to: RetentionPeriod | null): readonly Finding[] {
  if (isDeepStrictEqual(from, to)) return []
  return [change('changes', `${describeMaximum(from)} becomes ${describeMaximum(to)}`)]
}

function describeMaximum(period: RetentionPeriod | null): string {
  return period === null ? 'no maximum' : `a maximum of ${formatPeriod(period)}`
}

function isGovernance(retention: BucketRetention | undefined): boolean {
  return retention?.defaultRetention?.mode === 'GOVERNANCE'
}

function isRefusal({ kind }: Finding): boolean {
  return kind === 'refused'
}

const refusedReference = refused(
  'admission policy',
  `another policy for a bucket in GOVERNANCE mode might be a shorter one: ${needsBypass}`,
)

function notJudged({ spec }: BucketManifest): string {
  const { name } = spec.retentionPolicyRef
  return `RetentionPolicy ${name} is not among the manifests, so the retention is not judged`
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
  const found = findManifest(after, wanted) ?? findManifest(before ?? [], wanted)
  return found?.kind === 'RetentionPolicy' ? found : null
}

function isSamePolicy(a: BucketManifest, b: BucketManifest): boolean {
  return a.spec.retentionPolicyRef.name === b.spec.retentionPolicyRef.name
}
