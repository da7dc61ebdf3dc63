import { emptyAnswer } from '../answers.ts'
import { deleteBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'

/** From here on nothing of the bucket expires. S3 has no permission of its own for it. */
export const DeleteBucketLifecycle = defineOperation({
  name: 'DeleteBucketLifecycle',
  match: { method: 'DELETE', level: 'bucket', query: ['lifecycle'] },
  permission: 's3:PutLifecycleConfiguration',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    await deleteBucketDocument(context, 'lifecycle')
    return emptyAnswer(204)
  },
})
