import { BodyMissingError } from '../../store/bodies/contract.ts'
import { openObject } from '../open-object.ts'
import { defineOperation, type OperationContext, type S3Response } from '../operation.ts'
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
    try {
      return await read(context, input)
    } catch (error) {
      // The version went between the look and the bytes: whoever looks again finds what is there now.
      if (error instanceof BodyMissingError) return await read(context, input)
      throw error
    }
  },
})

async function read(context: OperationContext, input: ReadInput): Promise<S3Response> {
  const answer = await answerRead(context, input)
  const body = await openObject(context, answer.version, answer.range)
  return { status: answer.status, headers: answer.headers, body }
}
