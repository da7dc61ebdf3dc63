/**
 * CompleteMultipartUpload copies no byte: the bodies of the parts become a list, and the list the content of a new
 * version. The part rows are read before the transaction, a page at a time; the transaction checks that none has
 * changed since (every UploadPart counts, in a row of its own) and writes list, version and the end of the upload
 * together: 10,000 parts are 20 chunks of some 60 KiB. What is left, the part rows and the bodies that the client did
 * not name, is garbage.
 */
import { hash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { assert } from '../lib/assert.ts'
import { concatBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import { earlierOf } from '../lib/units.ts'
import { type LockStamp, multipartLock } from '../lock/create.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditFields } from './audit-record.ts'
import { decodePart, decodeVersion } from './codec.ts'
import { putCompleted, readCompleted } from './completed-uploads.ts'
import { attachParts } from './content.ts'
import { uploadCreatedMs } from './creation.ts'
import {
  auditFields,
  clockRefusal,
  denyIfUnreadable,
  type StoreContext,
  type Subject,
  versionFacts,
} from './decision.ts'
import { encodeParts, putGarbage } from './garbage-rows.ts'
import type { Denial } from './gate.ts'
import { partKey, versionKey } from './keys.ts'
import { type KeyValueTransaction, TransactionConflictError } from './kv/contract.ts'
import { parseCounter } from './kv/counter.ts'
import { refuseOverQuota } from './quota.ts'
import type {
  BucketRecord,
  ObjectData,
  PartRecord,
  UploadRecord,
  VersionId,
  VersionRecord,
} from './records.ts'
import type { Actor, CompletePart } from './requests.ts'
import type { Uploads } from './store.ts'
import { changeCounterKey, dropUpload, findUpload, isUploadId, readUpload } from './upload-rows.ts'
import { newVersionSuffix, orderOfVersionId } from './version-id.ts'
import { openScene, readBucket, readPlace, type Scene } from './version-rows.ts'
import { judgePrecondition, refusesPeriodLocks, writeVersion } from './write-version.ts'

type CompleteInput = Parameters<Uploads['complete']>[1]
type CompleteResult = Awaited<ReturnType<Uploads['complete']>>
type Complete = {
  readonly context: StoreContext
  readonly actor: Actor
  readonly input: CompleteInput
  /** The random part of the version's id, chosen once. */
  readonly suffix: string
}

/** The named parts as they were while the counter had this value. */
type Gathered = {
  readonly kind: 'gathered'
  readonly changeCount: number
  readonly parts: readonly PartRecord[]
}
type Attempt =
  | { readonly kind: 'answer'; readonly answer: CompleteResult; readonly refusal: AuditFields | null }
  /** Parts or upload changed since they were read: nothing was written. */
  | { readonly kind: 'changed' }

/** Errors: those of `transact`; TransactionConflictError also when parts keep changing. */
export async function completeUpload(
  context: StoreContext,
  actor: Actor,
  input: CompleteInput,
): Promise<CompleteResult> {
  assertAscending(input.parts)
  const subject = { actor, bucket: input.bucket, key: input.key, versionId: null }
  const suffix = newVersionSuffix()
  const complete = () => completeUnlessChanging({ context, actor, input, suffix })
  return denyIfUnreadable(context, subject, () => refuseOverQuota(context, subject, complete))
}

async function completeUnlessChanging(complete: Complete): Promise<CompleteResult> {
  for (let attempt = 0; attempt < limits.completeAttemptsMax; attempt += 1) {
    const result = await attemptComplete(complete)
    if (result.kind === 'changed') continue
    if (result.refusal !== null) await complete.context.denials.record(result.refusal)
    return result.answer
  }
  throw new TransactionConflictError('the parts keep changing while the upload is completed')
}

async function attemptComplete(complete: Complete): Promise<Attempt> {
  const { context, actor, input } = complete
  const found = await context.kv.snapshot((reader) => findUpload(reader, input, actor))
  if (found.kind === 'noSuchBucket') return answered(found)
  if (found.kind === 'noSuchUpload') return answered(await answerAgain(context, found.bucket, input))
  const gathered = await gatherParts(context, input)
  // The parts of an upload that was ended meanwhile are gone: whether by a Complete, the next attempt answers.
  if (gathered.kind === 'invalidPart' && (await isOver(complete))) return { kind: 'changed' }
  if (gathered.kind !== 'gathered') return answered(gathered)
  return context.kv.transact((transaction) => writeComplete(complete, gathered, transaction))
}

async function isOver({ context, actor, input }: Complete): Promise<boolean> {
  const found = await context.kv.snapshot((reader) => findUpload(reader, input, actor))
  return found.kind !== 'found'
}

/** The counter first: a part that changes after it is read makes the counter differ at commit. */
async function gatherParts({ kv }: StoreContext, input: CompleteInput): Promise<Gathered | CompleteResult> {
  const { uploadId } = input
  const changeCount = parseCounter(await kv.get(changeCounterKey(uploadId)))
  const parts: PartRecord[] = []
  for (let index = 0; index < input.parts.length; index += limits.partsPageMax) {
    const named = input.parts.slice(index, index + limits.partsPageMax)
    const rowKeys = named.map(({ partNumber }) => partKey(uploadId, partNumber))
    const rows = await kv.getMany(rowKeys)
    for (const [place, wanted] of named.entries()) {
      const row = rows[place] ?? null
      const part = row === null ? null : decodePart(rowKeys[place] as Uint8Array, row)
      if (part === null || !isNamed(part, wanted))
        return { kind: 'invalidPart', partNumber: wanted.partNumber }
      parts.push(part)
    }
    // Other requests have their turn between the pages.
    await nextTurn()
  }
  const small = parts.slice(0, -1).find(({ sizeBytes }) => sizeBytes < limits.partBytesMin)
  if (small !== undefined) {
    const { partNumber, sizeBytes, etag } = small
    return { kind: 'partTooSmall', partNumber, sizeBytes, etag }
  }
  const sizeBytes = totalBytes(parts)
  if (sizeBytes > limits.objectBytesMax) return { kind: 'objectTooLarge', sizeBytes }
  return { kind: 'gathered', changeCount, parts }
}

async function writeComplete(
  { context, actor, input, suffix }: Complete,
  { changeCount, parts }: Gathered,
  transaction: KeyValueTransaction,
): Promise<Attempt> {
  const { uploadId, key } = input
  const scene = await openScene(transaction, context.clock, { bucket: input.bucket, actor })
  if (scene === null) return answered({ kind: 'noSuchBucket' })
  const [upload, counter, place] = await Promise.all([
    readUpload(transaction, scene.bucket.id, input),
    transaction.get(changeCounterKey(uploadId)),
    readPlace(scene, key),
  ])
  if (upload === null || parseCounter(counter) !== changeCount) return { kind: 'changed' }
  const failed = judgePrecondition(place, input.precondition)
  if (failed !== null) return answered(failed)
  const subject = { actor, bucket: input.bucket, key }
  const lock = lockOf(upload, scene)
  if (lock.kind === 'deny') return refused(subject, scene, { verdict: lock, version: null })
  if (upload.explicitRetention === null && lock.retention !== null && refusesPeriodLocks(scene.now))
    return { kind: 'answer', ...clockRefusal(subject, scene.now) }
  const makeObject = (versionId: VersionId) => objectData({ transaction, upload, parts, input }, versionId)
  const written = await writeVersion(scene, place, { suffix, lock, makeObject })
  if (written.kind === 'denied') return refused(subject, scene, written)
  endUpload(transaction, { upload, parts, scene, version: written.version })
  appendAudit(transaction, completeRecord(subject, scene, { ...written, uploadId }))
  return answered({ kind: 'completed', version: written.version, bucket: scene.bucket })
}

/** What Create was given or met, and what is met now, whichever is stronger. */
function lockOf(upload: UploadRecord, { bucket, now }: Scene): LockStamp | Denial {
  const none = { defaultRetention: null, prefixRules: [] }
  const atCreate = upload.bucketRetentionAtCreate
  return multipartLock({
    requestMs: now.requestMs,
    key: upload.key,
    explicitRetention: upload.explicitRetention,
    explicitLegalHold: upload.explicitLegalHold,
    atCreate: { bucketLock: atCreate === null ? null : 'Enabled', bucket: atCreate ?? none },
    // Not after now: an upload of a time to come is judged like a request of now.
    createMs: earlierOf(uploadCreatedMs(upload), now.requestMs),
    atComplete: {
      bucketLock: bucket.objectLock?.status ?? null,
      bucket: bucket.objectLock?.retention ?? none,
    },
    minimum: bucket.policy?.bounds.minimum ?? null,
    policyMode: bucket.policy?.mode ?? null,
  })
}

type Assembly = {
  readonly transaction: KeyValueTransaction
  readonly upload: UploadRecord
  readonly parts: readonly PartRecord[]
  readonly input: CompleteInput
}

function objectData({ transaction, upload, parts, input }: Assembly, versionId: VersionId): ObjectData {
  const content = attachParts(transaction, parts, versionId)
  return {
    content,
    sizeBytes: totalBytes(parts),
    etag: multipartEtag(parts),
    headers: upload.headers,
    userMetadata: upload.userMetadata,
    checksum: input.checksum,
    partCount: parts.length,
    tags: upload.tags,
  }
}

type Ending = {
  readonly upload: UploadRecord
  readonly parts: readonly PartRecord[]
  readonly scene: Scene
  readonly version: VersionRecord
}

function endUpload(transaction: KeyValueTransaction, { upload, parts, scene, version }: Ending): void {
  const { uploadId, bucketId, key } = upload
  dropUpload(transaction, upload)
  const keptParts = encodeParts(parts.map(({ partNumber }) => partNumber))
  putGarbage(transaction, uploadId, { kind: 'upload', keptParts })
  const completed = { bucketId, key, versionId: version.versionId }
  putCompleted(transaction, uploadId, { completed, trustedMs: scene.now.trustedMs })
}

function totalBytes(parts: readonly PartRecord[]): number {
  return parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

/** MD5 of the parts' MD5s and the number of parts, without quotes. */
function multipartEtag(parts: readonly { readonly etag: string }[]): string {
  const digests = concatBytes(parts.map(({ etag }) => Buffer.from(etag, 'hex')))
  return `${hash('md5', digests, 'hex')}-${parts.length}`
}

/** The version that an earlier Complete of the same parts made, if it is still there. */
async function answerAgain(
  { kv }: StoreContext,
  bucket: BucketRecord,
  input: CompleteInput,
): Promise<CompleteResult> {
  if (!isUploadId(input.uploadId)) return { kind: 'noSuchUpload' }
  return kv.snapshot(async (reader): Promise<CompleteResult> => {
    const completed = await readCompleted(reader, input.uploadId)
    const isSame = completed !== null && completed.bucketId === bucket.id && completed.key === input.key
    const order = isSame ? orderOfVersionId(completed.versionId) : null
    if (!isSame || order === null) return { kind: 'noSuchUpload' }
    const row = versionKey(bucket.id, input.key, order, completed.versionId)
    const [value, current] = await Promise.all([reader.get(row), readBucket(reader, bucket.name)])
    const version = value === null ? null : decodeVersion(row, value)
    if (version?.object?.etag !== multipartEtag(input.parts)) return { kind: 'noSuchUpload' }
    return { kind: 'completed', version, bucket: current ?? bucket }
  })
}

function isNamed(part: PartRecord, wanted: CompletePart): boolean {
  if (part.etag !== wanted.etag) return false
  if (wanted.checksum === null) return true
  return (
    part.checksum?.algorithm === wanted.checksum.algorithm && part.checksum.value === wanted.checksum.value
  )
}

function assertAscending(parts: readonly CompletePart[]): void {
  assert(
    parts.length >= 1 && parts.length <= limits.partNumberMax,
    'an upload is completed with 1 to 10,000 parts',
  )
  let last = 0
  for (const { partNumber } of parts) {
    assert(partNumber > last, 'parts are named in ascending order')
    last = partNumber
  }
}

function answered(answer: CompleteResult): Attempt {
  return { kind: 'answer', answer, refusal: null }
}

function refused(
  subject: Subject,
  scene: Scene,
  denial: { readonly verdict: Denial; readonly version: VersionRecord | null },
): Attempt {
  const { verdict, version } = denial
  const facts = version === null ? {} : versionFacts(version)
  const refusal = auditFields(subject, scene.now, { verdict, ...facts })
  return { kind: 'answer', answer: { kind: 'denied', verdict }, refusal }
}

type Written = {
  readonly version: VersionRecord
  readonly replaced: VersionRecord | null
  readonly uploadId: string
}

function completeRecord(
  subject: Subject,
  scene: Scene,
  { version, replaced, uploadId }: Written,
): AuditFields {
  const { versionId, change, lock, object } = version
  const before = replaced === null ? {} : { lockBefore: replaced.lock }
  const gone = replaced === null ? {} : { replacedVersionId: replaced.versionId }
  return auditFields(subject, scene.now, {
    verdict: { kind: 'allow', rule: noRuleDenies },
    versionId,
    change,
    sizeBytes: object?.sizeBytes ?? 0,
    ...before,
    lockAfter: lock,
    detail: { uploadId, partCount: object?.partCount ?? 0, ...gone },
  })
}
