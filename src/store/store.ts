/**
 * The store: the one gate. Whatever removes or replaces bytes, or changes a lock, is a function below; each takes its
 * verdict from `src/lock` inside the transaction of its write and appends the decision to the audit log in it.
 * Expected refusals are values; a thrown error is a bug, a failed disk or an overload (see kv/contract.ts).
 */
import type { ProfileName } from '../lib/profile.ts'
import type { EpochMs } from '../lib/units.ts'
import type { BucketRetention, LegalHoldStatus, Retention } from '../lock/types.ts'
import type { AccessKeyStore } from './access-keys.ts'
import type { BodyReader, Space } from './bodies/contract.ts'
import type {
  BucketDocumentKind,
  BucketOwner,
  BucketRecord,
  ChecksumAlgorithm,
  ObjectChecksum,
  ObjectPart,
  PartRecord,
  StoredHeaders,
  UploadRecord,
  VersioningStatus,
  VersionRecord,
} from './records.ts'
import type {
  Actor,
  ApplyBucket,
  ApplyBucketResult,
  BucketFacts,
  BucketLockMissing,
  ChangeLockResult,
  ClockSuspect,
  CompletePart,
  DeleteManyResult,
  DeleteObject,
  DeleteObjectResult,
  Denied,
  ExplicitLock,
  ListCurrent,
  ListCurrentResult,
  ListPage,
  ListVersions,
  ListVersionsResult,
  NoSuchBucket,
  Objection,
  ObjectLockChange,
  Precondition,
  PutVersion,
  PutVersionResult,
  QuarantinedVersion,
  QuotaExceeded,
  ReadVersionResult,
  ReleaseBucket,
  ReleaseBucketResult,
  StagedBody,
  TrustedNow,
  VersionAddress,
} from './requests.ts'

export type * from './requests.ts'

export interface Buckets {
  read(name: string): Promise<BucketRecord | null>
  /** In byte order of names; `accountId: null` lists all accounts'. A damaged record is logged and left out. */
  list(options: {
    accountId: string | null
    after: string | null
    limit: number
  }): Promise<readonly BucketRecord[]>
  create(
    actor: Actor,
    input: {
      name: string
      accountId: string
      region: string
      objectLock: 'enabled' | 'none'
      /** Left out: S3's own. */
      dialect?: { profile: ProfileName; requireChecksum: boolean }
    },
  ): Promise<{ kind: 'created' | 'exists'; bucket: BucketRecord }>
  delete(
    actor: Actor,
    name: string,
  ): Promise<
    { kind: 'deleted' } | NoSuchBucket | { kind: 'notEmpty' } | { kind: 'managed'; owner: BucketOwner }
  >
  putVersioning(
    actor: Actor,
    name: string,
    status: Exclude<VersioningStatus, 'Unversioned'>,
  ): Promise<{ kind: 'changed'; bucket: BucketRecord } | NoSuchBucket | { kind: 'objectLockPresent' }>
  putObjectLockConfiguration(
    actor: Actor,
    name: string,
    change: ObjectLockChange,
  ): Promise<
    | { kind: 'changed'; bucket: BucketRecord }
    | NoSuchBucket
    | { kind: 'versioningNotEnabled' }
    | { kind: 'belowFloor'; policy: { namespace: string; name: string }; floor: BucketRetention }
  >
  apply(actor: Actor, input: ApplyBucket): Promise<ApplyBucketResult>
  /** Removes a managed bucket that is empty, for its owner alone. */
  release(actor: Actor, input: ReleaseBucket): Promise<ReleaseBucketResult>
  facts(name: string): Promise<BucketFacts | null>
  /**
   * A bucket with a version under retention or legal hold; what the system locks itself, the canary, is nobody's data.
   * Throws CorruptRecordError: a record that cannot be read may hide one.
   */
  findLocked(): Promise<string | null>
}

/**
 * A bucket's policy, lifecycle, tags and CORS rules, as the text that the S3 surface made of them: at most
 * limits.bucketDocumentBytesMax bytes. A write is audited with the text's SHA-256; DeleteBucket removes them.
 */
export interface BucketDocuments {
  /** null: there is none. Errors: CorruptRecordError, also where the bucket's record promises one that is not there. */
  read(bucket: BucketRecord, kind: BucketDocumentKind): Promise<string | null>
  put(
    actor: Actor,
    bucket: string,
    document: { kind: BucketDocumentKind; text: string },
  ): Promise<{ kind: 'changed'; bucket: BucketRecord } | NoSuchBucket>
  /** Also `changed` where there was none. */
  delete(
    actor: Actor,
    bucket: string,
    kind: BucketDocumentKind,
  ): Promise<{ kind: 'changed'; bucket: BucketRecord } | NoSuchBucket>
}

export interface Versions {
  put(actor: Actor, input: PutVersion): Promise<PutVersionResult>
  read(address: VersionAddress): Promise<ReadVersionResult>
  /** Without version id: a delete marker (or, unversioned, removal of the null version). Through the gate. */
  delete(actor: Actor, input: DeleteObject): Promise<DeleteObjectResult>
  /** As a fold of `delete`: same effect and answers as one by one (I6); at most limits.deleteObjectsKeysMax. */
  deleteMany(actor: Actor, inputs: readonly DeleteObject[]): Promise<readonly DeleteManyResult[]>
  /** A bypass that was used is in the audit record. `next: null` is an empty Retention. */
  putRetention(
    actor: Actor,
    input: VersionAddress & { next: Retention | null; bypassGovernance: boolean; objection?: Objection },
  ): Promise<ChangeLockResult>
  putLegalHold(
    actor: Actor,
    input: VersionAddress & { next: LegalHoldStatus; objection?: Objection },
  ): Promise<ChangeLockResult>
  putTags(
    actor: Actor,
    input: VersionAddress & { tags: Readonly<Record<string, string>> },
  ): Promise<ChangeLockResult>
  listCurrent(input: ListCurrent): Promise<ListCurrentResult>
  listVersions(input: ListVersions): Promise<ListVersionsResult>
  /** `endByte` exclusive. Errors: BodyCorruptError, BodyMissingError before the bad block's bytes leave. */
  openBody(version: VersionRecord, range: { startByte: number; endByte: number } | null): BodyReader
  /** The parts of a multipart object in order, a page at a time. */
  parts(version: VersionRecord, afterIndex: number, limit: number): Promise<readonly ObjectPart[]>
  /**
   * Makes the bytes durable in a stage. `sizeBytes`: how many are to come, as far as somebody said. Errors: BodyTooLargeError, StorageFullError
   * also while they come; then nothing is left of them.
   */
  stage(body: AsyncIterable<Uint8Array>, sizeBytesMax: number, sizeBytes?: number): Promise<StagedBody>
  discard(body: StagedBody): Promise<void>
}

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
  ): Promise<
    { kind: 'created'; upload: UploadRecord } | NoSuchBucket | BucketLockMissing | Denied | ClockSuspect
  >
  read(
    bucket: string,
    key: string,
    uploadId: string,
  ): Promise<{ kind: 'found'; upload: UploadRecord } | NoSuchBucket | { kind: 'noSuchUpload' }>
  /** Replaces a part of the same number; the old body becomes garbage. */
  putPart(
    actor: Actor,
    input: {
      bucket: string
      key: string
      uploadId: string
      partNumber: number
      body: StagedBody
      checksum: ObjectChecksum | null
    },
  ): Promise<{ kind: 'put'; part: PartRecord } | NoSuchBucket | { kind: 'noSuchUpload' }>
  listParts(input: {
    bucket: string
    key: string
    uploadId: string
    afterPartNumber: number
    limit: number
  }): Promise<
    | { kind: 'page'; upload: UploadRecord; parts: readonly PartRecord[]; isTruncated: boolean }
    | NoSuchBucket
    | { kind: 'noSuchUpload' }
  >
  list(
    input: ListPage & { bucket: string; keyMarker: string | null; uploadIdMarker: string | null },
  ): Promise<
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
    /** More than limits.objectBytesMax in all. */
    | { kind: 'objectTooLarge'; sizeBytes: number }
    /** The upload stays: it can be completed when there is room, or aborted. */
    | QuotaExceeded
    | { kind: 'preconditionFailed' }
    /** If-Match, and there is no current version. */
    | { kind: 'noSuchKey' }
    | Denied
    | ClockSuspect
  >
  abort(
    actor: Actor,
    input: { bucket: string; key: string; uploadId: string },
  ): Promise<{ kind: 'aborted' } | NoSuchBucket | { kind: 'noSuchUpload' }>
}

export type LifecycleRun =
  | { readonly kind: 'done'; readonly bucketCount: number }
  /** By the signal: the next run goes on where this one was. */
  | { readonly kind: 'stopped' }
  /** Nothing is removed while nobody knows how late it is. */
  | { readonly kind: 'clockSuspect' }
  /** The volume was restored and waits to be accepted. */
  | { readonly kind: 'readOnly' }

export interface Lifecycle {
  /**
   * Does what the lifecycle rules of all buckets ask for, through the gate and never past a lock; one run at a time and a
   * volume. Resumes what was broken off, also by kill -9.
   */
  run(signal: AbortSignal): Promise<LifecycleRun>
}

export type ScrubReport = {
  /** Wall time; null: no pass has ended yet. */
  readonly lastEndedMs: EpochMs | null
  /** Of the pass that goes on, or of the last one; to the byte in the process that scrubs. */
  readonly versionCount: number
  readonly readBytes: number
  /** Of the last pass, or of the one that goes on if those are more. */
  readonly unreadableCount: number
  /** Runs, one after the other, that ended too early because the disk did not give out bodies; 0: it reads on. */
  readonly stoppedCount: number
  /** Lists of bodies, at most limits.quarantineListMax. */
  readonly quarantinedCount: number
  /** The versions that have them, at most as many; those whose rows can be read. */
  readonly quarantined: readonly QuarantinedVersion[]
}

export interface Scrub {
  /**
   * Reads all bytes again at a bounded pace, resumed where it was broken off; does nothing until the last pass is
   * limits.scrubIntervalMs ago. False: by the signal, not due, or stopped where the disk gives nothing out: the next run goes on there.
   */
  run(signal: AbortSignal, bytesPerSecond: number): Promise<boolean>
  /** Reads what is in quarantine once more; what is whole again is served again. The signal ends it. */
  lookAgain(signal: AbortSignal, bytesPerSecond: number): Promise<void>
  report(): Promise<ScrubReport>
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
  ): Promise<
    | { kind: 'accepted'; report: ClockReport }
    | { kind: 'notSuspect' }
    | { kind: 'beyondWall' }
    | { kind: 'behindTrusted' }
  >
}

/** A volume that was restored from a backup takes no writes and removes nothing until root says that it is the one. */
export interface RestoreStore {
  /** null: the volume takes writes. Which backup it was restored from: its wall time, its last audit record. */
  state(): Promise<{ readonly backupMs: EpochMs; readonly auditSequence: number } | null>
  /** Root only; audited. */
  accept(actor: Actor, reason: string): Promise<{ kind: 'accepted' } | { kind: 'notRestored' }>
}

export type VolumeIdentity = {
  readonly volumeId: string
  readonly format: number
  readonly createdMs: EpochMs
}

export interface Leadership {
  /** A new leader's epoch: greater than every one before. */
  next(actor: Actor, holder: string): Promise<{ epoch: number }>
  current(): Promise<{ epoch: number; holder: string } | null>
}

export type AuditEntry = {
  readonly sequence: number
  readonly hash: string
  readonly record: Readonly<Record<string, unknown>>
}

export interface Audit {
  head(): Promise<{ sequence: number; hash: string } | null>
  /** Hex. `hash`: of the record as it is now; `chainHash`: what the next one, or the head, names as its hash. null: there is none. */
  hashesOf(sequence: number): Promise<{ readonly hash: string | null; readonly chainHash: string | null }>
  list(options: { afterSequence: number; limit: number }): Promise<readonly AuditEntry[]>
  /** A refusal that was judged outside a store function (authorization, floor by admin): recorded, flood-limited. */
  denied(
    actor: Actor,
    input: { bucket: string; key: string | null; versionId: string | null; rule: string; reason: string },
  ): Promise<void>
}

export interface Store {
  readonly volume: VolumeIdentity
  readonly accessKeys: AccessKeyStore
  readonly buckets: Buckets
  readonly documents: BucketDocuments
  readonly versions: Versions
  readonly uploads: Uploads
  readonly lifecycle: Lifecycle
  readonly scrub: Scrub
  readonly clock: ClockStore
  readonly leadership: Leadership
  readonly audit: Audit
  /** All that changes versions, buckets or keys throws VolumeReadOnlyError until a restored volume is accepted. */
  readonly restore: RestoreStore
  /**
   * Carries the retention of policies to versions that are there: what `apply` asked for and is not done, a page at a
   * time, resumed where it was. Returns in how many buckets it was done. Run it again when it ended.
   */
  applyToExisting(signal: AbortSignal): Promise<number>
  /** Unlinks bodies whose last reference went; returns how many lists were freed. */
  collectGarbage(signal: AbortSignal): Promise<number>
  /** Of the volume, as its file system tells. */
  space(): Promise<Space>
  /** Readiness: null, or why new data is refused (disk full, store failed, restored). */
  writeRefusal(): Promise<string | null>
  close(): Promise<void>
}
