/**
 * The shape of a profile: how one vendor's dialect of Object Lock is read, what it refuses beyond S3, and how its answers
 * are worded. A profile is data; `lock-xml.ts`, `lock-headers.ts` and the files beside this one read it. It may be stricter
 * than S3 or word things differently; nothing in this shape can weaken a lock: whatever is read becomes one of S3's own
 * requests, and that is judged by `src/lock` as any other.
 */
import type { ProfileName } from '../../lib/profile.ts'
import type { S3ErrorCode } from '../errors.ts'
import type { ErrorSituation } from '../s3-error.ts'

/** `any`: upper and lower case are the same word. */
export type Letters = 'exact' | 'any'

/** How the words GOVERNANCE, COMPLIANCE, ON and OFF are read. */
export type LockWords = {
  readonly headerLetters: Letters
  /** Of an object's retention and legal hold. */
  readonly documentLetters: Letters
  /** Of a bucket's default rule. */
  readonly ruleLetters: Letters
  /** `unknown`: no such mode, as for any other word. `notImplemented`: 501. */
  readonly governance: 'served' | 'unknown' | 'notImplemented'
  readonly legalHold: 'served' | 'notImplemented'
}

/** PutObjectLockConfiguration. What clears a rule by saying nothing never switches Object Lock on. */
export type ConfigurationDialect = {
  readonly put: 'served' | 'notImplemented'
  readonly emptyBody: 'missing' | 'clearsRule'
  readonly emptyRoot: 'malformed' | 'clearsRule' | 'freezes'
  /** A rule whose mode and period are both there and both empty. */
  readonly emptyRule: 'malformed' | 'clearsRule'
  readonly enabledElement: 'required' | 'optional'
  /** Object Lock on a bucket that was made without it. */
  readonly existingBucket: 'enabled' | 'InvalidRequest' | 'InvalidBucketState'
  readonly yearsMax: number
}

/** PutObjectRetention, beyond S3's rules. */
export type RetentionDialect = {
  readonly emptyDocument: 'removes' | 'malformed'
  /** `bypass`: whatever changes a GOVERNANCE retention in force needs the bypass, an extension too. */
  readonly governanceChange: 'asS3' | 'bypass'
  /** `refused`: the date in force, written again, is no later date. */
  readonly equalDate: 'accepted' | 'refused'
  /** `refused`: where a default rule is, no version is without retention. */
  readonly removalUnderRule: 'asS3' | 'refused'
}

/** Which requests a bucket with `requireChecksum` demands a client's checksum of. */
export type ChecksumDialect = {
  /** Stamped on buckets that are made in this profile. */
  readonly requireChecksum: boolean
  /**
   * `everything`: as S3, objects and parts under a lock or a rule, and documents. `lockConfiguration`: that document.
   * `objectsUnderRule`: PutObject into a bucket with a default rule.
   */
  readonly scope: 'everything' | 'lockConfiguration' | 'objectsUnderRule'
}

/** Objects and their parts. */
export type ObjectDialect = {
  /** User metadata (without prefix, lower case) that is a time to live, which no locked version may have. */
  readonly timeToLive: readonly string[]
  /** Lock headers on UploadPart, UploadPartCopy and CompleteMultipartUpload, which never lock anything. */
  readonly lockHeadersOnParts: 'ignored' | 'refused'
}

export type AnswerDialect = {
  /** The Server header. */
  readonly server: string
  /** Of every document but errors. */
  readonly namespace: string
  /** `obs`: each x-amz-* header has an x-obs-* twin. */
  readonly headerFamily: 'amz' | 'obs'
  /** `zero`: the unit of a default period that was not set is printed as 0. */
  readonly unusedUnit: 'omitted' | 'zero'
  /** `empty`: GetObjectLockConfiguration without Object Lock is 200 with an empty ObjectLockEnabled. */
  readonly noConfiguration: 'notFound' | 'empty'
  readonly defaultRule: 'printed' | 'omitted'
}

/** An error of S3's, said otherwise. The first row that fits is taken. */
export type Rewording = {
  /** Left out: all operations. */
  readonly operations?: readonly string[]
  readonly codes: readonly S3ErrorCode[]
  /** Left out: whatever the situation. */
  readonly situations?: readonly ErrorSituation[]
  readonly to: {
    readonly code?: S3ErrorCode
    /** The code's own if left out. */
    readonly status?: number
    /** S3's sentence if left out. */
    readonly message?: string
  }
}

export type Profile = {
  readonly name: ProfileName
  readonly words: LockWords
  readonly configuration: ConfigurationDialect
  readonly retention: RetentionDialect
  readonly checksums: ChecksumDialect
  readonly objects: ObjectDialect
  readonly answers: AnswerDialect
  readonly rewordings: readonly Rewording[]
}
