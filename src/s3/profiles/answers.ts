/** How a profile answers: errors in its words, documents in its namespace, headers in its family. */
import type { S3Response } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { s3Namespace } from '../xml.ts'
import { obs } from './obs.ts'
import { usesObsHeaders } from './obs-headers.ts'
import type { Profile } from './profile.ts'

/** What is known of a request's dialect so far; an error may come before its bucket is read. */
export type Dialect = {
  profile: Profile
  /** null: not chosen yet. */
  operation: string | null
  /** The client's headers, as they came. */
  headers: Readonly<Record<string, string>>
}

/** The error in the profile's words; the same error where it has none of its own. */
export function reworded({ profile, operation }: Omit<Dialect, 'headers'>, error: S3Error): S3Error {
  const row = profile.rewordings.find(
    ({ operations, codes, situations }) =>
      codes.includes(error.code) &&
      (operations === undefined || (operation !== null && operations.includes(operation))) &&
      (situations === undefined || (error.situation !== null && situations.includes(error.situation))),
  )
  if (row === undefined) return error
  const { detail } = error
  const { code = error.code, status, message = detail.message } = row.to
  return new S3Error(code, {
    message,
    headers: detail.headers,
    // The elements explain S3's code: with another one they would explain nothing.
    extra: code === error.code ? detail.extra : {},
    cause: error,
    ...(status === undefined ? {} : { status }),
  })
}

export type AnswerIds = { readonly requestId: string; readonly hostId: string }

/** Namespace and header family of OBS go also to who sends its headers, whatever the bucket's profile. */
export function dressed({ profile, headers }: Dialect, answer: S3Response, ids: AnswerIds): S3Response {
  const { server, headerFamily } = profile.answers
  const family = usesObsHeaders(headers) ? 'obs' : headerFamily
  return {
    status: answer.status,
    headers: {
      ...(family === 'obs' ? obsTwins(answer.headers, ids) : {}),
      ...answer.headers,
      server,
    },
    body: typeof answer.body === 'string' ? inNamespace({ profile, headers }, answer.body) : answer.body,
  }
}

/** Documents are written in S3's namespace, on their root: the first place where it can be. */
export function inNamespace({ profile, headers }: Omit<Dialect, 'operation'>, document: string): string {
  const { namespace } = usesObsHeaders(headers) ? obs.answers : profile.answers
  return namespace === s3Namespace
    ? document
    : document.replace(`xmlns="${s3Namespace}"`, `xmlns="${namespace}"`)
}

function obsTwins(headers: S3Response['headers'], { requestId, hostId }: AnswerIds): S3Response['headers'] {
  const twins = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-'))
  return {
    ...Object.fromEntries(twins.map(([name, value]) => [`x-obs-${name.slice('x-amz-'.length)}`, value])),
    'x-obs-request-id': requestId,
    'x-obs-id-2': hostId,
  }
}
