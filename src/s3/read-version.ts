import { unreachable } from '../lib/assert.ts'
import type { ObjectLockState } from '../lock/types.ts'
import type { VersionRecord } from '../store/records.ts'
import { addressedBucket, addressedKey } from './addressed.ts'
import { formatHttpDate } from './dates.ts'
import { isObject, type ObjectVersion } from './object-headers.ts'
import type { OperationContext } from './operation.ts'
import { S3Error } from './s3-error.ts'
import {
  bucketLockMissing,
  deleteMarkerNotAllowed,
  noSuchBucket,
  noSuchKey,
  noSuchVersion,
} from './store-results.ts'
import { shownVersionId } from './version-id.ts'

/** The addressed version, delete markers included. Errors: NoSuchBucket, NoSuchKey, NoSuchVersion; AccessDenied as S3. */
async function readAny(context: OperationContext, versionId: string | null): Promise<VersionRecord> {
  const bucket = addressedBucket(context)
  const key = addressedKey(context.request)
  const result = await context.store.versions.read({ bucket: bucket.name, key, versionId })
  switch (result.kind) {
    case 'found':
      // Rights were judged by another bucket's record: its name has passed on meanwhile.
      if (result.bucket.id !== bucket.id) throw noSuchBucket(bucket.name)
      return result.version
    case 'noSuchBucket':
      throw noSuchBucket(bucket.name)
    case 'noSuchKey':
      throw hiddenOr(context, noSuchKey(key))
    case 'noSuchVersion':
      throw hiddenOr(context, noSuchVersion(key, versionId))
    default:
      return unreachable(result, 'every result of a read has its answer')
  }
}

/** Who may not list does not learn which keys exist (AWS: 403 instead of 404). */
function hiddenOr(context: OperationContext, error: S3Error): S3Error {
  return context.may('s3:ListBucket', null) ? error : new S3Error('AccessDenied')
}

/**
 * The addressed version that has bytes. A delete marker is 404 as the current version and 405 by its version id; both
 * answers say that it is one.
 */
export async function readObject(
  context: OperationContext,
  versionId: string | null,
): Promise<ObjectVersion> {
  const version = await readAny(context, versionId)
  if (isObject(version)) return version
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': shownVersionId(version) }
  if (versionId === null) throw hiddenOr(context, noSuchKey(version.key, headers))
  const modified = { 'last-modified': formatHttpDate(version.lastModifiedMs) }
  throw deleteMarkerNotAllowed(context.request.method, { ...headers, ...modified })
}

type KnownLock = Extract<ObjectLockState, { kind: 'known' }>

/**
 * The addressed version's lock. Errors: those of `readObject` (the object comes before the bucket's lock), then E4. A
 * lock that cannot be read is an error and never "no lock".
 */
export async function readLock(context: OperationContext, versionId: string | null): Promise<KnownLock> {
  const { lock } = await readObject(context, versionId)
  if (addressedBucket(context).objectLock === null) throw bucketLockMissing()
  if (lock.kind === 'unknown') {
    throw new S3Error('InternalError', {
      message: 'The lock of this version cannot be read; the version is treated as locked.',
    })
  }
  return lock
}
