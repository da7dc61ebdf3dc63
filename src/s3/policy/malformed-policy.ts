import { S3Error } from '../s3-error.ts'

/** AWS's sentence, and in `Detail` which part of the policy it is about. */
export function malformedPolicy(message: string, detail: string): S3Error {
  return new S3Error('MalformedPolicy', { message, extra: { Detail: detail } })
}
