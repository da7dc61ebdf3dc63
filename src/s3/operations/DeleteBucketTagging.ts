import { emptyAnswer } from '../answers.ts'
import { deleteBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'

/** 204 also where there are no tags. S3 has no permission of its own for it. */
export const DeleteBucketTagging = defineOperation({
  name: 'DeleteBucketTagging',
  match: { method: 'DELETE', level: 'bucket', query: ['tagging'] },
  permission: 's3:PutBucketTagging',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    await deleteBucketDocument(context, 'tagging')
    return emptyAnswer(204)
  },
})
