/**
 * What lies in the store, as types. `codec.ts` turns each into bytes and back, strictly: a record that does not parse is
 * an error or, for a lock, `unknown`; never a default.
 */
import type { ProfileName } from '../lib/profile.ts'
import type { EpochMs } from '../lib/units.ts'
import type {
  BucketLockStatus,
  BucketRetention,
  LegalHoldStatus,
  ObjectLockState,
  Retention,
  RetentionBounds,
  RetentionMode,
} from '../lock/types.ts'

/** 16 hex digits: eight bytes chosen at creation, so that a re-created bucket inherits nothing. */
export type BucketId = string
/** Letters and digits; carries the version's order, so that it finds its row without an index. */
export type VersionId = string

export type VersioningStatus = 'Unversioned' | 'Enabled' | 'Suspended'

/** The LockedBucket that manages a bucket. `uid` is informative: re-adoption goes by the first three. */
export type BucketOwner = {
  readonly clusterId: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** The RetentionPolicy behind a managed bucket, as the server enforces it. */
export type BucketPolicy = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly generation: number
  readonly mode: RetentionMode
  readonly bounds: RetentionBounds
  /** COMPLIANCE only: what no PutObjectLockConfiguration and no apply may go below. */
  readonly floor: BucketRetention | null
}

export type BucketRecord = {
  readonly id: BucketId
  readonly name: string
  readonly accountId: string
  readonly region: string
  readonly createdMs: EpochMs
  /** By trusted time. null: created by a release that noted none. */
  readonly createdTrustedMs: EpochMs | null
  /** Counts the changes of this record, from 1. */
  readonly revision: number
  readonly versioning: VersioningStatus
  readonly objectLock: { readonly status: BucketLockStatus; readonly retention: BucketRetention } | null
  readonly owner: BucketOwner | null
  readonly policy: BucketPolicy | null
  readonly profile: ProfileName
  readonly requireChecksum: boolean
  /** The sum of all versions' sizes may not be more; null: no quota. */
  readonly quotaBytes: number | null
  /** Which of its documents are there, in byte order: who needs none of them reads none. */
  readonly documents: readonly BucketDocumentKind[]
}

/** A bucket's own documents, each a row of its own. */
export const bucketDocumentKinds = ['cors', 'lifecycle', 'policy', 'tagging'] as const
export type BucketDocumentKind = (typeof bucketDocumentKinds)[number]

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'
export type ObjectChecksum = {
  readonly algorithm: ChecksumAlgorithm
  readonly type: 'FULL_OBJECT' | 'COMPOSITE'
  /** Base64; composite values carry `-<parts>`. */
  readonly value: string
}

/** Headers that S3 stores and returns, lower case: content-type, cache-control, content-encoding, … */
export type StoredHeaders = Readonly<Record<string, string>>

/** Which immutable list of bodies holds the bytes. `inline`: the list is one body inside its own row. */
export type ContentRef = {
  readonly listId: string
  readonly bodyCount: number
  readonly storage: 'inline' | 'files'
}

/** One of the bodies of an object; `checksum` is of the part that it was. */
export type ObjectPart = { readonly sizeBytes: number; readonly checksum: ObjectChecksum | null }

export type ObjectData = {
  readonly content: ContentRef
  readonly sizeBytes: number
  /** Without quotes; multipart: `<md5 of md5s>-<parts>`. */
  readonly etag: string
  readonly headers: StoredHeaders
  /** Without the `x-amz-meta-` prefix, lower-case names. */
  readonly userMetadata: Readonly<Record<string, string>>
  readonly checksum: ObjectChecksum | null
  /** Multipart: number of parts, for `?partNumber=` and x-amz-mp-parts-count. */
  readonly partCount: number | null
  readonly tags: Readonly<Record<string, string>>
}

export type VersionRecord = {
  readonly bucketId: BucketId
  readonly key: string
  readonly versionId: VersionId
  /** True: clients see it as version id `null`. */
  readonly isNull: boolean
  /** Microseconds of max(trusted, wall), greater than every older version's of the key. */
  readonly order: number
  /** The bucket's when the version was made: before or after one of its changes, whatever clocks say. null: written by a release that noted none. */
  readonly bucketRevision: number | null
  readonly lastModifiedMs: EpochMs
  readonly accountId: string
  /** Counts the changes of this version's lock and tags, from 1; in the audit record. */
  readonly change: number
  readonly lock: ObjectLockState
  /** null: a delete marker. */
  readonly object: ObjectData | null
}

/** All that a listing prints of the newest version of a key. */
export type CurrentRecord = {
  readonly versionId: VersionId
  readonly isNull: boolean
  readonly order: number
  readonly isDeleteMarker: boolean
  readonly lastModifiedMs: EpochMs
  readonly accountId: string
  readonly sizeBytes: number
  readonly etag: string
  readonly checksum: ObjectChecksum | null
}

export type UploadRecord = {
  readonly uploadId: string
  readonly bucketId: BucketId
  readonly key: string
  readonly initiatedMs: EpochMs
  readonly accountId: string
  readonly headers: StoredHeaders
  readonly userMetadata: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  readonly explicitRetention: Retention | null
  readonly explicitLegalHold: LegalHoldStatus | null
  /** The bucket's rule when the upload began: Complete takes the stronger of it and the rule then. */
  readonly bucketRetentionAtCreate: BucketRetention | null
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | null
}

export type PartRecord = {
  readonly partNumber: number
  readonly bodyId: string
  readonly sizeBytes: number
  /** Hex MD5 of the part. */
  readonly etag: string
  readonly sha256: string
  readonly checksum: ObjectChecksum | null
  readonly lastModifiedMs: EpochMs
}

/** Counters of a bucket, exact at every commit. */
export type BucketStat = {
  readonly versionCount: number
  readonly deleteMarkerCount: number
  readonly sizeBytes: number
  readonly legalHoldCount: number
  readonly uploadCount: number
}
