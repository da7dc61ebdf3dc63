import { limits } from '../../lib/limits.ts'
import { emptyAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { parsePublicAccessBlock } from '../public-access.ts'

/** All four settings on is 200 and changes nothing. Errors: AccessDenied for anything less, MalformedXML. */
export const PutPublicAccessBlock = defineOperation({
  name: 'PutPublicAccessBlock',
  match: { method: 'PUT', level: 'bucket', query: ['publicAccessBlock'] },
  permission: 's3:PutBucketPublicAccessBlock',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: ({ document }) => parsePublicAccessBlock(document),
  handle: async () => emptyAnswer(200),
})
