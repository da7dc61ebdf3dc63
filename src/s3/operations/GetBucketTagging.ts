import { bucketTagsCodec } from '../../store/tags-document.ts'
import { xmlAnswer } from '../answers.ts'
import { readBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'
import { taggingXml } from '../tagging.ts'

/** Errors: NoSuchTagSet. */
export const GetBucketTagging = defineOperation({
  name: 'GetBucketTagging',
  match: { method: 'GET', level: 'bucket', query: ['tagging'] },
  permission: 's3:GetBucketTagging',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const text = await readBucketDocument(context, 'tagging', 'NoSuchTagSet')
    return xmlAnswer(taggingXml(bucketTagsCodec.decode(text).tags))
  },
})
