import { accessControlXml } from '../access-control.ts'
import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'

/** Always the owner with FULL_CONTROL. */
export const GetBucketAcl = defineOperation({
  name: 'GetBucketAcl',
  match: { method: 'GET', level: 'bucket', query: ['acl'] },
  permission: 's3:GetBucketAcl',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => xmlAnswer(accessControlXml(addressedBucket(context).accountId)),
})
