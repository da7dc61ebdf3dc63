import type { S3Response } from './operation.ts'

type Headers = Readonly<Record<string, string>>

export function xmlAnswer(body: string, headers: Headers = {}): S3Response {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body }
}

export function emptyAnswer(status: 200 | 204, headers: Headers = {}): S3Response {
  return { status, headers, body: null }
}
