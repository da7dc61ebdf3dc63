/**
 * What applying manifests would change or be refused: pure, and by the very functions that judge it later: the
 * twins of the CRDs' rules, the comparison of `src/lock`, and the server's own floor.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Manifest, validateManifest } from '../api/manifest.ts'
import { type RetentionPolicySpec, toBounds, toBucketRetention } from '../api/RetentionPolicy.ts'
import { schemaRule } from '../api/rules.ts'
import { limits } from '../lib/limits.ts'
import { type EpochMs, formatIso, laterOf } from '../lib/units.ts'
import { daysMax, retainUntil } from '../lock/periods.ts'
import { judgeBucket } from './plan-bucket.ts'
import { effectiveBefore, effectiveIn, judgeCluster } from './plan-cluster.ts'
import { manifestChanges } from './plan-diff.ts'
import {
  type AccessManifest,
  change,
  type Finding,
  findManifest,
  needsBypass,
  note,
  type ObjectPlan,
  type PlanInput,
  type PolicyManifest,
  refused,
} from './plan-findings.ts'
import { judgeRules } from './plan-retention.ts'
import { judgePolicyWalk } from './plan-walk.ts'

/** Every object of `after` in its order, then those of `before` that are not there any more. */
export function judgePlan(input: PlanInput): readonly ObjectPlan[] {
  const { after, before } = input
  const applied = after.map((manifest) => {
    const old = before === null ? null : (findManifest(before, manifest) ?? null)
    return { object: refOf(manifest), findings: judgeApply(input, old, manifest) }
  })
  const gone = (before ?? []).filter((manifest) => findManifest(after, manifest) === undefined)
  const deleted = gone.map((manifest) => ({
    object: refOf(manifest),
    findings: judgeDelete(input, manifest),
  }))
  return [...applied, ...deleted]
}

function judgeApply(input: PlanInput, old: Manifest | null, next: Manifest): readonly Finding[] {
  const refusals = validateManifest(old, next).map(({ path, rule, message }): Finding => {
    const layer = rule === schemaRule ? 'schema' : 'CEL'
    return refused(layer, layer === 'CEL' ? `${path}: ${message} (${rule})` : message)
  })
  const own = judgeKind(input, old, next)
  const changes = old === null ? [] : manifestChanges(old, next)
  const isCreated = old === null && input.before !== null
  if (refusals.length > 0)
    return [...refusals, ...own.filter(({ kind }) => kind === 'refused'), ...changes.map(note)]
  if (isCreated || (input.before === null && input.enforced === null))
    return [change('creates', 'it is not there yet'), ...own]
  const isTold = changes.length === 0 || own.some(({ kind }) => kind !== 'note')
  const plain = change('changes', 'no key gets another retention')
  const isUncompared = input.before === null && next.kind !== 'LockedBucket'
  return [
    ...(isUncompared ? [note(seenByBuckets)] : []),
    ...(isTold ? [] : [plain]),
    ...own,
    ...changes.map(note),
  ]
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
  if (old === null && before === null && enforced !== null) return dates
  const walk = judgeWalk(input, old, next)
  if (old === null) return [...walk, ...dates]
  const { mode } = old.spec.defaultRetention
  const found = judgeRules(wishOf(old.spec), wishOf(next.spec))
  if (found === null) return walk
  // The rules of the CRD, which come first, have said it.
  if (found.effect === 'loosens' && mode === 'COMPLIANCE') return []
  if (found.effect === 'loosens' && governance === 'keep')
    return [refused('admission policy', `${found.message}: ${needsBypass}`)]
  return [found, ...walk, ...dates]
}

function wishOf(spec: RetentionPolicySpec) {
  return { retention: toBucketRetention(spec), bounds: toBounds(spec) }
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
  return [refused('admission policy', message)]
}

/** What the ClusterRetentionPolicies of the manifests have against it, or make of it. */
function judgeBinding(input: PlanInput, { metadata, spec }: PolicyManifest): readonly Finding[] {
  const { bar, changes } = effectiveIn(input, metadata.namespace, spec)
  if (bar === null) return changes.map(note)
  return [refused('operator', `${bar.message} (${bar.reason})`)]
}

const seenByBuckets = 'the lock server is asked about buckets only: what else this changes, --against tells'

/** A tool that prunes deletes what is not in its manifests any more; `kubectl apply` alone does not. */
function judgeDelete({ after, enforced }: PlanInput, gone: Manifest): readonly Finding[] {
  const { namespace, name } = gone.metadata
  const message = 'it is not among the manifests any more: a tool that prunes deletes it'
  const deletes = change('deletes', message)
  const keptWhile = (reason: string) => [
    refused('admission policy', `${message}, which is refused while ${reason}`),
  ]
  if (gone.kind === 'RetentionPolicy') {
    const users = after.filter(
      (each) =>
        each.kind === 'LockedBucket' &&
        each.metadata.namespace === namespace &&
        each.spec.retentionPolicyRef.name === name,
    )
    return users.length === 0 ? [deletes] : keptWhile(`${users.length} of the LockedBuckets refer to it`)
  }
  if (gone.kind === 'ClusterRetentionPolicy') return [deletes, note('what buckets have by it stays')]
  if (gone.kind !== 'LockedBucket') return [deletes]
  const { bucketName, deletionPolicy } = gone.spec
  const facts = enforced?.get(bucketName) ?? null
  const lockedCount = facts === null ? 0 : facts.lockedVersionCount + facts.legalHoldCount
  if (lockedCount > 0) return keptWhile(`versions are locked or held in bucket ${bucketName}`)
  const leftCount = facts === null ? 0 : facts.versionCount + facts.deleteMarkerCount
  if (deletionPolicy === 'Delete' && leftCount > 0)
    return keptWhile(
      `versions or delete markers are left in bucket ${bucketName} and deletionPolicy is Delete`,
    )
  const isKnown = enforced !== null
  return [deletes, ...(isKnown ? [] : [note('what is in it, and locked, only the lock server knows')])]
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

function refOf({ kind, metadata: { namespace, name } }: Manifest): ObjectPlan['object'] {
  return { kind, namespace, name }
}
