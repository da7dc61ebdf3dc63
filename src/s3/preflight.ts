/**
 * OPTIONS of a bucket or key: a browser's question before the request of a script, without a signature, as S3 answers it.
 * The bucket's rules are all that an answer depends on: a bucket without rules and one that is not there answer alike, and
 * no key is ever looked up.
 */
import type { BucketRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { emptyAnswer } from './answers.ts'
import { type CorsRule, corsCodec, corsHeaders, corsRequest } from './cors.ts'
import type { S3Response } from './operation.ts'
import type { RequestHead } from './route.ts'
import { S3Error } from './s3-error.ts'

type Head = Pick<RequestHead, 'method' | 'headers' | 'bucket' | 'key'>

export function isPreflight({ method, bucket }: Head): boolean {
  return method === 'OPTIONS' && bucket !== null
}

/** Errors: BadRequest for a question that is not whole, AccessForbidden where no rule allows what is asked. */
export async function answerPreflight(store: Store, head: Head): Promise<S3Response> {
  const request = corsRequest(head.method, head.headers)
  if (request === null) throw insufficient('Origin')
  const rules = await rulesOf(store, head.bucket)
  // S3 names the method that was asked for, and OPTIONS where none was.
  if (rules === null)
    throw new S3Error('AccessForbidden', { extra: { Method: request.method, ResourceType: 'BUCKET' } })
  if (head.headers['access-control-request-method'] === undefined)
    throw insufficient('Access-Control-Request-Method')
  const headers = corsHeaders(rules, request)
  if (headers !== null) return emptyAnswer(200, headers)
  throw new S3Error('AccessForbidden', {
    message:
      'CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / ' +
      "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
    extra: { Method: request.method, ResourceType: head.key === null ? 'BUCKET' : 'OBJECT' },
  })
}

/** The headers that an actual answer carries, refusals included; none where no browser asked or no rule fits. */
export async function answerCorsHeaders(store: Store, head: Head): Promise<Readonly<Record<string, string>>> {
  const request = corsRequest(head.method, head.headers)
  if (request === null) return {}
  const rules = await rulesOf(store, head.bucket)
  return (rules === null ? null : corsHeaders(rules, request)) ?? {}
}

/** null: there is no bucket, or it has no rules. */
async function rulesOf(store: Store, name: string | null): Promise<readonly CorsRule[] | null> {
  const bucket: BucketRecord | null = name === null ? null : await store.buckets.read(name)
  const text = bucket === null ? null : await store.documents.read(bucket, 'cors')
  return text === null ? null : corsCodec.decode(text).rules
}

function insufficient(header: string): S3Error {
  return new S3Error('BadRequest', {
    message: `Insufficient information. ${header} request header needed.`,
  })
}
