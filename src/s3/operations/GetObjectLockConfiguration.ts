import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { lockConfigurationXml } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

/** Errors: E2 on a bucket without Object Lock. Prefix rules of a policy have no word in S3 and are not printed. */
export const GetObjectLockConfiguration = defineOperation({
  name: 'GetObjectLockConfiguration',
  match: { method: 'GET', level: 'bucket', query: ['object-lock'] },
  permission: 's3:GetBucketObjectLockConfiguration',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const { name, objectLock } = addressedBucket(context)
    if (objectLock === null) {
      throw new S3Error('ObjectLockConfigurationNotFoundError', { extra: { BucketName: name } })
    }
    return xmlAnswer(lockConfigurationXml(objectLock.retention.defaultRetention))
  },
})
