import { describe, expect, test } from 'vitest'
import { AssertionError } from '../../../src/lib/assert.ts'
import { NoRoomError, VolumeFullError, VolumeReadOnlyError } from '../../../src/lib/read-only.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import { errorAnswer, judgeError } from '../../../src/server/error-answer.ts'
import {
  BodyCorruptError,
  BodyMissingError,
  BodyStoreFailedError,
  BodyStoreFullError,
  BodyTooLargeError,
  BodyUnavailableError,
} from '../../../src/store/bodies/contract.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { StorageFullError } from '../../../src/store/free-space.ts'
import {
  StoreFailedError,
  TransactionConflictError,
  TransactionTooLargeError,
  TransactionTooOldError,
} from '../../../src/store/kv/contract.ts'
import { QuarantinedError } from '../../../src/store/quarantine.ts'
import { ServerEpochEndedError } from '../../../src/store/volume.ts'

const place = { resource: '/b/k', requestId: 'R', hostId: 'H' }

describe('errors', () => {
  const cases: readonly (readonly [thrown: Error, code: string, status: number, consequence: string])[] = [
    [new S3Error('NoSuchKey'), 'NoSuchKey', 404, 'none'],
    [new TransactionConflictError('x'), 'SlowDown', 503, 'none'],
    [new TransactionTooOldError('x'), 'SlowDown', 503, 'none'],
    [new StorageFullError('x'), 'InsufficientStorage', 507, 'none'],
    [new BodyStoreFullError('x'), 'InsufficientStorage', 507, 'none'],
    [new NoRoomError('x'), 'InsufficientStorage', 507, 'none'],
    [new VolumeFullError('x'), 'InsufficientStorage', 507, 'none'],
    [new VolumeReadOnlyError('x'), 'ServiceUnavailable', 503, 'none'],
    [new BodyUnavailableError('x'), 'SlowDown', 503, 'none'],
    [new BodyTooLargeError('x'), 'EntityTooLarge', 400, 'none'],
    [new StoreFailedError('x'), 'ServiceUnavailable', 503, 'restart'],
    [new BodyStoreFailedError('x'), 'ServiceUnavailable', 503, 'restart'],
    [new ServerEpochEndedError('x'), 'ServiceUnavailable', 503, 'restart'],
    [new BodyCorruptError('x'), 'InternalError', 500, 'none'],
    [new BodyMissingError('x'), 'InternalError', 500, 'none'],
    [new CorruptRecordError('x'), 'InternalError', 500, 'none'],
    [new AssertionError('x'), 'InternalError', 500, 'fault'],
    [new TransactionTooLargeError('x'), 'InternalError', 500, 'fault'],
    [new TypeError('secret detail'), 'InternalError', 500, 'fault'],
  ]
  for (const [thrown, code, status, consequence] of cases) {
    test(`Error: ${thrown.name}, ${status} ${code} and ${consequence} for the server`, () => {
      const judged = judgeError(thrown)
      expect([judged.error.code, judged.error.detail.status, judged.consequence]).toEqual([
        code,
        status,
        consequence,
      ])
    })
  }

  test('Error: a value that is no error, InternalError', () => {
    expect(judgeError('x').error.code).toBe('InternalError')
  })

  test('Error: an unexpected one, nothing of it in the answer', () => {
    const answer = errorAnswer(judgeError(new TypeError('secret detail')).error, place)
    expect(answer.body).not.toContain('secret')
    expect(answer.body).toContain('<Code>InternalError</Code><Message>We encountered an internal error.')
  })

  test('Error: bytes that are known to be damaged, the client is not told to try again', () => {
    const { error, consequence } = judgeError(new QuarantinedError('list 1 is in quarantine'))
    expect([error.code, error.detail.status, consequence]).toEqual(['InternalError', 500, 'none'])
    expect(errorAnswer(error, place).body).toContain(
      '<Message>Bytes of this object are damaged on the server ',
    )
  })

  test('Error: NotModified, no body', () => {
    const error = new S3Error('NotModified', { headers: { etag: '"e"' } })
    expect(errorAnswer(error, place)).toEqual({ status: 304, headers: { etag: '"e"' }, body: null })
  })
})
