import { onlyEnforced } from '../object-ownership.ts'
import { defineOperation } from '../operation.ts'

/** Always NotImplemented: a 204 would say that another ownership holds from now on. */
export const DeleteBucketOwnershipControls = defineOperation({
  name: 'DeleteBucketOwnershipControls',
  match: { method: 'DELETE', level: 'bucket', query: ['ownershipControls'] },
  permission: 's3:PutBucketOwnershipControls',
  body: { kind: 'none' },
  parse: () => null,
  handle: async () => {
    throw onlyEnforced()
  },
})
