import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { emptyLockConfigurationXml, lockConfigurationXml } from '../lock-xml.ts'
import { defineOperation } from '../operation.ts'
import { noLockConfiguration } from '../store-results.ts'

/** Errors: E2 on a bucket without Object Lock, or with a frozen one. Prefix rules of a policy have no word in S3 and are not printed. */
export const GetObjectLockConfiguration = defineOperation({
  name: 'GetObjectLockConfiguration',
  match: { method: 'GET', level: 'bucket', query: ['object-lock'] },
  permission: 's3:GetBucketObjectLockConfiguration',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const { name, objectLock } = addressedBucket(context)
    const { answers } = context.profile
    // A frozen bucket locks nothing new: it has no configuration to show.
    if (objectLock === null || objectLock.status === 'Frozen') {
      if (answers.noConfiguration === 'empty') return xmlAnswer(emptyLockConfigurationXml())
      throw noLockConfiguration(name)
    }
    return xmlAnswer(lockConfigurationXml(objectLock.retention.defaultRetention, answers))
  },
})
