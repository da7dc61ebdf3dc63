import { emptyAnswer } from '../answers.ts'
import { deleteBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'
import { demandOwnAccount } from '../own-account.ts'

/** 204 also where there was none. Errors: MethodNotAllowed for another account. */
export const DeleteBucketPolicy = defineOperation({
  name: 'DeleteBucketPolicy',
  match: { method: 'DELETE', level: 'bucket', query: ['policy'] },
  permission: 's3:DeleteBucketPolicy',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    demandOwnAccount(context)
    await deleteBucketDocument(context, 'policy')
    return emptyAnswer(204)
  },
})
