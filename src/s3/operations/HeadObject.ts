import { defineOperation } from '../operation.ts'
import { answerRead, parseRead, type ReadInput } from '../read-answer.ts'

/** GetObject without the bytes. */
export const HeadObject = defineOperation<ReadInput>({
  name: 'HeadObject',
  match: { method: 'HEAD', level: 'object' },
  permission: 's3:GetObject',
  versionPermission: 's3:GetObjectVersion',
  body: { kind: 'none' },
  parse: parseRead,
  handle: async (context, input) => {
    const answer = await answerRead(context, input)
    return { status: answer.status, headers: answer.headers, body: null }
  },
})
