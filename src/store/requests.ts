/** What the store is asked and what it answers. Expected refusals are values of these unions. */
import type { ProfileName } from '../lib/profile.ts'
import type { WritesRefusal } from '../lib/read-only.ts'
import type { EpochMs } from '../lib/units.ts'
import type { ExistingScope } from '../lock/existing.ts'
import type { LifecycleRule } from '../lock/lifecycle.ts'
import type {
  BucketRetention,
  DefaultRetention,
  LegalHoldStatus,
  Retention,
  RetentionBounds,
  Verdict,
} from '../lock/types.ts'
import type { ExistingCounts, ExistingRecord } from './existing-rows.ts'
import type {
  BucketId,
  BucketOwner,
  BucketRecord,
  BucketStat,
  CurrentRecord,
  ObjectChecksum,
  StoredHeaders,
  VersionRecord,
} from './records.ts'

/** Who asks, for the audit log, and what was judged before the store was asked. Never carries a secret. */
export type Actor = {
  readonly accessKeyId: string
  readonly accountId: string
  readonly requestId: string
  /** The S3 or admin operation's name. */
  readonly operation: string
  /**
   * The bucket by whose record the request was authorised; left out where none was (admin API, CreateBucket). If its
   * name has passed to another bucket since, there is no such bucket for this request.
   */
  readonly bucketId?: BucketId
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
export type NoSuchBucket = { readonly kind: 'noSuchBucket' }
export type NoSuchKey = { readonly kind: 'noSuchKey' }
export type NoSuchVersion = { readonly kind: 'noSuchVersion' }
/** While the clock is suspect and wall is far ahead, locks by period are refused. */
export type ClockSuspect = {
  readonly kind: 'clockSuspect'
  readonly trustedMs: EpochMs
  readonly wallMs: EpochMs
}
/** The bucket has no Object Lock but the request needs it. */
export type BucketLockMissing = { readonly kind: 'bucketLockMissing' }

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

/** The write would raise the bucket's `sizeBytes` above its quota; nothing was written. */
export type QuotaExceeded = {
  readonly kind: 'quotaExceeded'
  readonly quotaBytes: number
  readonly sizeBytes: number
}

/** `ifMatch`: an ETag without quotes, or `*` for any. */
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
  | QuotaExceeded

/** `versionId: null` asks for the current version; the string 'null' for the null version. */
export type VersionAddress = {
  readonly bucket: string
  readonly key: string
  readonly versionId: string | null
}

/** A version whose bytes were found damaged, in itself or in another version that shares them. */
export type QuarantinedVersion = {
  readonly bucketId: string
  readonly key: string
  readonly versionId: string
  /** Wall time. */
  readonly foundMs: EpochMs
  readonly problem: string
}

export type ReadVersionResult =
  | {
      readonly kind: 'found'
      readonly version: VersionRecord
      readonly bucket: BucketRecord
      readonly isCurrent: boolean
    }
  | NoSuchBucket
  | NoSuchKey
  | NoSuchVersion

export type DeleteObject = VersionAddress & {
  readonly bypassGovernance: boolean
  /** The current version must be an object of this ETag, `*`: an object; left out: whatever is there. */
  readonly ifMatch?: string
}
export type DeleteObjectResult =
  /** `version: null`: nothing was there, or (unversioned bucket) the key is gone. */
  | {
      readonly kind: 'deleted'
      readonly versionId: string | null
      readonly isDeleteMarker: boolean
    }
  | NoSuchBucket
  | Denied
  /** Of `ifMatch`: no object is there, or one of another ETag. Nothing was deleted. */
  | NoSuchKey
  | { readonly kind: 'preconditionFailed' }
/**
 * `conflict`: others kept this key busy to the end. `writesRefused`: the volume took no write by then. Of both nothing was deleted nor
 * recorded, and the others of the batch have their own answers.
 */
export type DeleteManyResult =
  | DeleteObjectResult
  | { readonly kind: 'conflict' }
  | { readonly kind: 'writesRefused'; readonly error: WritesRefusal }

/**
 * What a caller has against a change of a lock beyond the lock's own rules: asked in the transaction of the change, on what it
 * read. It can refuse and nothing else. What it throws is the caller's own.
 */
export type Objection = (
  version: VersionRecord,
  bucket: BucketRecord,
  now: TrustedNow,
) => Denied['verdict'] | null

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

/**
 * What PutObjectLockConfiguration may do. `enable` and `clearRule` (S3's `Enabled` with and without Rule) switch Object Lock
 * on for good and thaw a frozen bucket. `freeze`: what is locked stays enforced and as it is, nothing new is locked; a bucket
 * without Object Lock stays without.
 */
export type ObjectLockChange =
  | { readonly kind: 'enable'; readonly defaultRetention: DefaultRetention }
  | { readonly kind: 'clearRule' }
  | { readonly kind: 'freeze' }

/** One atomic create, adoption or change of policy: no version is ever written in between. */
export type ApplyBucket = {
  readonly epoch: number
  readonly name: string
  readonly region: string
  readonly accountNamespace: { readonly clusterId: string; readonly namespace: string }
  readonly owner: BucketOwner
  readonly adoptionPolicy: 'Never' | 'IfUnowned'
  readonly profile: ProfileName
  readonly requireChecksum: boolean
  /**
   * What the policy's retention does to versions that are there: nothing, or a walk in the background. `Keep`: what was asked
   * before goes on.
   */
  readonly applyToExisting: 'No' | 'Keep' | ExistingScope
  /**
   * Where the bucket has a stronger retention, or floor, than the policy asks for: `Keep` leaves it, and makes no floor and no
   * walk of it. `Replace` takes the policy's, which is refused where it would weaken COMPLIANCE.
   */
  readonly strongerRetention: 'Keep' | 'Replace'
  /** null: no quota. One below what is there refuses new bytes only. */
  readonly quotaBytes: number | null
  /** null: left as they are; an empty list: none. */
  readonly lifecycle: readonly LifecycleRule[] | null
  /** null: left as they are; without any: none. */
  readonly tags: Readonly<Record<string, string>> | null
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
  | {
      readonly kind: 'applied'
      readonly change: 'created' | 'adopted' | 'updated' | 'unchanged'
      readonly bucket: BucketRecord
    }
  | { readonly kind: 'nameConflict'; readonly owner: BucketOwner | null }
  /** The stored floor or lock is stronger; nothing changed. `aspects` says what would weaken, for people. */
  | { readonly kind: 'wouldShorten'; readonly bucket: BucketRecord; readonly aspects: readonly string[] }
  | { readonly kind: 'staleEpoch'; readonly epoch: number }

/** `owner`: as the bucket has it, uid included. */
export type ReleaseBucket = {
  readonly epoch: number
  readonly name: string
  readonly owner: BucketOwner
}
export type ReleaseBucketResult =
  /** `unchanged`: there was none. */
  | { readonly kind: 'released'; readonly change: 'released' | 'unchanged' }
  | { readonly kind: 'notOwner'; readonly owner: BucketOwner | null }
  /** A version, a delete marker or an upload is in it, and stays. */
  | { readonly kind: 'notEmpty' }
  | { readonly kind: 'staleEpoch'; readonly epoch: number }

/** How far a bucket's applyToExisting has come; see ExistingRecord for what is counted. */
export type ExistingFacts = Pick<
  ExistingRecord,
  | keyof ExistingCounts
  | 'deferredCount'
  | 'scope'
  | 'retention'
  | 'policy'
  | 'versionCount'
  | 'startedMs'
  | 'endedMs'
>

export type BucketFacts = {
  readonly bucket: BucketRecord
  readonly stat: BucketStat
  /** null: none, or one that cannot be read. */
  readonly lifecycle: readonly LifecycleRule[] | null
  readonly tags: Readonly<Record<string, string>> | null
  /** null: none was asked for. */
  readonly applyToExisting: ExistingFacts | null
  /** Versions with an active retention or hold now. */
  readonly lockedVersionCount: number
  /** The latest retainUntil of any version; null: none active. */
  readonly lockedUntilMs: EpochMs | null
  /** null: none ended yet. */
  readonly lastLifecycleRun: LifecycleRunFacts | null
  /** Newest first, at most limits.lastDenialsMax. */
  readonly lastDenials: readonly BucketDenial[]
  readonly integrity: BucketIntegrity
  readonly now: TrustedNow
}

/** A refusal of a request that would have changed something in the bucket, or of many like it. */
export type BucketDenial = {
  readonly trustedMs: EpochMs
  /** S3's or the admin API's name. */
  readonly operation: string
  readonly accessKeyId: string
  /** null: the bucket itself, or several keys. */
  readonly key: string | null
  readonly versionId: string | null
  readonly rule: string
  /** How many refusals it stands for. */
  readonly count: number
}

/** What scrubs and reads found of a bucket. */
export type BucketIntegrity = {
  /** Wall time of the end of the last pass over the volume; null: none ended that began after the bucket was made. */
  readonly lastScrubMs: EpochMs | null
  /**
   * Versions anywhere on the volume whose records cannot be read, whose they are is not known for all: of the last pass, or
   * of the one that goes on if those are more.
   */
  readonly unreadableCount: number
  /** `searching`: bytes are in quarantine, and which other versions have them is still looked for. */
  readonly owners: 'known' | 'searching'
  /** Runs of the scrub of the volume, one after the other, that the disk stopped; 0: it goes on, or has ended. */
  readonly stoppedCount: number
  /** At most limits.quarantineListMax. */
  readonly quarantinedCount: number
  /** Those whose rows can be read. */
  readonly quarantined: readonly QuarantinedVersion[]
}

/** What a run of the lifecycle did in one bucket; a run that a crash broke may have done a page more. */
export type LifecycleRunFacts = {
  /** Trusted time. */
  readonly startedMs: EpochMs
  readonly endedMs: EpochMs
  /** Current versions that expired: under a delete marker, or removed where there is no versioning. */
  readonly expiredCount: number
  /** Noncurrent versions and delete markers that were removed. */
  readonly removedCount: number
  readonly abortedUploadCount: number
  /** Due by a rule, and kept by their locks until another run. */
  readonly lockedCount: number
  /** Records that could not be read: they, and what is older of their keys, were left alone. */
  readonly unreadableCount: number
}

export type CompletePart = {
  readonly partNumber: number
  readonly etag: string
  readonly checksum: ObjectChecksum | null
}
