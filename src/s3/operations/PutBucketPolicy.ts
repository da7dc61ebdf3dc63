import { limits } from '../../lib/limits.ts'
import { emptyAnswer } from '../answers.ts'
import { putBucketDocument } from '../bucket-document.ts'
import { defineOperation } from '../operation.ts'
import { demandOwnAccount } from '../own-account.ts'
import { isPublicPolicy, parsePolicy } from '../policy/parse-policy.ts'
import { S3Error } from '../s3-error.ts'

type Input = { readonly text: string; readonly isPublic: boolean }

/**
 * Replaces the bucket's policy; from the next request on it is in force in every worker. Errors: MalformedPolicy for all that is
 * not understood, AccessDenied for a public one, MethodNotAllowed for another account.
 */
export const PutBucketPolicy = defineOperation<Input>({
  name: 'PutBucketPolicy',
  match: { method: 'PUT', level: 'bucket', query: ['policy'] },
  permission: 's3:PutBucketPolicy',
  body: { kind: 'document', bytesMax: limits.bucketPolicyBytesMax },
  parse: ({ request, document }) => ({
    text: document,
    isPublic: isPublicPolicy(parsePolicy(document, request.bucket ?? '')),
  }),
  handle: async (context, { text, isPublic }) => {
    demandOwnAccount(context)
    if (isPublic) {
      throw new S3Error('AccessDenied', {
        message:
          'Access Denied because public policies are prevented by the BlockPublicPolicy setting in ' +
          'S3 Block Public Access.',
      })
    }
    await putBucketDocument(context, 'policy', text)
    return emptyAnswer(204)
  },
})
