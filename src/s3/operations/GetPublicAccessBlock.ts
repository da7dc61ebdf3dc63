import { xmlAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { publicAccessBlockXml } from '../public-access.ts'

/** All four settings are on, for every bucket. */
export const GetPublicAccessBlock = defineOperation({
  name: 'GetPublicAccessBlock',
  match: { method: 'GET', level: 'bucket', query: ['publicAccessBlock'] },
  permission: 's3:GetBucketPublicAccessBlock',
  body: { kind: 'none' },
  parse: () => null,
  handle: async () => xmlAnswer(publicAccessBlockXml()),
})
