import { unreachable } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import type { DefaultRetention } from '../../lock/types.ts'
import { addressedBucket } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { demandDocumentChecksum } from '../lock-headers.ts'
import { parseLockConfiguration } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { noSuchBucket } from '../store-results.ts'

/**
 * Switches Object Lock on for good and sets or (Enabled without Rule) removes the default rule; existing versions keep what
 * was stamped on them. x-amz-bucket-object-lock-token is accepted and has no effect. Errors: E17, E22, E8, E14, E15, E6; 403
 * below the floor of the bucket's policy.
 */
export const PutObjectLockConfiguration = defineOperation<DefaultRetention | null>({
  name: 'PutObjectLockConfiguration',
  match: { method: 'PUT', level: 'bucket', query: ['object-lock'] },
  permission: 's3:PutBucketObjectLockConfiguration',
  body: { kind: 'document', bytesMax: limits.lockDocumentBytesMax },
  parse: ({ request, bucket, document }) => {
    demandDocumentChecksum(request.headers, bucket)
    return parseLockConfiguration(document)
  },
  handle: async (context, defaultRetention) => {
    const { name } = addressedBucket(context)
    const result = await context.store.buckets.putObjectLockConfiguration(
      context.actor,
      name,
      defaultRetention === null ? { kind: 'clearRule' } : { kind: 'enable', defaultRetention },
    )
    switch (result.kind) {
      case 'changed':
        return emptyAnswer(200)
      case 'noSuchBucket':
        throw noSuchBucket(name)
      case 'versioningNotEnabled':
        throw new S3Error('InvalidBucketState', {
          message: "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        })
      case 'belowFloor':
        throw new S3Error('AccessDenied', {
          message:
            'Access Denied because the default retention would fall below RetentionPolicy ' +
            `${result.policy.namespace}/${result.policy.name}.`,
        })
      default:
        return unreachable(result, 'every result of PutObjectLockConfiguration has its answer')
    }
  },
})
