import { defineOperation } from '../operation.ts'
import { publicAccessStaysBlocked } from '../public-access.ts'

/** Always AccessDenied: a 204 would say that the settings are gone, and they are not. */
export const DeletePublicAccessBlock = defineOperation({
  name: 'DeletePublicAccessBlock',
  match: { method: 'DELETE', level: 'bucket', query: ['publicAccessBlock'] },
  permission: 's3:PutBucketPublicAccessBlock',
  body: { kind: 'none' },
  parse: () => null,
  handle: async () => {
    throw publicAccessStaysBlocked()
  },
})
