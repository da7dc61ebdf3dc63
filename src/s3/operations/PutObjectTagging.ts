import { limits } from '../../lib/limits.ts'
import { addressedBucket, addressedKey } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { changeLockError } from '../store-results.ts'
import { parseTagging, type Tags } from '../tagging.ts'
import { versionIdHeader, versionIdOf } from '../version-id.ts'

type Input = { readonly tags: Tags; readonly versionId: string | null }

/** Replaces a version's tags. Tags are not part of what a lock protects (semantics 1.2). */
export const PutObjectTagging = defineOperation<Input>({
  name: 'PutObjectTagging',
  match: { method: 'PUT', level: 'object', query: ['tagging'] },
  permission: 's3:PutObjectTagging',
  versionPermission: 's3:PutObjectVersionTagging',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: ({ request, document }) => ({ versionId: versionIdOf(request.query), tags: parseTagging(document) }),
  handle: async (context, { tags, versionId }) => {
    const bucket = addressedBucket(context)
    const key = addressedKey(context.request)
    const result = await context.store.versions.putTags(context.actor, {
      bucket: bucket.name,
      key,
      versionId,
      tags,
    })
    if (result.kind !== 'changed') throw changeLockError(result, { bucket, key, versionId }, 'PUT')
    return emptyAnswer(200, versionIdHeader(bucket, result.version))
  },
})
