/** The CORS headers of answers to requests that a browser sends for another origin's script. */
import type { Log } from '../lib/log.ts'
import type { S3Response } from '../s3/operation.ts'
import { answerCorsHeaders, isPreflight } from '../s3/preflight.ts'
import type { RequestHead } from '../s3/route.ts'
import type { Store } from '../store/store.ts'

/**
 * Refusals carry them too. The request is done by now: rules that cannot be read take the headers away, so that the browser
 * keeps the answer from the script, and nothing else.
 */
export async function withCorsHeaders(
  { store, log }: { readonly store: Store; readonly log: Log },
  head: RequestHead | null,
  answer: S3Response,
): Promise<S3Response> {
  if (head === null || head.headers['origin'] === undefined || isPreflight(head)) return answer
  try {
    return { ...answer, headers: { ...answer.headers, ...(await answerCorsHeaders(store, head)) } }
  } catch (error) {
    log.error({ error, bucket: head.bucket }, 'CORS rules that cannot be read: the answer goes without them')
    return answer
  }
}
