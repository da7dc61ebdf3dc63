import { xmlAnswer } from '../answers.ts'
import { ownershipControlsXml } from '../object-ownership.ts'
import { defineOperation } from '../operation.ts'

/** BucketOwnerEnforced, for every bucket. */
export const GetBucketOwnershipControls = defineOperation({
  name: 'GetBucketOwnershipControls',
  match: { method: 'GET', level: 'bucket', query: ['ownershipControls'] },
  permission: 's3:GetBucketOwnershipControls',
  body: { kind: 'none' },
  parse: () => null,
  handle: async () => xmlAnswer(ownershipControlsXml()),
})
