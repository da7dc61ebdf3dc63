import { limits } from '../../lib/limits.ts'
import { emptyAnswer } from '../answers.ts'
import { putBucketDocument } from '../bucket-document.ts'
import { type CorsRule, corsCodec } from '../cors.ts'
import { parseCors } from '../cors-xml.ts'
import { demandDocumentChecksum } from '../lock-headers.ts'
import { defineOperation } from '../operation.ts'

/** Which origins' scripts may read answers of this bucket; it opens nothing to anybody. Errors: E17, E8, InvalidRequest. */
export const PutBucketCors = defineOperation<readonly CorsRule[]>({
  name: 'PutBucketCors',
  match: { method: 'PUT', level: 'bucket', query: ['cors'] },
  permission: 's3:PutBucketCORS',
  body: { kind: 'document', bytesMax: limits.smallDocumentBytesMax },
  parse: ({ request, bucket, profile, document }) => {
    demandDocumentChecksum({ request, bucket, profile }, 'other')
    return parseCors(document)
  },
  handle: async (context, rules) => {
    await putBucketDocument(context, 'cors', corsCodec.encode({ rules }))
    return emptyAnswer(200)
  },
})
