/** Signed JSON requests to the admin API, one at a time per call, each with a deadline. */
import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import type { Clock } from '../lib/clock.ts'
import { sha256Hex } from '../sigv4/canonical.ts'
import { signingKeys } from '../sigv4/keys.ts'
import { signRequest } from '../sigv4/sign.ts'
import { ServerUnreachableError } from './lock-server.ts'
import { type Agents, agentsFor, type ServerTrust } from './trust.ts'

export type AdminClientOptions = {
  /** e.g. http://127.0.0.1:9001 */
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly timeoutMs: number
  readonly trust: ServerTrust
  readonly clock: Clock
}

export type AdminCall = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly epoch?: number
  readonly document?: object
}

export type AdminClient = {
  /** The status and the text of the answer. Errors: ServerUnreachableError (no answer, or a 5xx). */
  readonly call: (call: AdminCall) => Promise<{ status: number; text: string }>
  readonly close: () => void
}

export function openAdminClient(options: AdminClientOptions): AdminClient {
  const keys = signingKeys(4)
  const agents = agentsFor(options.trust)
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
      const { method } = call
      return send(agents, { url, method, headers: signed.headers, body, timeoutMs: options.timeoutMs })
    },
    close: () => {
      agents.plain.destroy()
      agents.tls.destroy()
    },
  }
}

type Request = {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
}
type Answer = { readonly status: number; readonly text: string }

async function send(agents: Agents, request: Request): Promise<Answer> {
  const { origin } = request.url
  let answer: Answer
  try {
    answer = await exchange(agents, request)
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'no reason'
    throw new ServerUnreachableError(`${origin} did not answer: ${reason}`, { cause: error })
  }
  if (answer.status >= 500) {
    const told = toldIn(answer)
    throw new ServerUnreachableError(`${origin} answered ${answer.status}: ${answer.text}`, { told })
  }
  return answer
}

/** Other codes come with numbers or request ids that differ from answer to answer. */
function toldIn({ status, text: body }: Answer): string | null {
  const { code, message } = documentOf(body)
  return code === 'VolumeReadOnly' ? `The lock server answers ${status} ${code}: ${String(message)}` : null
}

/** Between operator and server may stand what answers in HTML. */
function documentOf(body: string): { readonly code?: unknown; readonly message?: unknown } {
  try {
    return Object(JSON.parse(body)) as { readonly code?: unknown }
  } catch {
    return {}
  }
}

/** One request and its whole answer, within the time. */
function exchange(agents: Agents, { url, method, headers, body, timeoutMs }: Request): Promise<Answer> {
  const isSecure = url.protocol === 'https:'
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const options = { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) }, signal }
    const onAnswer = (response: IncomingMessage): void => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, text: answer }), reject)
    }
    const outgoing = isSecure
      ? secureRequest(url, { ...options, agent: agents.tls }, onAnswer)
      : plainRequest(url, { ...options, agent: agents.plain }, onAnswer)
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
