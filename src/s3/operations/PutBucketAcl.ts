import { limits } from '../../lib/limits.ts'
import { parseAccessControl } from '../access-control.ts'
import { emptyAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'

/** Changes nothing: only the list that holds anyway is taken. Errors: AccessControlListNotSupported, MalformedACLError. */
export const PutBucketAcl = defineOperation({
  name: 'PutBucketAcl',
  match: { method: 'PUT', level: 'bucket', query: ['acl'] },
  permission: 's3:PutBucketAcl',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: parseAccessControl,
  handle: async () => emptyAnswer(200),
})
