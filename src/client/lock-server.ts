/**
 * What the operator and the CLI may ask of a lock server: the admin API for what S3 cannot say, S3 itself for
 * evidence. `connect.ts` makes one; there is no other implementation, also not in tests.
 */
import type { AuditHashAnswer, ExplainAnswer, QuarantineAnswer } from '../api/admin.ts'
import type { Statement } from '../lib/identity.ts'
import type { ProfileName } from '../lib/profile.ts'
import type { ExistingScope } from '../lock/existing.ts'
import type { LifecycleRule } from '../lock/lifecycle.ts'
import type { BucketRetention, DefaultRetention, RetentionBounds, RetentionMode } from '../lock/types.ts'

export type OwnerRef = {
  readonly clusterId: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export type PolicyRef = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly generation: number
}

export type ApplyBucketRequest = {
  readonly epoch: number
  readonly name: string
  readonly owner: OwnerRef
  readonly adoptionPolicy: 'Never' | 'IfUnowned'
  readonly profile: ProfileName
  readonly requireChecksum: boolean
  /** `Keep`: the walk over existing versions, or that there is none, stays as it is. */
  readonly applyToExisting: 'No' | 'Keep' | ExistingScope
  /** What is to become of what the bucket has beyond the policy; `Replace` is refused where it is COMPLIANCE. */
  readonly strongerRetention: 'Keep' | 'Replace'
  /** null: no quota. */
  readonly quotaBytes: number | null
  /** null: the bucket's own stay; empty: there are to be none. */
  readonly lifecycle: readonly LifecycleRule[] | null
  readonly tags: Readonly<Record<string, string>> | null
  readonly policy: PolicyRef & {
    readonly defaultRetention: DefaultRetention
    readonly prefixRules: BucketRetention['prefixRules']
    readonly bounds: RetentionBounds
  }
}

export type ApplyBucketAnswer =
  | { readonly kind: 'applied'; readonly change: 'created' | 'adopted' | 'updated' | 'unchanged' }
  | { readonly kind: 'nameConflict'; readonly owner: OwnerRef | null }
  | { readonly kind: 'wouldShorten'; readonly aspects: readonly string[] }
  | { readonly kind: 'staleEpoch'; readonly epoch: number }

/** `notEmpty`: nothing was removed, and nothing ever is but the empty bucket itself. */
export type ReleaseBucketAnswer =
  | { readonly kind: 'released'; readonly change: 'released' | 'unchanged' }
  | { readonly kind: 'notOwner'; readonly owner: OwnerRef | null }
  | { readonly kind: 'notEmpty' }
  | { readonly kind: 'staleEpoch'; readonly epoch: number }

/** The BucketAccess that an access key belongs to. */
export type AccessKeyOwnerRef = Omit<OwnerRef, 'uid'>

export type PutAccessKeyRequest = {
  readonly epoch: number
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly owner: AccessKeyOwnerRef
  /** Actions and buckets by name, without wildcards. */
  readonly statements: readonly Statement[]
  /** Of a key that is there already with another secret. */
  readonly otherSecret: 'replace' | 'refuse'
}

/**
 * `taken`: the id is another owner's. `noMasterKey`: the server has no --master-key-file. `secretDiffers`: the key is
 * there with another secret, and is not to get this one.
 */
export type PutAccessKeyAnswer =
  | {
      readonly kind: 'put'
      readonly change: 'created' | 'updated' | 'unchanged'
      readonly accountId: string
      /** RFC 3339. */
      readonly created: string
    }
  | { readonly kind: 'taken' }
  | { readonly kind: 'noMasterKey' }
  | { readonly kind: 'secretDiffers' }
  | { readonly kind: 'staleEpoch'; readonly epoch: number }

export type DeleteAccessKeyAnswer =
  | { readonly kind: 'deleted'; readonly change: 'deleted' | 'unchanged' }
  | { readonly kind: 'taken' }
  | { readonly kind: 'staleEpoch'; readonly epoch: number }

/** Without its secret. */
export type AccessKeyFactsAnswer = {
  readonly accessKeyId: string
  readonly accountId: string
  readonly owner: AccessKeyOwnerRef
  readonly statements: readonly Statement[]
  /** RFC 3339. */
  readonly created: string
}

/** What the server itself says of a bucket, read back: never what was asked for. */
export type BucketFactsAnswer = {
  readonly name: string
  readonly bucketId: string
  readonly region: string
  readonly versioning: 'Unversioned' | 'Enabled' | 'Suspended'
  readonly objectLock: { readonly status: 'Enabled' | 'Frozen'; readonly retention: BucketRetention } | null
  readonly owner: OwnerRef | null
  readonly policy:
    | (PolicyRef & {
        readonly mode: RetentionMode
        readonly bounds: RetentionBounds
        readonly floor: BucketRetention | null
      })
    | null
  readonly profile: ProfileName
  readonly requireChecksum: boolean
  readonly quotaBytes: number | null
  readonly lifecycle: readonly LifecycleRule[] | null
  readonly tags: Readonly<Record<string, string>> | null
  /** How far it has come; null: none was asked for. */
  readonly applyToExisting: {
    readonly scope: ExistingScope
    /** What its versions get at least; null: a server of an earlier release, which does not say. */
    readonly retention: BucketRetention | null
    readonly policyGeneration: number
    /** RFC 3339; `ended: null`: it goes on. */
    readonly started: string
    readonly ended: string | null
    /** Versions when it began: an estimate of how many there are to see. */
    readonly versionCount: number
    readonly seenCount: number
    readonly extendedCount: number
    readonly otherModeCount: number
    readonly deniedCount: number
    readonly unreadableCount: number
    /** Judged again once the clock is not suspect: it is not done before. */
    readonly deferredCount: number
  } | null
  readonly versionCount: number
  readonly deleteMarkerCount: number
  readonly sizeBytes: number
  readonly lockedVersionCount: number
  readonly legalHoldCount: number
  /** RFC 3339; null: no active retention. */
  readonly lockedUntil: string | null
  /** null: none ended yet. */
  readonly lastLifecycleRun: {
    readonly started: string
    readonly ended: string
    readonly expiredCount: number
    readonly removedCount: number
    readonly abortedUploadCount: number
    /** Due by a rule, and kept by their locks. */
    readonly lockedCount: number
    readonly unreadableCount: number
  } | null
  /** Newest first: a few, from the audit log. */
  readonly lastDenials: readonly {
    readonly time: string
    readonly operation: string
    readonly accessKeyId: string
    readonly key: string | null
    readonly versionId: string | null
    readonly rule: string
    readonly count: number
  }[]
  readonly integrity: {
    /** When the last scrub of the volume ended; null: none that began after the bucket was made. */
    readonly lastScrub: string | null
    /** Versions of the whole volume that cannot be read. */
    readonly unreadableCount: number
    /** `searching`: which versions of the volume have damaged bytes is not known for all. */
    readonly owners: 'known' | 'searching'
    /** Runs of the scrub, one after the other, that the disk stopped. */
    readonly stoppedCount: number
    readonly quarantinedCount: number
    readonly quarantined: readonly {
      readonly key: string
      readonly versionId: string
      readonly problem: string
    }[]
  }
}

/** GetObjectLockConfiguration and GetBucketVersioning over S3, as any client sees them. */
export type ObservedObjectLock = {
  readonly versioning: 'Enabled' | 'Suspended' | null
  readonly objectLockEnabled: boolean
  readonly defaultRetention: DefaultRetention | null
}

export type ServerInfo = {
  readonly volumeId: string
  readonly version: string
  readonly region: string
  readonly s3Endpoint: string
  readonly epoch: number | null
  readonly clock: {
    /** RFC 3339. */
    readonly trusted: string
    readonly wall: string
    readonly suspect: boolean
    readonly behindMs: number
    readonly budgetMs: number
  }
  /** The last record of the audit chain, and its hash in hex; null: there is none. */
  readonly auditHead: { readonly sequence: number; readonly hash: string } | null
}

/**
 * `refused`: the deletion was answered with AccessDenied and the version is there, with its lock. `deleted`: the deletion
 * succeeded, or the version is gone or less locked than it was. `untried`: nothing is proved; `cause` says why.
 */
export type CanaryOutcome =
  | { readonly kind: 'refused' }
  | { readonly kind: 'deleted'; readonly versionId: string; readonly answer: string }
  | { readonly kind: 'untried'; readonly cause: string }

/** By the server's own clocks. */
export type CanaryTime = { readonly trustedMs: number; readonly wallMs: number }

export interface LockServer {
  info(): Promise<ServerInfo>
  acquireLeadership(holder: string): Promise<{ epoch: number }>
  applyBucket(request: ApplyBucketRequest): Promise<ApplyBucketAnswer>
  /** Removes the bucket if this very object owns it and nothing is in it. */
  releaseBucket(request: { epoch: number; name: string; owner: OwnerRef }): Promise<ReleaseBucketAnswer>
  readBucket(name: string): Promise<BucketFactsAnswer | null>
  putAccessKey(request: PutAccessKeyRequest): Promise<PutAccessKeyAnswer>
  /** From its answer on, every request that is signed with the key is refused. */
  deleteAccessKey(request: {
    epoch: number
    accessKeyId: string
    owner: AccessKeyOwnerRef
  }): Promise<DeleteAccessKeyAnswer>
  /** A page in byte order of ids, from behind `after`; `next: null`: the last one. */
  listAccessKeys(
    after: string | null,
  ): Promise<{ readonly accessKeys: readonly AccessKeyFactsAnswer[]; readonly next: string | null }>
  observeObjectLock(name: string): Promise<ObservedObjectLock | null>
  /** Tries to delete a locked version of the system's own, through S3. Errors: ServerUnreachableError before it began. */
  tryCanary(now: CanaryTime): Promise<CanaryOutcome>
  /** Why a version may or may not be deleted now; `versionId: null` asks for the current one. Root only. */
  explainDelete(address: { bucket: string; key: string; versionId: string | null }): Promise<ExplainAnswer>
  acceptClock(input: { until: string; reason: string }): Promise<ServerInfo['clock']>
  /** The hash of a record of the audit chain, and the one that the chain names there, in hex; null: there is none. */
  auditHash(sequence: number): Promise<AuditHashAnswer>
  /** A bucket that has a locked version, also one of no LockedBucket; null: there is none. */
  findLocked(): Promise<string | null>
  /** Versions whose bytes were found damaged. */
  quarantine(): Promise<QuarantineAnswer>
  /** Root only. Errors: ServerRefusedError where there is nothing to accept. */
  acceptRestore(input: { reason: string }): Promise<void>
  close(): Promise<void>
}

/** No answer, a broken connection or a 5xx: try again later. */
export class ServerUnreachableError extends Error {
  override readonly name = 'ServerUnreachableError'
  /** What the server itself says about it, in words that are the same from try to try, for a status; null: nothing. */
  readonly told: string | null
  constructor(message: string, { told = null, ...options }: ErrorOptions & { told?: string | null } = {}) {
    super(message, options)
    this.told = told
  }
}

/** For a status, which must not flap: the text of a connection error differs from try to try. */
export function toldBy(error: Error): string | null {
  return error instanceof ServerUnreachableError ? error.told : null
}

/** The server answered and refused: trying the same again does not help. */
export class ServerRefusedError extends Error {
  override readonly name = 'ServerRefusedError'
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}
