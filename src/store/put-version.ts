/** PutObject and CopyObject: one transaction for precondition, lock, version, indexes and audit record. */
import { assert } from '../lib/assert.ts'
import { type CreateRequest, type LockStamp, lockOnCreate } from '../lock/create.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditFields } from './audit-record.ts'
import { decodeVersion } from './codec.ts'
import { attachShared, attachStaged } from './content.ts'
import {
  auditFields,
  clockRefusal,
  denyIfUnreadable,
  type Subject,
  type VersionContext,
  versionFacts,
} from './decision.ts'
import type { Denial } from './gate.ts'
import { versionKey } from './keys.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import { publishFor } from './publish-body.ts'
import { QuarantinedError, quarantineOf } from './quarantine.ts'
import { refuseOverQuota } from './quota.ts'
import type { BucketRecord, ObjectData, VersionId, VersionRecord } from './records.ts'
import type { Actor, ExplicitLock, PutVersion, PutVersionResult, StagedBody, TrustedNow } from './requests.ts'
import { Scenes } from './scenes.ts'
import { newVersionSuffix } from './version-id.ts'
import { readPlaceIn, type Scene } from './version-rows.ts'
import { judgePrecondition, refusesPeriodLocks, writeVersion } from './write-version.ts'

/** `refusal`: what the recorder of refusals must have before the answer leaves. */
type Attempt = { readonly answer: PutVersionResult; readonly refusal: AuditFields | null }

type NewLock =
  | { readonly kind: 'stamp'; readonly stamp: LockStamp }
  | { readonly kind: 'denied'; readonly verdict: Denial }
  | { readonly kind: 'bucketLockMissing' }
  | { readonly kind: 'clockSuspect' }

/** Errors: those of `transact`. A staged body is settled when the version is there, else discarded. */
export async function putVersion(
  context: VersionContext,
  actor: Actor,
  input: PutVersion,
): Promise<PutVersionResult> {
  const subject = { actor, bucket: input.bucket, key: input.key, versionId: null }
  const put = () => denyIfUnreadable(context, subject, () => transactPut(context, actor, input))
  const file = fileOf(input)
  if (file === null) return put()
  return publishFor(context, file, async () => {
    const answer = await put()
    return { fate: answer.kind === 'put' ? 'committed' : 'refused', answer }
  })
}

/** Bytes that lie in the KV need no file with a name. */
function fileOf({ content }: PutVersion): StagedBody | null {
  return content.kind === 'staged' && content.body.inline === null ? content.body : null
}

/** The lock that a new version gets; CreateMultipartUpload asks the same. */
export function lockOfNewVersion(
  scene: Pick<Scene, 'bucket' | 'now'>,
  key: string,
  explicit: ExplicitLock,
): NewLock {
  const { bucket, now } = scene
  const isLockAsked = explicit.retention !== null || explicit.legalHold !== null
  if (bucket.objectLock === null && isLockAsked) return { kind: 'bucketLockMissing' }
  const stamp = lockOnCreate(createRequest(bucket, now, { key, explicit }))
  if (stamp.kind === 'deny') return { kind: 'denied', verdict: stamp }
  const isByPeriod = explicit.retention === null && stamp.retention !== null
  return isByPeriod && refusesPeriodLocks(now) ? { kind: 'clockSuspect' } : { kind: 'stamp', stamp }
}

async function transactPut(
  context: VersionContext,
  actor: Actor,
  input: PutVersion,
): Promise<PutVersionResult> {
  const suffix = newVersionSuffix()
  const subject = { actor, bucket: input.bucket, key: input.key }
  const attempted = await refuseOverQuota(context, subject, () =>
    context.kv.transact((transaction) => attemptPut({ context, actor, input, suffix }, transaction)),
  )
  if ('kind' in attempted) return attempted
  const { answer, refusal } = attempted
  if (refusal !== null) await context.denials.record(refusal)
  return answer
}

type Put = {
  readonly context: VersionContext
  readonly actor: Actor
  readonly input: PutVersion
  readonly suffix: string
}

async function attemptPut(put: Put, transaction: KeyValueTransaction): Promise<Attempt> {
  const { context, actor, input, suffix } = put
  const scenes = new Scenes(transaction, context, actor)
  const [opened, source] = await Promise.all([
    scenes.open(input.bucket, (bucket) => readPlaceIn(transaction, bucket, input.key)),
    judgeSource(transaction, input),
  ])
  if (opened === null) return answered({ kind: 'noSuchBucket' })
  const { scene, found: place } = opened
  const subject = { actor, bucket: input.bucket, key: input.key }
  const lock = lockOfNewVersion(scene, input.key, input.lock)
  if (lock.kind === 'bucketLockMissing') return answered(lock)
  const failed = judgePrecondition(place, input.precondition)
  if (failed !== null) return answered(failed)
  if (lock.kind === 'denied') return refused(subject, scene.now, lock.verdict, null)
  if (lock.kind === 'clockSuspect') return clockRefusal(subject, scene.now)
  if (source === 'gone') return answered({ kind: 'sourceGone' })
  if (source instanceof QuarantinedError) throw source
  const makeObject = (versionId: VersionId) => objectData(transaction, input, versionId)
  const written = await writeVersion(scene, place, { suffix, lock: lock.stamp, makeObject })
  if (written.kind === 'denied') return refused(subject, scene.now, written.verdict, written.version)
  const { version, replaced } = written
  appendAudit(transaction, putRecord({ subject, scene, input, version, replaced }))
  return answered({ kind: 'put', version, bucket: scene.bucket })
}

type Written = {
  readonly subject: Subject
  readonly scene: Scene
  readonly input: PutVersion
  readonly version: VersionRecord
  readonly replaced: VersionRecord | null
}

function putRecord({ subject, scene, input, version, replaced }: Written): AuditFields {
  const { versionId, change, lock, object } = version
  const sha256 = input.content.kind === 'staged' ? { sha256: input.content.body.sha256 } : {}
  const before = replaced === null ? {} : { lockBefore: replaced.lock }
  const detail = replaced === null ? {} : { detail: { replacedVersionId: replaced.versionId } }
  return auditFields(subject, scene.now, {
    verdict: { kind: 'allow', rule: noRuleDenies },
    versionId,
    change,
    ...sha256,
    sizeBytes: object?.sizeBytes ?? 0,
    ...before,
    lockAfter: lock,
    ...detail,
  })
}

function objectData(transaction: KeyValueTransaction, input: PutVersion, versionId: VersionId): ObjectData {
  const { headers, userMetadata, tags, checksum } = input.description
  const described = { headers, userMetadata, tags, checksum }
  if (input.content.kind === 'staged') {
    const { body, etag } = input.content
    const content = attachStaged(transaction, body, versionId)
    return { ...described, content, sizeBytes: body.sizeBytes, etag, partCount: null }
  }
  const { object } = input.content.source
  assert(object !== null, 'a delete marker is no source of a copy')
  attachShared(transaction, object.content, versionId)
  const { content, sizeBytes, etag, partCount } = object
  return { ...described, content, sizeBytes, etag, partCount }
}

/**
 * A source that went since it was read has given its bytes back: they may be gone at any moment. Of bytes that are known to
 * be damaged there is no copy: whoever asks for one wants to save them.
 */
async function judgeSource(
  transaction: KeyValueTransaction,
  input: PutVersion,
): Promise<'there' | 'gone' | QuarantinedError> {
  if (input.content.kind === 'staged') return 'there'
  const { source } = input.content
  const listId = source.object?.content.listId ?? ''
  const row = versionKey(source.bucketId, source.key, source.order, source.versionId)
  const [value, damage] = await Promise.all([transaction.get(row), quarantineOf(transaction, listId)])
  if (value === null) return 'gone'
  assert(decodeVersion(row, value).object?.content.listId === listId, 'a version keeps its content')
  return damage ?? 'there'
}

function createRequest(
  bucket: BucketRecord,
  now: TrustedNow,
  { key, explicit }: { readonly key: string; readonly explicit: ExplicitLock },
): CreateRequest {
  return {
    requestMs: now.requestMs,
    key,
    explicitRetention: explicit.retention,
    explicitLegalHold: explicit.legalHold,
    bucketLock: bucket.objectLock?.status ?? null,
    bucket: bucket.objectLock?.retention ?? { defaultRetention: null, prefixRules: [] },
    bounds: bucket.policy?.bounds ?? { minimum: null, maximum: null },
    policyMode: bucket.policy?.mode ?? null,
  }
}

function answered(answer: PutVersionResult): Attempt {
  return { answer, refusal: null }
}

function refused(subject: Subject, now: TrustedNow, verdict: Denial, version: VersionRecord | null): Attempt {
  const facts = version === null ? {} : versionFacts(version)
  return { answer: { kind: 'denied', verdict }, refusal: auditFields(subject, now, { verdict, ...facts }) }
}
