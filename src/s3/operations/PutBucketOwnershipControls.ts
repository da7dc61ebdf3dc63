import { limits } from '../../lib/limits.ts'
import { emptyAnswer } from '../answers.ts'
import { parseOwnershipControls } from '../object-ownership.ts'
import { defineOperation } from '../operation.ts'

/** BucketOwnerEnforced is 200 and changes nothing. Errors: NotImplemented for another ownership, MalformedXML. */
export const PutBucketOwnershipControls = defineOperation({
  name: 'PutBucketOwnershipControls',
  match: { method: 'PUT', level: 'bucket', query: ['ownershipControls'] },
  permission: 's3:PutBucketOwnershipControls',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: ({ document }) => parseOwnershipControls(document),
  handle: async () => emptyAnswer(200),
})
