import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { changeLockError } from '../store-results.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'

/** Removes all tags of a version. */
export const DeleteObjectTagging = defineOperation<string | null>({
  name: 'DeleteObjectTagging',
  match: { method: 'DELETE', level: 'object', query: ['tagging'] },
  permission: 's3:DeleteObjectTagging',
  versionPermission: 's3:DeleteObjectVersionTagging',
  body: { kind: 'none' },
  parse: ({ request }) => versionIdOf(request.query),
  handle: async (context, versionId) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    const change = { bucket: bucket.name, key, versionId, tags: {} }
    const result = await context.store.versions.putTags(context.actor, change)
    if (result.kind !== 'changed') throw changeLockError(result, { bucket, key, versionId }, 'DELETE')
    return emptyAnswer(204, versionIdHeader(bucket, result.version))
  },
})
