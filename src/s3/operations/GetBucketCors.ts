import { xmlAnswer } from '../answers.ts'
import { readBucketDocument } from '../bucket-document.ts'
import { corsCodec } from '../cors.ts'
import { corsXml } from '../cors-xml.ts'
import { defineOperation } from '../operation.ts'

/** Errors: NoSuchCORSConfiguration. */
export const GetBucketCors = defineOperation({
  name: 'GetBucketCors',
  match: { method: 'GET', level: 'bucket', query: ['cors'] },
  permission: 's3:GetBucketCORS',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const text = await readBucketDocument(context, 'cors', 'NoSuchCORSConfiguration')
    return xmlAnswer(corsXml(corsCodec.decode(text).rules))
  },
})
