/** Signed JSON requests to the admin API, one at a time per call, each with a deadline. */
import type { Clock } from '../lib/clock.ts'
import { sha256Hex } from '../sigv4/canonical.ts'
import { signingKeys } from '../sigv4/keys.ts'
import { signRequest } from '../sigv4/sign.ts'
import { ServerUnreachableError } from './lock-server.ts'

export type AdminClientOptions = {
  /** e.g. http://127.0.0.1:9001 */
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly timeoutMs: number
  readonly clock: Clock
}

export type AdminCall = {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly epoch?: number
  readonly document?: object
}

export type AdminClient = {
  /** The status and the text of the answer. Errors: ServerUnreachableError (no answer, or a 5xx). */
  readonly call: (call: AdminCall) => Promise<{ status: number; text: string }>
}

export function openAdminClient(options: AdminClientOptions): AdminClient {
  const keys = signingKeys(4)
  return {
    call: async (call) => {
      const url = new URL(call.path, options.endpoint)
      const query = Object.entries(call.query ?? {})
      for (const [name, value] of query) url.searchParams.append(name, value)
      const body = call.document === undefined ? '' : JSON.stringify(call.document)
      const headers: Record<string, string> = { host: url.host }
      if (call.epoch !== undefined) headers['x-holdfast-epoch'] = String(call.epoch)
      const signed = signRequest(
        {
          method: call.method,
          path: url.pathname,
          query,
          headers,
          payloadHash: sha256Hex(Buffer.from(body)),
        },
        {
          credentials: options,
          region: options.region,
          service: 'holdfast',
          timeMs: options.clock.wallMs(),
          keys,
        },
      )
      return send(url, call.method, signed.headers, body, options.timeoutMs)
    },
  }
}

async function send(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  timeoutMs: number,
): Promise<{ status: number; text: string }> {
  let answer: { status: number; text: string }
  try {
    const init = { method, headers, signal: AbortSignal.timeout(timeoutMs) }
    const response = await fetch(url, method === 'GET' ? init : { ...init, body })
    answer = { status: response.status, text: await response.text() }
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const reason = cause instanceof Error ? cause.message : 'no reason'
    throw new ServerUnreachableError(`${url.origin} did not answer: ${reason}`, { cause: error })
  }
  if (answer.status >= 500)
    throw new ServerUnreachableError(`${url.origin} answered ${answer.status}: ${answer.text}`)
  return answer
}
