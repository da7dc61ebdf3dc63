/** Buckets: created once, never changed by being created again, removed only when empty and unmanaged. */
import { assert } from '../lib/assert.ts'
import { meetsFloor } from '../lock/compare.ts'
import { noRuleDenies } from '../lock/rules.ts'
import type { DefaultRetention } from '../lock/types.ts'
import { applyBucket } from './apply-bucket.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditDetail, AuditFields } from './audit-record.ts'
import { describeDefault, newBucketId, writeBucket } from './bucket-rows.ts'
import { decodeBucket } from './codec.ts'
import { auditFields, type StoreContext } from './decision.ts'
import { findExisting, walkAgain, writeExisting } from './existing-rows.ts'
import { bucketFacts, findLocked } from './facts.ts'
import { CorruptRecordError } from './fields.ts'
import { bucketKey, keyAfter, parseBucketKey, rangeOf, tablePrefix } from './keys.ts'
import type { Entry } from './kv/contract.ts'
import type { BucketRecord } from './records.ts'
import { releaseBucket } from './release-bucket.ts'
import { isEmptyBucket, removeBucket } from './remove-bucket.ts'
import type { Actor, ObjectLockChange } from './requests.ts'
import type { Buckets } from './store.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { type BucketAddress, openScene, readBucket, type Scene } from './version-rows.ts'

type CreateInput = Parameters<Buckets['create']>[1]
type ListInput = Parameters<Buckets['list']>[0]
type Versioning = Parameters<Buckets['putVersioning']>[2]

type DeleteAnswer = Awaited<ReturnType<Buckets['delete']>>
type VersioningAnswer = Awaited<ReturnType<Buckets['putVersioning']>>
type ConfigurationAnswer = Awaited<ReturnType<Buckets['putObjectLockConfiguration']>>

/** `refusal`: what the recorder of refusals must have before the answer leaves. */
type Attempt<Answer> = { readonly answer: Answer; readonly refusal: AuditFields | null }

const listPageRows = 500

export function createBuckets(context: StoreContext): Buckets {
  return {
    read: (name) => readBucket(context.kv, name),
    list: (options) => listBuckets(context, options),
    create: (actor, input) => createBucket(context, actor, input),
    delete: (actor, bucket) =>
      change<DeleteAnswer>(context, { bucket, actor }, (scene) => deleteBucket(scene, actor)),
    putVersioning: (actor, bucket, status) =>
      change<VersioningAnswer>(context, { bucket, actor }, async (scene) =>
        putVersioning(scene, actor, status),
      ),
    putObjectLockConfiguration: (actor, bucket, wanted) =>
      change<ConfigurationAnswer>(context, { bucket, actor }, async (scene) => {
        const attempt = putObjectLockConfiguration(scene, actor, wanted)
        if (attempt.answer.kind === 'changed') await walkAgainIfThawed(context, scene, attempt.answer.bucket)
        return attempt
      }),
    apply: (actor, input) => applyBucket(context, actor, input),
    release: (actor, input) => releaseBucket(context, actor, input),
    facts: (name) => bucketFacts(context, name),
    findLocked: () => findLocked(context),
  }
}

async function listBuckets(context: StoreContext, options: ListInput): Promise<readonly BucketRecord[]> {
  const { accountId, after, limit } = options
  assert(Number.isSafeInteger(limit) && limit >= 1, 'a listing has a limit of at least 1')
  const { from, to } = rangeOf(tablePrefix('bucket'))
  const buckets: BucketRecord[] = []
  let position = after === null ? from : keyAfter(bucketKey(after))
  for (;;) {
    const page = await context.kv.range({ from: position, to, limit: listPageRows })
    for (const row of page) {
      const bucket = readListed(context, row)
      if (bucket !== null && isOf(accountId, bucket)) buckets.push(bucket)
      if (buckets.length === limit) return buckets
    }
    const last = page.at(-1)
    if (last === undefined || page.length < listPageRows) return buckets
    position = keyAfter(last.key)
  }
}

function isOf(accountId: string | null, bucket: BucketRecord): boolean {
  return accountId === null || bucket.accountId === accountId
}

/** null: a record that cannot be read hides its own bucket alone, whose requests all say so, and not the others. */
function readListed({ log }: StoreContext, { key, value }: Entry): BucketRecord | null {
  try {
    return decodeBucket(key, value)
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    log.error(
      { bucket: parseBucketKey(key), cause: error.message },
      'a bucket that cannot be read is not listed',
    )
    return null
  }
}

async function createBucket(
  context: StoreContext,
  actor: Actor,
  input: CreateInput,
): ReturnType<Buckets['create']> {
  const id = newBucketId()
  const isLocked = input.objectLock === 'enabled'
  return context.kv.transact(async (transaction) => {
    const [existing, now] = await Promise.all([
      readBucket(transaction, input.name),
      readTrustedNow(transaction, context.clock),
    ])
    // Whatever was asked for: creating again never touches the lock state of a bucket that is there (I19).
    if (existing !== null) return { kind: 'exists', bucket: existing }
    const bucket: BucketRecord = {
      id,
      name: input.name,
      accountId: input.accountId,
      region: input.region,
      createdMs: now.wallMs,
      createdTrustedMs: now.trustedMs,
      revision: 1,
      versioning: isLocked ? 'Enabled' : 'Unversioned',
      objectLock: isLocked
        ? { status: 'Enabled', retention: { defaultRetention: null, prefixRules: [] } }
        : null,
      owner: null,
      policy: null,
      profile: input.dialect?.profile ?? 'aws',
      requireChecksum: input.dialect?.requireChecksum ?? true,
      quotaBytes: null,
      documents: [],
    }
    writeBucket(transaction, bucket)
    const scene = { transaction, bucket, now }
    appendAudit(transaction, allowed(scene, actor, { objectLock: input.objectLock }))
    return { kind: 'created', bucket }
  })
}

/** Emptiness is read here: whatever comes in between is a conflict, and judged anew (I18). */
async function deleteBucket(scene: Scene, actor: Actor): Promise<Attempt<DeleteAnswer>> {
  const { transaction, bucket } = scene
  if (bucket.owner !== null) {
    const { clusterId, namespace, name } = bucket.owner
    const refusal = denied(scene, actor, 'BucketManaged', { clusterId, namespace, name })
    return { answer: { kind: 'managed', owner: bucket.owner }, refusal }
  }
  if (!(await isEmptyBucket(transaction, bucket))) {
    return { answer: { kind: 'notEmpty' }, refusal: denied(scene, actor, 'BucketNotEmpty', null) }
  }
  removeBucket(transaction, bucket)
  appendAudit(transaction, allowed(scene, actor, { bucketId: bucket.id }))
  return { answer: { kind: 'deleted' }, refusal: null }
}

function putVersioning(scene: Scene, actor: Actor, status: Versioning): Attempt<VersioningAnswer> {
  const { bucket } = scene
  if (bucket.objectLock !== null && status !== 'Enabled') {
    const refusal = denied(scene, actor, 'ObjectLockPresent', { requestedVersioning: status })
    return { answer: { kind: 'objectLockPresent' }, refusal }
  }
  if (bucket.versioning === status) return { answer: { kind: 'changed', bucket }, refusal: null }
  const detail = { versioningBefore: bucket.versioning, versioning: status }
  return changedTo(scene, actor, { ...bucket, versioning: status }, detail)
}

/** Enables Object Lock for good, or freezes it; the default rule may change, but not below a policy's floor. */
function putObjectLockConfiguration(
  scene: Scene,
  actor: Actor,
  wanted: ObjectLockChange,
): Attempt<ConfigurationAnswer> {
  const { bucket } = scene
  const { objectLock } = bucket
  if (wanted.kind === 'freeze' && objectLock === null)
    return { answer: { kind: 'changed', bucket }, refusal: null }
  if (bucket.versioning !== 'Enabled') return { answer: { kind: 'versioningNotEnabled' }, refusal: null }
  const refused = refusedByFloor(scene, actor, wanted)
  if (refused !== null) return refused
  if (wanted.kind === 'freeze' && objectLock?.status === 'Frozen')
    return { answer: { kind: 'changed', bucket }, refusal: null }
  const before = objectLock?.retention ?? { defaultRetention: null, prefixRules: [] }
  const status = wanted.kind === 'freeze' ? 'Frozen' : 'Enabled'
  // S3 cannot express prefix rules: those of the policy stay. A frozen rule stamps nothing, and stays as it was.
  const retention = wanted.kind === 'freeze' ? before : { ...before, defaultRetention: ruleOf(wanted) }
  const detail = {
    objectLockBefore: objectLock?.status ?? 'none',
    objectLock: status,
    defaultRetentionBefore: describeDefault(before.defaultRetention),
    defaultRetention: describeDefault(retention.defaultRetention),
  }
  return changedTo(scene, actor, { ...bucket, objectLock: { status, retention } }, detail)
}

/**
 * What a thaw does to a policy's applyToExisting. The number of versions stays that of before: read here, every write to the
 * bucket would be a conflict.
 */
async function walkAgainIfThawed(
  { log }: StoreContext,
  { transaction, bucket: before, now }: Scene,
  bucket: BucketRecord,
): Promise<void> {
  if (before.objectLock?.status !== 'Frozen' || bucket.objectLock?.status !== 'Enabled') return
  const current = await findExisting(transaction, bucket.id, log)
  if (current === null) return
  const { versionCount } = current
  writeExisting(transaction, bucket.id, walkAgain(current, { bucket, now, versionCount }))
}

/** null: no floor, or one that the change meets. A frozen bucket stamps nothing, so freezing meets none. */
function refusedByFloor(
  scene: Scene,
  actor: Actor,
  wanted: ObjectLockChange,
): Attempt<ConfigurationAnswer> | null {
  const { policy } = scene.bucket
  const floor = policy?.floor?.defaultRetention ?? null
  if (policy === null || policy.floor === null || floor === null) return null
  if (wanted.kind !== 'freeze' && meetsFloor(floor, ruleOf(wanted))) return null
  const { namespace, name } = policy
  const requested = wanted.kind === 'freeze' ? 'freeze' : describeDefault(ruleOf(wanted))
  const detail = { policyNamespace: namespace, policyName: name, requested }
  return {
    answer: { kind: 'belowFloor', policy: { namespace, name }, floor: policy.floor },
    refusal: denied(scene, actor, 'BelowFloor', detail),
  }
}

function ruleOf(wanted: Exclude<ObjectLockChange, { readonly kind: 'freeze' }>): DefaultRetention | null {
  return wanted.kind === 'enable' ? wanted.defaultRetention : null
}

function changedTo(
  scene: Scene,
  actor: Actor,
  next: BucketRecord,
  detail: AuditDetail,
): Attempt<{ readonly kind: 'changed'; readonly bucket: BucketRecord }> {
  const bucket = { ...next, revision: next.revision + 1 }
  writeBucket(scene.transaction, bucket)
  appendAudit(scene.transaction, allowed(scene, actor, { ...detail, revision: bucket.revision }))
  return { answer: { kind: 'changed', bucket }, refusal: null }
}

async function change<Answer>(
  context: StoreContext,
  address: BucketAddress,
  work: (scene: Scene) => Promise<Attempt<Answer>>,
): Promise<Answer | { readonly kind: 'noSuchBucket' }> {
  const attempted = await context.kv.transact(async (transaction) => {
    const scene = await openScene(transaction, context.clock, address)
    return scene === null ? null : work(scene)
  })
  if (attempted === null) return { kind: 'noSuchBucket' }
  if (attempted.refusal !== null) await context.denials.record(attempted.refusal)
  return attempted.answer
}

function allowed(scene: Scene, actor: Actor, detail: AuditDetail): AuditFields {
  const subject = { actor, bucket: scene.bucket.name, key: null }
  return auditFields(subject, scene.now, { verdict: { kind: 'allow', rule: noRuleDenies }, detail })
}

function denied(scene: Scene, actor: Actor, rule: string, detail: AuditDetail | null): AuditFields {
  const subject = { actor, bucket: scene.bucket.name, key: null }
  return auditFields(subject, scene.now, {
    verdict: { kind: 'deny', rule },
    ...(detail === null ? {} : { detail }),
  })
}
