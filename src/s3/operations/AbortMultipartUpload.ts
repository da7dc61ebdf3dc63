import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { uploadIdOf } from '../multipart.ts'
import { headerNotImplemented } from '../object-description.ts'
import { defineOperation } from '../operation.ts'
import { noSuchBucket, noSuchUpload } from '../store-results.ts'

/** Drops an upload and its parts: parts are not protected by any lock. */
export const AbortMultipartUpload = defineOperation<string>({
  name: 'AbortMultipartUpload',
  match: { method: 'DELETE', level: 'object', query: ['uploadId'] },
  permission: 's3:AbortMultipartUpload',
  body: { kind: 'none' },
  parse: ({ request: { query, headers } }) => {
    // A condition of directory buckets: never gone on without.
    if (headers['x-amz-if-match-initiated-time'] !== undefined) {
      throw headerNotImplemented('x-amz-if-match-initiated-time')
    }
    return uploadIdOf(query)
  },
  handle: async (context, uploadId) => {
    const bucket = addressedBucket(context).name
    const address = { bucket, key: addressedKey(context.request), uploadId }
    const result = await context.store.uploads.abort(context.actor, address)
    if (result.kind === 'aborted') return emptyAnswer(204)
    throw result.kind === 'noSuchBucket' ? noSuchBucket(bucket) : noSuchUpload(uploadId)
  },
})
