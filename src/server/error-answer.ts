import { AssertionError } from '../lib/assert.ts'
import { isWritesRefusal } from '../lib/read-only.ts'
import { renderError } from '../s3/error-document.ts'
import type { S3Response } from '../s3/operation.ts'
import { S3Error } from '../s3/s3-error.ts'
import { writesRefused } from '../s3/store-results.ts'
import {
  BodyCorruptError,
  BodyMissingError,
  BodyStoreFailedError,
  BodyStoreFullError,
  BodyTooLargeError,
  BodyUnavailableError,
} from '../store/bodies/contract.ts'
import { CorruptRecordError } from '../store/fields.ts'
import { StorageFullError } from '../store/free-space.ts'
import { StoreFailedError, TransactionConflictError, TransactionTooOldError } from '../store/kv/contract.ts'
import { QuarantinedError } from '../store/quarantine.ts'
import { ServerEpochEndedError } from '../store/volume.ts'

/** What an error means for the server itself, beside its answer. */
export type Consequence =
  /** The client's affair, or a passing one. */
  | 'none'
  /** A bug: logged and counted, and another worker takes the place of this one. */
  | 'fault'
  /** The store cannot be used any more: this process must end and start again. */
  | 'restart'

export type JudgedError = { readonly error: S3Error; readonly consequence: Consequence }

/** Every error's row of the table. Nothing of an unexpected error is told to the client. */
export function judgeError(thrown: unknown): JudgedError {
  if (thrown instanceof S3Error) return { error: thrown, consequence: 'none' }
  const cause = thrown
  if (
    thrown instanceof TransactionConflictError ||
    thrown instanceof TransactionTooOldError ||
    thrown instanceof BodyUnavailableError
  ) {
    return { error: new S3Error('SlowDown', { cause }), consequence: 'none' }
  }
  if (thrown instanceof StorageFullError || thrown instanceof BodyStoreFullError) {
    return { error: new S3Error('InsufficientStorage', { cause }), consequence: 'none' }
  }
  if (isWritesRefusal(thrown)) return { error: writesRefused(thrown), consequence: 'none' }
  if (thrown instanceof BodyTooLargeError)
    return { error: new S3Error('EntityTooLarge', { cause }), consequence: 'none' }
  if (
    thrown instanceof StoreFailedError ||
    thrown instanceof BodyStoreFailedError ||
    thrown instanceof ServerEpochEndedError
  ) {
    return { error: new S3Error('ServiceUnavailable', { cause }), consequence: 'restart' }
  }
  if (thrown instanceof QuarantinedError)
    return { error: new S3Error('InternalError', { message: knownDamage, cause }), consequence: 'none' }
  return { error: new S3Error('InternalError', { cause }), consequence: isFault(thrown) ? 'fault' : 'none' }
}

/** S3's own words would have the client try again, in vain. */
const knownDamage =
  'Bytes of this object are damaged on the server and are not given out. Trying again does not help: whoever runs the server ' +
  'has to bring them back from a backup.'

/** A damaged body or record concerns itself only: the others are served, and readiness stays. */
function isFault(thrown: unknown): boolean {
  const isDamage =
    thrown instanceof BodyCorruptError ||
    thrown instanceof BodyMissingError ||
    thrown instanceof CorruptRecordError
  return !isDamage || thrown instanceof AssertionError
}

export type ErrorPlace = { readonly resource: string; readonly requestId: string; readonly hostId: string }

export function errorAnswer(error: S3Error, place: ErrorPlace): S3Response {
  if (error.detail.status === 304) return { status: 304, headers: error.detail.headers, body: null }
  return {
    status: error.detail.status,
    headers: { 'content-type': 'application/xml', ...error.detail.headers },
    body: renderError(error, place),
  }
}
