import { limits } from '../../lib/limits.ts'
import { parseAccessControl } from '../access-control.ts'
import { addressedBucket } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { readObject } from '../read-version.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'

/**
 * Changes nothing: only the list that holds anyway is taken, locked version or not. Errors: AccessControlListNotSupported,
 * MalformedACLError, NoSuchKey, E19, E20, E21.
 */
export const PutObjectAcl = defineOperation<string | null>({
  name: 'PutObjectAcl',
  match: { method: 'PUT', level: 'object', query: ['acl'] },
  permission: 's3:PutObjectAcl',
  versionPermission: 's3:PutObjectVersionAcl',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: (input) => {
    const versionId = versionIdOf(input.request.query)
    parseAccessControl(input)
    return versionId
  },
  handle: async (context, versionId) => {
    const version = await readObject(context, versionId)
    return emptyAnswer(200, versionIdHeader(addressedBucket(context), version))
  },
})
