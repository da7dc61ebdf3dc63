/** The interface Uploads, put together from its parts; beginning, reading and ending an upload. */
import { limits } from '../lib/limits.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditDetail, AuditFields } from './audit-record.ts'
import type { Bodies } from './bodies/contract.ts'
import { decodePart, encodeUpload } from './codec.ts'
import { completeUpload } from './complete-upload.ts'
import { auditFields, clockRefusal, denyIfUnreadable, type StoreContext } from './decision.ts'
import { putGarbage } from './garbage-rows.ts'
import { partKey, statKey, uploadKey } from './keys.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import { listUploads } from './list-uploads.ts'
import { putPart } from './put-part.ts'
import { lockOfNewVersion } from './put-version.ts'
import type { UploadRecord } from './records.ts'
import type { Actor } from './requests.ts'
import type { Uploads } from './store.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { dropUpload, findUpload, newUploadId, type UploadAddress } from './upload-rows.ts'
import { openScene, type Scene } from './version-rows.ts'

type Answer<Name extends 'create' | 'abort' | 'listParts'> = Awaited<ReturnType<Uploads[Name]>>
type CreateInput = Parameters<Uploads['create']>[1]

export function createUploads(context: StoreContext & { readonly bodies: Bodies }): Uploads {
  return {
    create: (actor, input) => createUpload(context, actor, input),
    async read(bucket, key, uploadId) {
      const found = await context.kv.snapshot((reader) => findUpload(reader, { bucket, key, uploadId }))
      if (found.kind === 'found') return { kind: 'found', upload: found.upload }
      return found.kind === 'noSuchBucket' ? found : { kind: 'noSuchUpload' }
    },
    putPart: (actor, input) => putPart(context, actor, input),
    listParts: (input) => listParts(context, input),
    list: (input) => listUploads(context.kv, input),
    complete: (actor, input) => completeUpload(context, actor, input),
    abort: (actor, input) => abortUpload(context, actor, input),
  }
}

function createUpload(context: StoreContext, actor: Actor, input: CreateInput): Promise<Answer<'create'>> {
  const subject = { actor, bucket: input.bucket, key: input.key }
  return denyIfUnreadable(context, { ...subject, versionId: null }, async () => {
    const { answer, refusal } = await context.kv.transact(async (transaction): Promise<Attempt> => {
      const scene = await openScene(transaction, context.clock, { bucket: input.bucket, actor })
      if (scene === null) return { answer: { kind: 'noSuchBucket' }, refusal: null }
      const lock = lockOfNewVersion(scene, input.key, input.lock)
      switch (lock.kind) {
        case 'bucketLockMissing':
          return { answer: lock, refusal: null }
        case 'clockSuspect':
          return clockRefusal(subject, scene.now)
        case 'denied':
          return { answer: lock, refusal: auditFields(subject, scene.now, { verdict: lock.verdict }) }
        case 'stamp': {
          const uploadId = newUploadId(scene.now)
          const upload = uploadRecord(scene, input, uploadId)
          transaction.put(uploadKey(scene.bucket.id, input.key, uploadId), encodeUpload(upload))
          transaction.add(statKey(scene.bucket.id, 'uploadCount'), 1)
          const verdict = { kind: 'allow', rule: noRuleDenies } as const
          appendAudit(transaction, auditFields(subject, scene.now, { verdict, detail: { uploadId } }))
          return { answer: { kind: 'created', upload }, refusal: null }
        }
      }
    })
    if (refusal !== null) await context.denials.record(refusal)
    return answer
  })
}

type Attempt = { readonly answer: Answer<'create'>; readonly refusal: AuditFields | null }

function uploadRecord(scene: Scene, input: CreateInput, uploadId: string): UploadRecord {
  const { bucket, now } = scene
  return {
    uploadId,
    bucketId: bucket.id,
    key: input.key,
    initiatedMs: now.wallMs,
    accountId: bucket.accountId,
    headers: input.headers,
    userMetadata: input.userMetadata,
    tags: input.tags,
    explicitRetention: input.lock.retention,
    explicitLegalHold: input.lock.legalHold,
    // A frozen bucket stamps nothing: its rule counts for nothing at Complete either.
    bucketRetentionAtCreate: bucket.objectLock?.status === 'Enabled' ? bucket.objectLock.retention : null,
    checksumAlgorithm: input.checksumAlgorithm,
    checksumType: input.checksumType,
  }
}

function listParts(
  context: StoreContext,
  input: Parameters<Uploads['listParts']>[0],
): Promise<Answer<'listParts'>> {
  const { uploadId, afterPartNumber } = input
  const limit = Math.max(0, Math.min(input.limit, limits.listKeysMax))
  return context.kv.snapshot(async (reader) => {
    const found = await findUpload(reader, input)
    if (found.kind === 'noSuchBucket') return found
    if (found.kind === 'noSuchUpload') return { kind: 'noSuchUpload' }
    // Clients choose the marker: any number beyond the last part ends the listing.
    const first = Math.min(Math.max(0, afterPartNumber), limits.partNumberMax) + 1
    const to = partKey(uploadId, limits.partNumberMax + 1)
    const rows =
      first > limits.partNumberMax
        ? []
        : await reader.range({ from: partKey(uploadId, first), to, limit: limit + 1 })
    const parts = rows.slice(0, limit).map(({ key, value }) => decodePart(key, value))
    return { kind: 'page', upload: found.upload, parts, isTruncated: rows.length > limit }
  })
}

/** An abort that was planned on what was read before: it is done only while `holds`, asked in its transaction. */
export type PlannedAbort = {
  readonly address: UploadAddress
  readonly holds: (scene: Scene, upload: UploadRecord) => boolean
  /** Into the audit record. */
  readonly detail: AuditDetail
}

/** `unmet`: it did not hold any more, or there was nothing to abort. Errors: those of `transact`, CorruptRecordError. */
export async function abortPlanned(
  context: StoreContext,
  actor: Actor,
  plan: PlannedAbort,
): Promise<'done' | 'unmet'> {
  const { kind } = await abortWhere(context, actor, plan)
  return kind === 'aborted' ? 'done' : 'unmet'
}

function abortUpload(context: StoreContext, actor: Actor, address: UploadAddress): Promise<Answer<'abort'>> {
  return abortWhere(context, actor, { address, holds: () => true, detail: {} })
}

async function abortWhere(
  context: StoreContext,
  actor: Actor,
  { address, holds, detail: planned }: PlannedAbort,
): Promise<Answer<'abort'>> {
  return context.kv.transact(async (transaction) => {
    const [found, now] = await Promise.all([
      findUpload(transaction, address, actor),
      readTrustedNow(transaction, context.clock),
    ])
    if (found.kind === 'noSuchBucket') return found
    if (found.kind === 'noSuchUpload') return { kind: 'noSuchUpload' }
    if (!holds({ transaction, bucket: found.bucket, now }, found.upload)) return { kind: 'noSuchUpload' }
    const { bucket, key, uploadId } = address
    endUpload(transaction, found.upload)
    const verdict = { kind: 'allow', rule: noRuleDenies } as const
    const detail = { ...planned, uploadId }
    appendAudit(transaction, auditFields({ actor, bucket, key }, now, { verdict, detail }))
    return { kind: 'aborted' }
  })
}

/** Parts were never protected: all their bodies are garbage. */
function endUpload(transaction: KeyValueTransaction, upload: UploadRecord): void {
  dropUpload(transaction, upload)
  putGarbage(transaction, upload.uploadId, { kind: 'upload', keptParts: '' })
}
