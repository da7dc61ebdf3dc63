import { unreachable } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectLockChange } from '../../store/store.ts'
import { addressedBucket } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { demandDocumentChecksum } from '../lock-headers.ts'
import { parseLockConfiguration } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import type { Profile } from '../profiles/profile.ts'
import { S3Error } from '../s3-error.ts'
import { noLockConfiguration, noSuchBucket } from '../store-results.ts'

/**
 * Switches Object Lock on for good and sets or (Enabled without Rule) removes the default rule; existing versions keep what
 * was stamped on them. x-amz-bucket-object-lock-token is accepted and has no effect. Errors: E17, E22, E8, E14, E15, E6; 403
 * below the floor of the bucket's policy.
 */
export const PutObjectLockConfiguration = defineOperation<ObjectLockChange>({
  name: 'PutObjectLockConfiguration',
  match: { method: 'PUT', level: 'bucket', query: ['object-lock'] },
  permission: 's3:PutBucketObjectLockConfiguration',
  body: { kind: 'document', bytesMax: limits.lockDocumentBytesMax },
  parse: (input) => {
    const { bucket, profile } = input
    demandDocumentChecksum(input, 'lockConfiguration')
    const wanted = parseLockConfiguration(input.document, profile)
    if (bucket !== null && bucket.objectLock === null) demandExistingBucket(profile)
    if (wanted.kind !== 'clearExistingRule') return wanted
    if (bucket !== null && bucket.objectLock === null) throw noLockConfiguration(bucket.name)
    return { kind: 'clearRule' }
  },
  handle: async (context, change) => {
    const { name } = addressedBucket(context)
    const result = await context.store.buckets.putObjectLockConfiguration(context.actor, name, change)
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

/** Some vendors have Object Lock from a bucket's creation or never. */
function demandExistingBucket({ configuration: { existingBucket } }: Profile): void {
  if (existingBucket === 'enabled') return
  throw new S3Error(existingBucket, {
    message: 'Object Lock can only be enabled when the bucket is created.',
    situation: 'ExistingBucket',
  })
}
