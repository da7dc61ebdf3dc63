import { readBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'
import { demandOwnAccount } from '../own-account.ts'

/** The policy byte for byte as it was put. Errors: NoSuchBucketPolicy, MethodNotAllowed for another account. */
export const GetBucketPolicy = defineOperation({
  name: 'GetBucketPolicy',
  match: { method: 'GET', level: 'bucket', query: ['policy'] },
  permission: 's3:GetBucketPolicy',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    demandOwnAccount(context)
    const text = await readBucketDocument(context, 'policy', 'NoSuchBucketPolicy')
    return { status: 200, headers: { 'content-type': 'application/json' }, body: text }
  },
})
