import { emptyAnswer } from '../answers.ts'
import { deleteBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'

/** 204 also where there are no rules. S3 has no permission of its own for it. */
export const DeleteBucketCors = defineOperation({
  name: 'DeleteBucketCors',
  match: { method: 'DELETE', level: 'bucket', query: ['cors'] },
  permission: 's3:PutBucketCORS',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    await deleteBucketDocument(context, 'cors')
    return emptyAnswer(204)
  },
})
