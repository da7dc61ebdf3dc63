import { addressedBucket } from '../addressed.ts'
import { emptyAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'

/** Existence and access; the answer names the region. */
export const HeadBucket = defineOperation({
  name: 'HeadBucket',
  match: { method: 'HEAD', level: 'bucket' },
  permission: 's3:ListBucket',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const { region } = addressedBucket(context)
    return emptyAnswer(200, { 'x-amz-bucket-region': region, 'x-amz-access-point-alias': 'false' })
  },
})
