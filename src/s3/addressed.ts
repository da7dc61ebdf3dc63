import { assert } from '../lib/assert.ts'
import type { BucketRecord } from '../store/records.ts'
import type { OperationContext, S3Request } from './operation.ts'

/** The addressed bucket: bucket and object operations run only when it was read. */
export function addressedBucket(context: OperationContext): BucketRecord {
  assert(context.bucket !== null, 'a bucket operation has its bucket')
  return context.bucket
}

/** The addressed key: object operations are matched on it. */
export function addressedKey(request: S3Request): string {
  assert(request.key !== null, 'an object operation has its key')
  return request.key
}
