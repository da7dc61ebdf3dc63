import { openObject } from '../open-object.ts'
import { defineOperation } from '../operation.ts'
import { answerRead, parseRead, type ReadInput } from '../read-answer.ts'

/** The bytes of a version, whole, by range or by part. Errors: NoSuchKey, E20, E19, PreconditionFailed, InvalidRange. */
export const GetObject = defineOperation<ReadInput>({
  name: 'GetObject',
  match: { method: 'GET', level: 'object' },
  permission: 's3:GetObject',
  versionPermission: 's3:GetObjectVersion',
  body: { kind: 'none' },
  parse: parseRead,
  handle: async (context, input) => {
    const answer = await answerRead(context, input)
    if (answer.kind === 'notModified') return { status: 304, headers: answer.headers, body: null }
    const body = await openObject(context, answer.version, answer.range)
    return { status: answer.status, headers: answer.headers, body }
  },
})
