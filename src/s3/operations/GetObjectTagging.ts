import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { readObject } from '../read-version.ts'
import { taggingXml } from '../tagging.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'

/** A version's tags; none is an empty set. */
export const GetObjectTagging = defineOperation<string | null>({
  name: 'GetObjectTagging',
  match: { method: 'GET', level: 'object', query: ['tagging'] },
  permission: 's3:GetObjectTagging',
  versionPermission: 's3:GetObjectVersionTagging',
  body: { kind: 'none' },
  parse: ({ request }) => versionIdOf(request.query),
  handle: async (context, versionId) => {
    const version = await readObject(context, versionId)
    return xmlAnswer(taggingXml(version.object.tags), versionIdHeader(addressedBucket(context), version))
  },
})
