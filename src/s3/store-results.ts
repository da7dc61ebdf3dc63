/**
 * What the store answered, as S3's error: the only place that knows both. A kind that the store gains is a type error
 * here until it has its code.
 */
import { unreachable } from '../lib/assert.ts'
import { isWantOfRoom, type WritesRefusal } from '../lib/read-only.ts'
import type { BucketRecord } from '../store/records.ts'
import type { ChangeLockResult, Denied, QuotaExceeded } from '../store/store.ts'
import { bucketLockMissingForHeaders } from './lock-headers.ts'
import { strictnessError } from './profiles/strictness.ts'
import { S3Error } from './s3-error.ts'

/** What the request was about, for the elements of the error. */
export type Subject = {
  readonly bucket: BucketRecord
  readonly key: string
  /** As the client wrote it; null: the current version. */
  readonly versionId: string | null
}

/** E25. */
export function noSuchBucket(name: string): S3Error {
  return new S3Error('NoSuchBucket', { extra: { BucketName: name } })
}

/** E25. */
export function noSuchKey(key: string, headers: Readonly<Record<string, string>> = {}): S3Error {
  return new S3Error('NoSuchKey', { extra: { Key: key }, headers })
}

/** E20. */
export function noSuchVersion(key: string, versionId: string | null): S3Error {
  return new S3Error('NoSuchVersion', { extra: { Key: key, VersionId: versionId ?? '' } })
}

/** E4: the retention and legal hold sub-resources. */
export function bucketLockMissing(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'Bucket is missing Object Lock Configuration',
    situation: 'BucketLockMissing',
  })
}

/** E2. */
export function noLockConfiguration(bucket: string): S3Error {
  return new S3Error('ObjectLockConfigurationNotFoundError', { extra: { BucketName: bucket } })
}

/** E3. */
export function noObjectLock(): S3Error {
  return new S3Error('NoSuchObjectLockConfiguration')
}

/** E19: the version is a delete marker. */
export function deleteMarkerNotAllowed(
  method: string,
  headers: Readonly<Record<string, string>> = {},
): S3Error {
  return new S3Error('MethodNotAllowed', {
    extra: { Method: method, ResourceType: 'DeleteMarker' },
    headers: { allow: 'DELETE', ...headers },
  })
}

export function noSuchUpload(uploadId: string): S3Error {
  return new S3Error('NoSuchUpload', { extra: { UploadId: uploadId } })
}

export function preconditionFailed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', { extra: { Condition: condition } })
}

/** S3 has no quotas; the code is that of the servers that have them. */
function quotaExceeded({ quotaBytes, sizeBytes }: QuotaExceeded): S3Error {
  return new S3Error('QuotaExceeded', {
    extra: { QuotaBytes: String(quotaBytes), SizeBytes: String(sizeBytes) },
  })
}

/** The volume takes no writes: which of both, and the sentence for people, is the error's. */
export function writesRefused(cause: WritesRefusal): S3Error {
  const code = isWantOfRoom(cause) ? 'InsufficientStorage' : 'ServiceUnavailable'
  return new S3Error(code, { message: cause.message, cause })
}

/** While the clock is suspect and wall is far ahead, no lock by period is written. */
export function clockSuspect(result: { readonly trustedMs: number; readonly wallMs: number }): S3Error {
  const days = Math.floor((result.wallMs - result.trustedMs) / 86_400_000)
  return new S3Error('ServiceUnavailable', {
    message:
      `The wall clock is ${days} days ahead of the trusted clock: retention periods are not counted until the clock ` +
      'is confirmed.',
  })
}

/** E1 for a lock that stands against the request; a sentence of its own for the bucket's policy and state. */
export function denied(result: Denied, bucket: BucketRecord): S3Error {
  const { reason } = result.verdict
  switch (reason) {
    case 'LegalHold':
    case 'ComplianceRetention':
    case 'GovernanceRetention':
    case 'LockStateUnknown':
      return new S3Error('AccessDenied', {
        message: 'Access Denied because object protected by object lock.',
        situation: reason,
      })
    case 'BucketFrozen':
      return new S3Error('AccessDenied', {
        message:
          'Access Denied because Object Lock of this bucket is frozen: locks are neither made nor changed.',
      })
    case 'BelowMinimum':
      return outsideBounds(bucket, 'minimum')
    case 'AboveMaximum':
      return outsideBounds(bucket, 'maximum')
    default:
      return unreachable(reason, 'every reason of a denial has its answer')
  }
}

function outsideBounds(bucket: BucketRecord, bound: 'minimum' | 'maximum'): S3Error {
  const policy =
    bucket.policy === null ? 'of this bucket' : `${bucket.policy.namespace}/${bucket.policy.name}`
  const relation = bound === 'minimum' ? 'below the minimum' : 'above the maximum'
  return new S3Error('AccessDenied', {
    message: `Access Denied because the requested retention is ${relation} of RetentionPolicy ${policy}.`,
  })
}

/** Errors of PutObjectRetention, PutObjectLegalHold and the tagging operations. */
export function changeLockError(
  result: Exclude<ChangeLockResult, { kind: 'changed' }>,
  subject: Subject,
  method: string,
): S3Error {
  switch (result.kind) {
    case 'noSuchBucket':
      return noSuchBucket(subject.bucket.name)
    case 'noSuchKey':
      return noSuchKey(subject.key)
    case 'noSuchVersion':
      return noSuchVersion(subject.key, subject.versionId)
    case 'bucketLockMissing':
      return bucketLockMissing()
    case 'isDeleteMarker':
      return deleteMarkerNotAllowed(method)
    case 'denied':
      return strictnessError(result.verdict) ?? denied(result, subject.bucket)
    default:
      return unreachable(result, 'every result of a lock change has its answer')
  }
}

/** Results that every write of a version shares. `condition` is the header that was not met. */
export type WriteRefusal =
  | { readonly kind: 'noSuchBucket' }
  | { readonly kind: 'bucketLockMissing' }
  | Denied
  | { readonly kind: 'clockSuspect'; readonly trustedMs: number; readonly wallMs: number }
  | { readonly kind: 'preconditionFailed' }
  | QuotaExceeded

export function writeError(result: WriteRefusal, bucket: BucketRecord, condition: string): S3Error {
  switch (result.kind) {
    case 'noSuchBucket':
      return noSuchBucket(bucket.name)
    case 'bucketLockMissing':
      return bucketLockMissingForHeaders()
    case 'denied':
      return denied(result, bucket)
    case 'clockSuspect':
      return clockSuspect(result)
    case 'preconditionFailed':
      return preconditionFailed(condition)
    case 'quotaExceeded':
      return quotaExceeded(result)
    default:
      return unreachable(result, 'every refusal of a write has its answer')
  }
}
