import { accessControlXml } from '../access-control.ts'
import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { readObject } from '../read-version.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'

/** Always the bucket's owner with FULL_CONTROL. Errors: NoSuchKey, E19, E20, E21. */
export const GetObjectAcl = defineOperation<string | null>({
  name: 'GetObjectAcl',
  match: { method: 'GET', level: 'object', query: ['acl'] },
  permission: 's3:GetObjectAcl',
  versionPermission: 's3:GetObjectVersionAcl',
  body: { kind: 'none' },
  parse: ({ request }) => versionIdOf(request.query),
  handle: async (context, versionId) => {
    const bucket = addressedBucket(context)
    const version = await readObject(context, versionId)
    return xmlAnswer(accessControlXml(bucket.accountId), versionIdHeader(bucket, version))
  },
})
