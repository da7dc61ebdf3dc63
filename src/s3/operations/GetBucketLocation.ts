import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { xmlDocument } from '../xml.ts'

/** The region; S3 writes us-east-1 as an empty element. */
export const GetBucketLocation = defineOperation({
  name: 'GetBucketLocation',
  match: { method: 'GET', level: 'bucket', query: ['location'] },
  permission: 's3:GetBucketLocation',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const { region } = addressedBucket(context)
    return xmlAnswer(xmlDocument('LocationConstraint', region === 'us-east-1' ? '' : region))
  },
})
