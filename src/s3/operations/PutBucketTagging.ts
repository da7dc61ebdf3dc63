import { limits } from '../../lib/limits.ts'
import { bucketTagsCodec } from '../../store/tags-document.ts'
import { emptyAnswer } from '../answers.ts'
import { deleteBucketDocument, putBucketDocument } from '../bucket-document.ts'
import { demandDocumentChecksum } from '../lock-headers.ts'
import { defineOperation } from '../operation.ts'
import { parseBucketTagging, type Tags } from '../tagging.ts'

/** Replaces all tags of the bucket; an empty set removes them. Errors: E17, E8, BadRequest (more than 50), InvalidTag. */
export const PutBucketTagging = defineOperation<Tags>({
  name: 'PutBucketTagging',
  match: { method: 'PUT', level: 'bucket', query: ['tagging'] },
  permission: 's3:PutBucketTagging',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: ({ request, bucket, profile, document }) => {
    demandDocumentChecksum({ request, bucket, profile }, 'other')
    return parseBucketTagging(document)
  },
  handle: async (context, tags) => {
    if (Object.keys(tags).length === 0) await deleteBucketDocument(context, 'tagging')
    else await putBucketDocument(context, 'tagging', bucketTagsCodec.encode({ tags }))
    return emptyAnswer(204)
  },
})
