/**
 * Records as rows (row-codec.ts), read strictly. A record of another shape is a CorruptRecordError; a lock that cannot be
 * understood is `unknown`, which denies everything. There are no defaults: absence is never "no lock".
 */
import { assert } from '../lib/assert.ts'
import { concatBytes, equalBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import { profileNames } from '../lib/profile.ts'
import type {
  BucketRetention,
  LegalHoldStatus,
  ObjectLockState,
  Retention,
  RetentionBounds,
  RetentionPeriod,
} from '../lock/types.ts'
import {
  CorruptRecordError,
  corrupt,
  count,
  type Decode,
  flag,
  instant,
  listOf,
  mapOf,
  matching,
  nullable,
  oneOf,
  orAbsent,
  positive,
  shape,
  text,
} from './fields.ts'
import { bucketKey, parsePartKey, uploadKey, versionKey } from './keys.ts'
import { timedIdPattern } from './random-ids.ts'
import {
  type BucketRecord,
  bucketDocumentKinds,
  type ChecksumAlgorithm,
  type ContentRef,
  type CurrentRecord,
  type ObjectData,
  type PartRecord,
  type UploadRecord,
  type VersionRecord,
} from './records.ts'
import { rowCodec } from './row-codec.ts'
import { remembering } from './row-memo.ts'
import { orderOfVersionId } from './version-id.ts'

const bucketId = matching(/^[0-9a-f]{16}$/)
const accountId = matching(/^[0-9]{12}$/)
const mode = oneOf('GOVERNANCE', 'COMPLIANCE')
const retention = shape({ mode, retainUntilMs: instant })
const legalHold = oneOf('ON', 'OFF')
const strings = mapOf(text)

const period: Decode<RetentionPeriod> = (value, where) => {
  const { unit, count: number } = shape({ unit: oneOf('DAYS', 'YEARS'), count: positive })(value, where)
  const countMax = unit === 'DAYS' ? limits.retentionDaysMax : limits.retentionYearsMax
  return number <= countMax ? { unit, count: number } : corrupt(where, 'a period that S3 allows')
}

export const bucketRetentionShape: Decode<BucketRetention> = shape({
  defaultRetention: nullable(shape({ mode, period })),
  prefixRules: listOf(shape({ prefix: text, period })),
})
const bounds: Decode<RetentionBounds> = shape({ minimum: nullable(period), maximum: nullable(period) })

const bucketShape: Decode<BucketRecord> = shape({
  id: bucketId,
  name: text,
  accountId,
  region: text,
  createdMs: instant,
  createdTrustedMs: orAbsent(nullable(instant), null),
  revision: positive,
  versioning: oneOf('Unversioned', 'Enabled', 'Suspended'),
  objectLock: nullable(shape({ status: oneOf('Enabled', 'Frozen'), retention: bucketRetentionShape })),
  owner: nullable(shape({ clusterId: text, namespace: text, name: text, uid: text })),
  policy: nullable(
    shape({
      namespace: text,
      name: text,
      uid: text,
      generation: count,
      mode,
      bounds,
      floor: nullable(bucketRetentionShape),
    }),
  ),
  profile: oneOf(...profileNames),
  requireChecksum: flag,
  quotaBytes: nullable(count),
  documents: listOf(oneOf(...bucketDocumentKinds)),
})

type LockFields = { readonly retention: Retention | null; readonly legalHold: LegalHoldStatus | null }

/** What is wrong inside a lock makes the lock unknown, not the version unreadable. */
function lockState(row: Uint8Array, value: Uint8Array): ObjectLockState {
  try {
    return { kind: 'known', ...lockCodec.decode(row, value) }
  } catch (error) {
    if (error instanceof CorruptRecordError) return { kind: 'unknown', cause: error.message }
    throw error
  }
}

/** A marker is never locked, so it goes when it is asked to: one with a lock was an object once. */
function ofObject(object: ObjectData | null, lock: ObjectLockState): ObjectLockState {
  if (object !== null || lock.kind === 'unknown') return lock
  if (lock.retention === null && lock.legalHold === null) return lock
  return { kind: 'unknown', cause: 'stored record: version.object is not there although it has a lock' }
}

export const checksumAlgorithm: Decode<ChecksumAlgorithm> = oneOf(
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
)

const checksum = nullable(
  shape({
    algorithm: checksumAlgorithm,
    type: oneOf('FULL_OBJECT', 'COMPOSITE'),
    value: text,
  }),
)

const content: Decode<ContentRef> = shape({
  listId: text,
  bodyCount: count,
  storage: oneOf('inline', 'files'),
})

const objectData: Decode<ObjectData> = shape({
  content,
  sizeBytes: count,
  etag: text,
  headers: strings,
  userMetadata: strings,
  checksum,
  partCount: nullable(positive),
  tags: strings,
})

const versionShape = shape({
  bucketId,
  key: text,
  versionId: text,
  isNull: flag,
  order: count,
  bucketRevision: orAbsent(nullable(positive), null),
  lastModifiedMs: instant,
  accountId,
  change: positive,
  object: nullable(objectData),
})

const currentShape: Decode<CurrentRecord> = shape({
  versionId: text,
  isNull: flag,
  order: count,
  isDeleteMarker: flag,
  lastModifiedMs: instant,
  accountId,
  sizeBytes: count,
  etag: text,
  checksum,
})

const uploadShape: Decode<UploadRecord> = shape({
  uploadId: matching(timedIdPattern),
  bucketId,
  key: text,
  initiatedMs: instant,
  accountId,
  headers: strings,
  userMetadata: strings,
  tags: strings,
  explicitRetention: nullable(retention),
  explicitLegalHold: nullable(legalHold),
  bucketRetentionAtCreate: nullable(bucketRetentionShape),
  checksumAlgorithm: nullable(checksumAlgorithm),
  checksumType: nullable(oneOf('FULL_OBJECT', 'COMPOSITE')),
})

const partShape: Decode<PartRecord> = shape({
  partNumber: positive,
  bodyId: text,
  sizeBytes: count,
  etag: text,
  sha256: text,
  checksum,
  lastModifiedMs: instant,
})

const versionCodec = rowCodec('version', versionShape)
const lockCodec = rowCodec<LockFields>(
  'version.lock',
  shape({ retention: nullable(retention), legalHold: nullable(legalHold) }),
)
/** Between a version and its lock, each sealed for itself; JSON and seals have no such byte. */
const lockSeparator = Uint8Array.of(0x0a)
const bucketCodec = rowCodec('bucket', bucketShape)
const currentCodec = rowCodec('current', currentShape)
const uploadCodec = rowCodec('upload', uploadShape)
const partCodec = rowCodec('part', partShape)

/** Equal records give equal bytes. */
export function encodeBucket(bucket: BucketRecord): Uint8Array {
  return bucketCodec.encode(bucketKey(bucket.name), assertBucket(bucket))
}

/** `row` is the key that the value was found under. Throws CorruptRecordError. */
export const decodeBucket = remembering(
  limits.rememberedBucketsMax,
  (row: Uint8Array, value: Uint8Array): BucketRecord => {
    const bucket = bucketCodec.decode(row, value)
    if (!equalBytes(row, bucketKey(bucket.name))) return corrupt('bucket', 'in its own row')
    return assertBucket(bucket)
  },
)

/** Throws CorruptRecordError for an unknown lock: written again, the damage would look like a record. */
export function encodeVersion(version: VersionRecord): Uint8Array {
  if (version.lock.kind === 'unknown') return corrupt('version.lock', 'known, so it cannot be written')
  const { lock, ...stored } = version
  const row = versionKey(version.bucketId, version.key, version.order, version.versionId)
  const { retention, legalHold } = lock
  const lockBytes = lockCodec.encode(row, { retention, legalHold })
  const value = concatBytes([versionCodec.encode(row, stored), lockSeparator, lockBytes])
  assert(decodeVersion(row, value).lock.kind === 'known', 'a lock is readable as it was written')
  return value
}

/** Throws CorruptRecordError; a lock that alone does not parse is `unknown`. */
export function decodeVersion(row: Uint8Array, value: Uint8Array): VersionRecord {
  const end = value.indexOf(0x0a)
  if (end < 0) return corrupt('version', 'followed by its lock')
  const stored = versionCodec.decode(row, value.subarray(0, end))
  const version = { ...stored, lock: ofObject(stored.object, lockState(row, value.subarray(end + 1))) }
  const { versionId, order } = version
  if (orderOfVersionId(versionId) !== order) return corrupt('version.versionId', 'made from its order')
  const ownRow = versionKey(version.bucketId, version.key, order, versionId)
  if (!equalBytes(row, ownRow)) return corrupt('version', 'in its own row')
  return version
}

export function encodeCurrent(row: Uint8Array, current: CurrentRecord): Uint8Array {
  return currentCodec.encode(row, current)
}

/** Throws CorruptRecordError. */
export function decodeCurrent(row: Uint8Array, value: Uint8Array): CurrentRecord {
  return currentCodec.decode(row, value)
}

export function encodeUpload(upload: UploadRecord): Uint8Array {
  return uploadCodec.encode(uploadKey(upload.bucketId, upload.key, upload.uploadId), upload)
}

/** Throws CorruptRecordError. */
export function decodeUpload(row: Uint8Array, value: Uint8Array): UploadRecord {
  const upload = uploadCodec.decode(row, value)
  const ownRow = uploadKey(upload.bucketId, upload.key, upload.uploadId)
  if (!equalBytes(row, ownRow)) return corrupt('upload', 'in its own row')
  return upload
}

export function encodePart(row: Uint8Array, part: PartRecord): Uint8Array {
  return partCodec.encode(row, part)
}

/** `row` is the key that the value was found under. Throws CorruptRecordError. */
export function decodePart(row: Uint8Array, value: Uint8Array): PartRecord {
  const part = partCodec.decode(row, value)
  if (parsePartKey(row).partNumber !== part.partNumber) return corrupt('part', 'in its own row')
  return part
}

/** Object Lock without versioning, or a floor that the default rule is below, is no state of ours. */
function assertBucket(bucket: BucketRecord): BucketRecord {
  const { objectLock, versioning, policy, documents } = bucket
  const isOrdered = documents.every((kind, index) => index === 0 || (documents[index - 1] ?? kind) < kind)
  if (!isOrdered) return corrupt('bucket.documents', 'in byte order, each once')
  if (objectLock !== null && versioning !== 'Enabled')
    return corrupt('bucket.versioning', 'Enabled under Object Lock')
  if (policy !== null && objectLock === null) return corrupt('bucket.objectLock', 'there under a policy')
  if (policy !== null && policy.mode === 'COMPLIANCE' && policy.floor === null) {
    return corrupt('bucket.policy.floor', 'there under a COMPLIANCE policy')
  }
  return bucket
}
