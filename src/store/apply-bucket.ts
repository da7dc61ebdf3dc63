/**
 * The operator's one call: creates, adopts or changes a managed bucket in one transaction, so that no version
 * is ever written in between, and never weakens a COMPLIANCE rule, whatever the caller says.
 */

import { isDeepStrictEqual } from 'node:util'
import { equalBytes } from '../lib/bytes.ts'
import type { Log } from '../lib/log.ts'
import { raiseTo } from '../lock/combine.ts'
import { compareBounds, compareBucketRetention } from '../lock/compare.ts'
import { noRuleDenies } from '../lock/rules.ts'
import type { BucketRetention } from '../lock/types.ts'
import { type AccountNamespace, accountOf } from './accounts.ts'
import {
  type DocumentChange,
  documentChanges,
  documentDetail,
  writeDocumentChanges,
} from './apply-documents.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditDetail, AuditFields } from './audit-record.ts'
import { describeDefault, newBucketId, writeBucket } from './bucket-rows.ts'
import { encodeBucket } from './codec.ts'
import { auditFields, type StoreContext } from './decision.ts'
import {
  deleteExisting,
  type ExistingRecord,
  type ExistingWish,
  findExisting,
  wishedExisting,
  writeExisting,
} from './existing-rows.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import { readLeadership } from './leadership.ts'
import type { BucketOwner, BucketPolicy, BucketRecord } from './records.ts'
import type { Actor, ApplyBucket, ApplyBucketResult, TrustedNow } from './requests.ts'
import { readStat } from './stats.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { readBucket } from './version-rows.ts'

type Attempt = { readonly answer: ApplyBucketResult; readonly refusal: AuditFields | null }
type Applied = Extract<ApplyBucketResult, { readonly kind: 'applied' }>['change']

type Job = {
  readonly actor: Actor
  readonly input: ApplyBucket
  readonly transaction: KeyValueTransaction
  readonly now: TrustedNow
  /** How many there are to see for applyToExisting, about. */
  readonly versionCount: number
  readonly log: Log
}

/** Errors: those of `transact`, CorruptRecordError. */
export async function applyBucket(
  context: StoreContext,
  actor: Actor,
  input: ApplyBucket,
): Promise<ApplyBucketResult> {
  const id = newBucketId()
  const versionCount = await countVersions(context, input)
  const { answer, refusal } = await context.kv.transact(async (transaction) => {
    const [leadership, bucket, now] = await Promise.all([
      readLeadership(transaction),
      readBucket(transaction, input.name),
      readTrustedNow(transaction, context.clock),
    ])
    const job = { actor, input, transaction, now, versionCount, log: context.log }
    const epoch = leadership?.epoch ?? 0
    // Equal or nothing: an epoch from the future comes from another volume or from before a restore.
    if (epoch !== input.epoch) return refused(job, 'StaleEpoch', { kind: 'staleEpoch', epoch })
    return bucket === null ? createManaged(job, id) : changeManaged(job, bucket)
  })
  if (refusal !== null) await context.denials.record(refusal)
  return answer
}

/** Before the transaction: in it, every write to the bucket would be a conflict. */
async function countVersions({ kv }: StoreContext, { applyToExisting, name }: ApplyBucket): Promise<number> {
  if (applyToExisting === 'No') return 0
  const bucket = await readBucket(kv, name)
  return bucket === null ? 0 : (await readStat(kv, bucket.id)).versionCount
}

/** Of a bucket record, or of what the admin API says of a bucket: all that can be weakened. */
export type EnforcedRetention = {
  readonly objectLock: BucketRecord['objectLock']
  readonly policy: Pick<BucketPolicy, 'mode' | 'bounds' | 'floor'> | null
}

/** Which parts of the wished state are weaker than what is enforced; empty: none. */
export function weakerAspects(current: EnforcedRetention, next: EnforcedRetention): readonly string[] {
  const wanted = retentionOf(next)
  const enforced = [current.policy?.floor ?? null, retentionOf(current)]
  const aspects = enforced.flatMap((retention) => {
    // A GOVERNANCE rule is free to change, as on AWS; what it stamped on versions stays.
    if (retention?.defaultRetention?.mode !== 'COMPLIANCE') return []
    return compareBucketRetention(retention, wanted) === 'weaker' ? weakerRules(retention, wanted) : []
  })
  const { policy } = current
  const bounds = next.policy?.bounds ?? { minimum: null, maximum: null }
  if (policy !== null && compareBounds(policy.mode, policy.bounds, bounds) === 'weaker') {
    aspects.push('minimum: it only rises under a COMPLIANCE policy')
  }
  return [...new Set(aspects)]
}

async function createManaged(job: Job, id: string): Promise<Attempt> {
  const { input, transaction, now } = job
  const blank: BucketRecord = {
    id,
    name: input.name,
    accountId: await accountOf(transaction, namespaceOf(input.accountNamespace)),
    region: input.region,
    createdMs: now.wallMs,
    createdTrustedMs: now.trustedMs,
    revision: 1,
    versioning: 'Enabled',
    objectLock: null,
    owner: null,
    policy: null,
    profile: input.profile,
    requireChecksum: input.requireChecksum,
    quotaBytes: input.quotaBytes,
    documents: [],
  }
  const bucket = wished(blank, input)
  const documents = await documentChanges(transaction, bucket, job)
  const existing = wishedExisting(null, { ...job, bucket, since: 'covered' })
  return applied(job, 'created', { bucket, existing, documents })
}

async function changeManaged(job: Job, bucket: BucketRecord): Promise<Attempt> {
  const { input } = job
  const isOwned = bucket.owner !== null && isSameOwner(bucket.owner, input.owner)
  const isAdoptable = bucket.owner === null && input.adoptionPolicy === 'IfUnowned'
  if (!isOwned && !isAdoptable)
    return refused(job, 'NameConflict', { kind: 'nameConflict', owner: bucket.owner })
  const next = wished(bucket, input)
  const aspects = weakerAspects(bucket, next)
  if (aspects.length > 0) return refused(job, 'WouldShorten', { kind: 'wouldShorten', bucket, aspects })
  const before = await findExisting(job.transaction, bucket.id, job.log)
  const changed = { ...next, revision: bucket.revision + 1 }
  const existing = wishedExisting(before, { ...job, bucket: changed, since: sinceOf(bucket, before) })
  const documents = await documentChanges(job.transaction, bucket, job)
  const isSame = documents.length === 0 && equalBytes(encodeBucket(bucket), encodeBucket(next))
  if (isSame && isDeepStrictEqual(before, existing)) {
    return { answer: { kind: 'applied', change: 'unchanged', bucket }, refusal: null }
  }
  const change = isOwned ? 'updated' : 'adopted'
  return applied(job, change, { bucket: changed, existing, documents })
}

/**
 * A freeze kept a walk from what it met, and the rule from what was written meanwhile. So did, of what was written, a default
 * rule that somebody made weaker than the walk's.
 */
function sinceOf(bucket: BucketRecord, walk: ExistingRecord | null): ExistingWish['since'] {
  if (walk === null) return 'covered'
  if (bucket.objectLock?.status === 'Frozen') return 'open'
  return compareBucketRetention(walk.retention, retentionOf(bucket)) === 'weaker' ? 'open' : 'covered'
}

/**
 * The bucket as the policy wants it. An adopted bucket keeps its account: adoption gives nobody access to
 * what was written before.
 */
function wished(bucket: BucketRecord, input: ApplyBucket): BucketRecord {
  const { namespace, name, uid, generation, defaultRetention, prefixRules, bounds } = input.policy
  const asked = { defaultRetention, prefixRules }
  const isKept = input.strongerRetention === 'Keep' && isStronger(asked, retentionOf(bucket))
  const retention = isKept ? retentionOf(bucket) : asked
  const floor = wishedFloor(bucket.policy?.floor ?? null, input, asked)
  const mode = floor === null ? defaultRetention.mode : 'COMPLIANCE'
  const policy: BucketPolicy = { namespace, name, uid, generation, mode, bounds, floor }
  // A policy demands locks, which a frozen bucket does not make: it thaws.
  const objectLock = { status: 'Enabled', retention } as const
  const { owner, profile, requireChecksum, quotaBytes } = input
  return { ...bucket, versioning: 'Enabled', objectLock, owner, policy, profile, requireChecksum, quotaBytes }
}

/**
 * Only ever what policies asked for, never what was found in the bucket: that would make it irrevocable. A kept one only rises; the fall of
 * a replaced one is refused (`weakerAspects`).
 */
function wishedFloor(
  before: BucketRetention | null,
  { strongerRetention, policy }: ApplyBucket,
  asked: BucketRetention,
): BucketRetention | null {
  const floor = policy.defaultRetention.mode === 'COMPLIANCE' ? asked : null
  if (before === null || strongerRetention === 'Replace') return floor
  if (floor === null) return before
  return compareBucketRetention(before, floor) === 'weaker' ? raiseTo(before, policy.defaultRetention) : floor
}

function isStronger(asked: BucketRetention, found: BucketRetention): boolean {
  return compareBucketRetention(asked, found) === 'stronger'
}

type Next = {
  readonly bucket: BucketRecord
  readonly existing: ExistingRecord | null
  readonly documents: readonly DocumentChange[]
}

function applied(job: Job, change: Applied, { bucket: wanted, existing, documents }: Next): Attempt {
  const { transaction } = job
  const bucket = writeDocumentChanges(transaction, wanted, documents)
  writeBucket(transaction, bucket)
  if (existing === null) deleteExisting(transaction, bucket.id)
  else writeExisting(transaction, bucket.id, existing)
  const detail = {
    change,
    ...bucketDetail(bucket),
    ...documentDetail(documents),
    applyToExisting: existing?.scope ?? 'No',
  }
  appendAudit(transaction, record(job, { kind: 'allow', rule: noRuleDenies }, detail))
  return { answer: { kind: 'applied', change, bucket }, refusal: null }
}

function refused(job: Job, rule: string, answer: ApplyBucketResult): Attempt {
  const { policy } = job.input
  const detail = {
    policyNamespace: policy.namespace,
    policyName: policy.name,
    requested: describeDefault(policy.defaultRetention),
    epoch: job.input.epoch,
  }
  return { answer, refusal: record(job, { kind: 'deny', rule }, detail) }
}

function record(
  job: Job,
  verdict: { kind: 'allow' | 'deny'; rule: string },
  detail: AuditDetail,
): AuditFields {
  const { actor, input, now } = job
  return auditFields({ actor, bucket: input.name, key: null }, now, { verdict, detail })
}

function bucketDetail(bucket: BucketRecord): AuditDetail {
  const { policy, objectLock, accountId, revision, profile, requireChecksum, quotaBytes } = bucket
  return {
    accountId,
    revision,
    policyNamespace: policy?.namespace ?? '',
    policyName: policy?.name ?? '',
    policyGeneration: policy?.generation ?? 0,
    objectLock: objectLock?.status ?? 'none',
    profile,
    requireChecksum,
    quota: quotaBytes ?? 'none',
    defaultRetention: describeDefault(objectLock?.retention.defaultRetention ?? null),
    prefixRuleCount: objectLock?.retention.prefixRules.length ?? 0,
  }
}

function retentionOf(bucket: EnforcedRetention): BucketRetention {
  return bucket.objectLock?.retention ?? { defaultRetention: null, prefixRules: [] }
}

/** Re-adoption goes by cluster, namespace and name: a re-created LockedBucket has another uid. */
function isSameOwner(a: BucketOwner, b: BucketOwner): boolean {
  return a.clusterId === b.clusterId && a.namespace === b.namespace && a.name === b.name
}

function namespaceOf({ clusterId, namespace }: AccountNamespace): AccountNamespace {
  return { clusterId, namespace }
}

function weakerRules(current: BucketRetention, next: BucketRetention): readonly string[] {
  const { defaultRetention } = current
  if (compareBucketRetention({ defaultRetention, prefixRules: [] }, next) === 'weaker') {
    const from = describeDefault(defaultRetention)
    return [`defaultRetention: ${from} would become ${describeDefault(next.defaultRetention)}`]
  }
  return current.prefixRules
    .filter((rule) => compareBucketRetention({ defaultRetention, prefixRules: [rule] }, next) === 'weaker')
    .map(({ prefix, period }) => `rules: keys under "${prefix}" would lose ${period.count} ${period.unit}`)
}
