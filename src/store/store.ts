/**
 * The store: the one gate. Whatever removes or replaces bytes, or changes a lock, is a function below; each takes its
 * verdict from `src/lock` inside the transaction of its write and appends the decision to the audit log in it.
 * Expected refusals are values; a thrown error is a bug, a failed disk or an overload (see kv/contract.ts).
 */
import type { EpochMs } from '../lib/units.ts'
import type {
  BucketRetention,
  DefaultRetention,
  LegalHoldStatus,
  Retention,
  RetentionBounds,
  RetentionMode,
  Verdict,
} from '../lock/types.ts'
import type {
  BucketOwner,
  BucketRecord,
  BucketStat,
  ChecksumAlgorithm,
  CurrentRecord,
  ObjectChecksum,
  PartRecord,
  StoredHeaders,
  UploadRecord,
  VersioningStatus,
  VersionRecord,
} from './records.ts'

/** Who asks, for the audit log. Never carries a secret. */
export type Actor = {
  readonly accessKeyId: string
  readonly accountId: string
  readonly requestId: string
  /** The S3 or admin operation's name. */
  readonly operation: string
}

export type TrustedNow = {
  /** Judges expiry. */
  readonly trustedMs: EpochMs
  readonly wallMs: EpochMs
  /** max(trusted, wall): stamps new locks, judges "must be in the future". */
  readonly requestMs: EpochMs
  readonly suspect: boolean
}

export type Denied = { readonly kind: 'denied'; readonly verdict: Extract<Verdict, { kind: 'deny' }> }
type NoSuchBucket = { readonly kind: 'noSuchBucket' }
type NoSuchKey = { readonly kind: 'noSuchKey' }
type NoSuchVersion = { readonly kind: 'noSuchVersion' }
/** While the clock is suspect and wall is far ahead, locks by period are refused (DESIGN 7). */
type ClockSuspect = { readonly kind: 'clockSuspect'; readonly trustedMs: EpochMs; readonly wallMs: EpochMs }
/** The bucket has no Object Lock but the request needs it. */
type BucketLockMissing = { readonly kind: 'bucketLockMissing' }

/** Bytes that are durable in a stage or in memory, not yet part of any version. Discard or hand to a write. */
export type StagedBody = {
  readonly bodyId: string
  readonly sizeBytes: number
  /** Hex. */
  readonly md5: string
  /** Hex. */
  readonly sha256: string
  /** CRC32C of each 64 KiB block, as unsigned 32-bit numbers. */
  readonly blockCrcs: Uint32Array
  /** The bytes, if they are few enough to lie in the KV. */
  readonly inline: Uint8Array | null
}

export type Precondition = { readonly ifMatch: string | null; readonly ifNoneMatch: '*' | null }

export type ExplicitLock = {
  readonly retention: Retention | null
  readonly legalHold: LegalHoldStatus | null
}

export type ObjectDescription = {
  readonly headers: StoredHeaders
  readonly userMetadata: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  readonly checksum: ObjectChecksum | null
}

export type PutVersion = {
  readonly bucket: string
  readonly key: string
  /** `shared`: the bytes of an existing version (CopyObject); re-read and referenced in the transaction. */
  readonly content:
    | { readonly kind: 'staged'; readonly body: StagedBody; readonly etag: string }
    | { readonly kind: 'shared'; readonly source: VersionRecord }
  readonly description: ObjectDescription
  readonly lock: ExplicitLock
  readonly precondition: Precondition
}

export type PutVersionResult =
  | { readonly kind: 'put'; readonly version: VersionRecord; readonly bucket: BucketRecord }
  | NoSuchBucket
  | BucketLockMissing
  | Denied
  | ClockSuspect
  | { readonly kind: 'preconditionFailed' }
  | { readonly kind: 'noSuchKey' }
  | { readonly kind: 'sourceGone' }

/** `versionId: null` asks for the current version; the string 'null' for the null version. */
export type VersionAddress = { readonly bucket: string; readonly key: string; readonly versionId: string | null }

export type ReadVersionResult =
  | { readonly kind: 'found'; readonly version: VersionRecord; readonly bucket: BucketRecord; readonly isCurrent: boolean }
  | NoSuchBucket
  | NoSuchKey
  | NoSuchVersion

export type DeleteObject = VersionAddress & { readonly bypassGovernance: boolean }
export type DeleteObjectResult =
  /** `version: null`: nothing was there, or (unversioned bucket) the key is gone. */
  | {
      readonly kind: 'deleted'
      readonly versionId: string | null
      readonly isDeleteMarker: boolean
    }
  | NoSuchBucket
  | Denied

export type ChangeLockResult =
  | { readonly kind: 'changed'; readonly version: VersionRecord }
  | NoSuchBucket
  | NoSuchKey
  | NoSuchVersion
  | BucketLockMissing
  | { readonly kind: 'isDeleteMarker'; readonly isCurrent: boolean }
  | Denied

export type ListPage = {
  readonly prefix: string
  /** Empty: no grouping. */
  readonly delimiter: string
  readonly maxKeys: number
}
export type ListCurrent = ListPage & {
  readonly bucket: string
  /** Exclusive: a key, or a common prefix which is then skipped whole. */
  readonly after: string | null
}
export type ListCurrentResult =
  | {
      readonly kind: 'page'
      readonly objects: readonly { readonly key: string; readonly current: CurrentRecord }[]
      readonly commonPrefixes: readonly string[]
      readonly isTruncated: boolean
      /** The last key or common prefix of this page: the next `after`. */
      readonly last: string | null
    }
  | NoSuchBucket
export type ListVersions = ListPage & {
  readonly bucket: string
  readonly keyMarker: string | null
  /** A version id as clients see it ('null' included); only with keyMarker. */
  readonly versionIdMarker: string | null
}
export type ListVersionsResult =
  | {
      readonly kind: 'page'
      readonly versions: readonly { readonly version: VersionRecord; readonly isLatest: boolean }[]
      readonly commonPrefixes: readonly string[]
      readonly isTruncated: boolean
      readonly nextKeyMarker: string | null
      readonly nextVersionIdMarker: string | null
    }
  | NoSuchBucket

/** One atomic create, adoption or change of policy: no version is ever written in between. */
export type ApplyBucket = {
  readonly epoch: number
  readonly name: string
  readonly region: string
  readonly accountNamespace: { readonly clusterId: string; readonly namespace: string }
  readonly owner: BucketOwner
  readonly adoptionPolicy: 'Never' | 'IfUnowned'
  readonly policy: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly generation: number
    readonly defaultRetention: DefaultRetention
    readonly prefixRules: BucketRetention['prefixRules']
    readonly bounds: RetentionBounds
  }
}
export type ApplyBucketResult =
  | { readonly kind: 'applied'; readonly change: 'created' | 'adopted' | 'updated' | 'unchanged'; readonly bucket: BucketRecord }
  | { readonly kind: 'nameConflict'; readonly owner: BucketOwner | null }
  /** The stored floor or lock is stronger; nothing changed. `aspects` says what would weaken, for people. */
  | { readonly kind: 'wouldShorten'; readonly bucket: BucketRecord; readonly aspects: readonly string[] }
  | { readonly kind: 'staleEpoch'; readonly epoch: number }

export type BucketFacts = {
  readonly bucket: BucketRecord
  readonly stat: BucketStat
  /** Versions with an active retention or hold now. */
  readonly lockedVersionCount: number
  /** The latest retainUntil of any version; null: none active. */
  readonly lockedUntilMs: EpochMs | null
  readonly now: TrustedNow
}

export interface Buckets {
  read(name: string): Promise<BucketRecord | null>
  /** In byte order of names; `accountId: null` lists all accounts'. */
  list(options: { accountId: string | null; after: string | null; limit: number }): Promise<readonly BucketRecord[]>
  create(
    actor: Actor,
    input: { name: string; accountId: string; region: string; objectLock: 'enabled' | 'none' },
  ): Promise<{ kind: 'created' | 'exists'; bucket: BucketRecord }>
  delete(actor: Actor, name: string): Promise<{ kind: 'deleted' } | NoSuchBucket | { kind: 'notEmpty' } | { kind: 'managed'; owner: BucketOwner }>
  putVersioning(
    actor: Actor,
    name: string,
    status: Exclude<VersioningStatus, 'Unversioned'>,
  ): Promise<{ kind: 'changed'; bucket: BucketRecord } | NoSuchBucket | { kind: 'objectLockPresent' }>
  putObjectLockConfiguration(
    actor: Actor,
    name: string,
    defaultRetention: DefaultRetention | null,
  ): Promise<
    | { kind: 'changed'; bucket: BucketRecord }
    | NoSuchBucket
    | { kind: 'versioningNotEnabled' }
    | { kind: 'belowFloor'; policy: { namespace: string; name: string }; floor: BucketRetention }
  >
  apply(actor: Actor, input: ApplyBucket): Promise<ApplyBucketResult>
  facts(name: string): Promise<BucketFacts | null>
}

export interface Versions {
  put(actor: Actor, input: PutVersion): Promise<PutVersionResult>
  read(address: VersionAddress): Promise<ReadVersionResult>
  /** Without version id: a delete marker (or, unversioned, removal of the null version). Through the gate. */
  delete(actor: Actor, input: DeleteObject): Promise<DeleteObjectResult>
  /** As a fold of `delete`: same effect and answers as one by one (I6); at most limits.deleteObjectsKeysMax. */
  deleteMany(actor: Actor, inputs: readonly DeleteObject[]): Promise<readonly DeleteObjectResult[]>
  /** A bypass that was used is in the audit record. `next: null` is an empty Retention. */
  putRetention(
    actor: Actor,
    input: VersionAddress & { next: Retention | null; bypassGovernance: boolean },
  ): Promise<ChangeLockResult>
  putLegalHold(actor: Actor, input: VersionAddress & { next: LegalHoldStatus }): Promise<ChangeLockResult>
  putTags(actor: Actor, input: VersionAddress & { tags: Readonly<Record<string, string>> }): Promise<ChangeLockResult>
  listCurrent(input: ListCurrent): Promise<ListCurrentResult>
  listVersions(input: ListVersions): Promise<ListVersionsResult>
  /** `endByte` exclusive. Errors: BodyCorruptError, BodyMissingError before the bad block's bytes leave. */
  openBody(version: VersionRecord, range: { startByte: number; endByte: number } | null): AsyncIterable<Uint8Array>
  /** Sizes of the bodies of a multipart object in order, a page at a time (for partNumber reads). */
  bodySizes(version: VersionRecord, afterIndex: number, limit: number): Promise<readonly number[]>
  /** Makes the bytes durable in a stage. Errors: BodyTooLargeError. */
  stage(body: AsyncIterable<Uint8Array>, sizeBytesMax: number): Promise<StagedBody>
  discard(body: StagedBody): Promise<void>
}

export type CompletePart = { readonly partNumber: number; readonly etag: string; readonly checksum: ObjectChecksum | null }

export interface Uploads {
  create(
    actor: Actor,
    input: {
      bucket: string
      key: string
      headers: StoredHeaders
      userMetadata: Readonly<Record<string, string>>
      tags: Readonly<Record<string, string>>
      lock: ExplicitLock
      checksumAlgorithm: ChecksumAlgorithm | null
      checksumType: 'FULL_OBJECT' | 'COMPOSITE' | null
    },
  ): Promise<{ kind: 'created'; upload: UploadRecord } | NoSuchBucket | BucketLockMissing | Denied | ClockSuspect>
  read(bucket: string, key: string, uploadId: string): Promise<{ kind: 'found'; upload: UploadRecord } | NoSuchBucket | { kind: 'noSuchUpload' }>
  /** Replaces a part of the same number; the old body becomes garbage. */
  putPart(
    actor: Actor,
    input: { bucket: string; key: string; uploadId: string; partNumber: number; body: StagedBody; checksum: ObjectChecksum | null },
  ): Promise<{ kind: 'put'; part: PartRecord } | NoSuchBucket | { kind: 'noSuchUpload' }>
  listParts(input: {
    bucket: string
    key: string
    uploadId: string
    afterPartNumber: number
    limit: number
  }): Promise<{ kind: 'page'; upload: UploadRecord; parts: readonly PartRecord[]; isTruncated: boolean } | NoSuchBucket | { kind: 'noSuchUpload' }>
  list(input: ListPage & { bucket: string; keyMarker: string | null; uploadIdMarker: string | null }): Promise<
    | {
        kind: 'page'
        uploads: readonly UploadRecord[]
        commonPrefixes: readonly string[]
        isTruncated: boolean
        nextKeyMarker: string | null
        nextUploadIdMarker: string | null
      }
    | NoSuchBucket
  >
  /** Copies no byte: builds the list of bodies from the part rows. Repeating a finished Complete gives `completed` again. */
  complete(
    actor: Actor,
    input: {
      bucket: string
      key: string
      uploadId: string
      parts: readonly CompletePart[]
      checksum: ObjectChecksum | null
      precondition: Precondition
    },
  ): Promise<
    | { kind: 'completed'; version: VersionRecord; bucket: BucketRecord }
    | NoSuchBucket
    | { kind: 'noSuchUpload' }
    | { kind: 'invalidPart'; partNumber: number }
    | { kind: 'partTooSmall'; partNumber: number; sizeBytes: number; etag: string }
    | { kind: 'checksumMismatch' }
    | { kind: 'preconditionFailed' }
    | Denied
    | ClockSuspect
  >
  abort(actor: Actor, input: { bucket: string; key: string; uploadId: string }): Promise<{ kind: 'aborted' } | NoSuchBucket | { kind: 'noSuchUpload' }>
}

export type ClockReport = TrustedNow & {
  readonly markMs: EpochMs
  readonly bootId: string
  readonly budgetMs: number
  /** How far wall is ahead of trusted, at least 0. */
  readonly behindMs: number
}

export interface ClockStore {
  now(): Promise<TrustedNow>
  report(): Promise<ClockReport>
  /** Supervisor only: advances mark, slew and budget. Call at start and every 60 s. */
  tick(): Promise<ClockReport>
  /** Root only, while suspect, `until` <= wall; audited. */
  accept(
    actor: Actor,
    input: { until: EpochMs; reason: string },
  ): Promise<{ kind: 'accepted'; report: ClockReport } | { kind: 'notSuspect' } | { kind: 'beyondWall' } | { kind: 'behindTrusted' }>
}

export type VolumeIdentity = { readonly volumeId: string; readonly format: number; readonly createdMs: EpochMs }

export interface Leadership {
  /** A new leader's epoch: greater than every one before. */
  next(actor: Actor, holder: string): Promise<{ epoch: number }>
  current(): Promise<{ epoch: number; holder: string } | null>
}

export type AuditEntry = { readonly sequence: number; readonly hash: string; readonly record: Readonly<Record<string, unknown>> }

export interface Audit {
  head(): Promise<{ sequence: number; hash: string } | null>
  list(options: { afterSequence: number; limit: number }): Promise<readonly AuditEntry[]>
  /** A refusal that was judged outside a store function (authorization, floor by admin): recorded, flood-limited. */
  denied(actor: Actor, input: { bucket: string; key: string | null; versionId: string | null; rule: string; reason: string }): Promise<void>
}

export interface Store {
  readonly volume: VolumeIdentity
  readonly buckets: Buckets
  readonly versions: Versions
  readonly uploads: Uploads
  readonly clock: ClockStore
  readonly leadership: Leadership
  readonly audit: Audit
  /** Unlinks bodies whose last reference went; returns how many lists were freed. */
  collectGarbage(signal: AbortSignal): Promise<number>
  /** Readiness: null, or why new data is refused (disk full, store failed). */
  writeRefusal(): Promise<string | null>
  close(): Promise<void>
}
export type { BucketRetention, DefaultRetention, RetentionMode }
