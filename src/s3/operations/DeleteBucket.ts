import { unreachable } from '../../lib/assert.ts'
import type { BucketRecord } from '../../store/records.ts'
import { addressedBucket } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { asksForce } from '../force.ts'
import { defineOperation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { noSuchBucket } from '../store-results.ts'

/**
 * Removes an empty bucket; the store looks again in the transaction of the removal. The vendors' extensions that empty a
 * bucket first are recognised so that they are refused where Object Lock is on, and never done anywhere (D24).
 */
export const DeleteBucket = defineOperation({
  name: 'DeleteBucket',
  match: { method: 'DELETE', level: 'bucket' },
  permission: 's3:DeleteBucket',
  body: { kind: 'none' },
  parse: ({ request, bucket }) => {
    if (bucket !== null && bucket.objectLock !== null && asksForce(request)) {
      throw new S3Error('MethodNotAllowed', {
        message: 'A bucket with Object Lock is never emptied by force.',
        extra: { Method: request.method, ResourceType: 'Bucket' },
      })
    }
    return null
  },
  handle: async (context) => {
    const bucket = addressedBucket(context)
    const result = await context.store.buckets.delete(context.actor, bucket.name)
    switch (result.kind) {
      case 'deleted':
        return emptyAnswer(204)
      case 'noSuchBucket':
        throw noSuchBucket(bucket.name)
      case 'notEmpty':
        throw notEmpty(bucket)
      case 'managed':
        throw new S3Error('AccessDenied', {
          message: `Access Denied because LockedBucket ${result.owner.namespace}/${result.owner.name} manages this bucket.`,
        })
      default:
        return unreachable(result, 'every result of DeleteBucket has its answer')
    }
  },
})

function notEmpty(bucket: BucketRecord): S3Error {
  const extra = { BucketName: bucket.name }
  if (bucket.versioning !== 'Unversioned') return new S3Error('BucketNotEmpty', { extra })
  return new S3Error('BucketNotEmpty', { message: 'The bucket you tried to delete is not empty', extra })
}
