import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { readBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'
import { demandOwnAccount } from '../own-account.ts'
import { isPublicPolicy, parsePolicy } from '../policy/parse-policy.ts'
import { element, xmlDocument } from '../xml.ts'

/** Judged anew from the stored policy. Errors: NoSuchBucketPolicy, MethodNotAllowed for another account. */
export const GetBucketPolicyStatus = defineOperation({
  name: 'GetBucketPolicyStatus',
  match: { method: 'GET', level: 'bucket', query: ['policyStatus'] },
  permission: 's3:GetBucketPolicyStatus',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    demandOwnAccount(context)
    const text = await readBucketDocument(context, 'policy', 'NoSuchBucketPolicy')
    const policy = parsePolicy(text, addressedBucket(context).name)
    return xmlAnswer(xmlDocument('PolicyStatus', [element('IsPublic', isPublicPolicy(policy))]))
  },
})
