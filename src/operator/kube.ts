/**
 * The door to @kubernetes/client-node: its kubeconfig and its ways to authenticate, nothing above them. The
 * informer dies on the first connection error; the generated clients have no rate limit, no retry, one
 * connection pool per request, patch in a content type that custom resources refuse, and
 * speak HTTP/2 by undici, whose idle timeout is thrown where nobody can catch it. So requests are plain paths
 * and JSON over node:https here. What would replace it: a parser of kubeconfig files.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { anySignal, withAnySignal } from '../lib/signals.ts'
import { applyPatch, formatApplyBody } from './apply-patch.ts'
import { Backoff } from './backoff.ts'
import type { RestAnswer } from './metrics.ts'
import { TokenBucket } from './rate-limit.ts'
import { sleep, type Timers } from './timers.ts'

export type KubeRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  /** From the server's root, segments already encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Server-side apply: `applyPatch`. */
  readonly contentType?: string
  /** Sent as JSON, for `applyPatch` as JSON that is YAML, too. */
  readonly body?: unknown
}

/** The API server answered with an error: metav1.Status. */
export class KubeStatusError extends Error {
  override readonly name = 'KubeStatusError'
  readonly status: number
  readonly reason: string
  readonly retryAfterMs: number | null
  constructor(status: number, detail: { reason: string; message: string; retryAfterMs: number | null }) {
    super(detail.message)
    this.status = status
    this.reason = detail.reason
    this.retryAfterMs = detail.retryAfterMs
  }
}

/** No answer, or one cut off: try again later. */
export class KubeUnreachableError extends Error {
  override readonly name = 'KubeUnreachableError'
}

/** An answer that is longer than one may be: fewer objects have to be asked for. */
export class KubeAnswerTooLongError extends KubeUnreachableError {}

/** A watch was opened and then nothing came for too long: the connection is dead, the server need not be. */
export class KubeSilenceError extends KubeUnreachableError {}

export interface KubeClient {
  /** The server's address, for messages. */
  readonly host: string
  /**
   * One request, within the rate limit; 429 and 503 are repeated after Retry-After. Errors: the two above.
   */
  send(request: KubeRequest, signal: AbortSignal): Promise<unknown>
  /** The JSON lines of a watch until the server ends it. Silence is an error. Errors: the two above. */
  watch(request: KubeRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined>
}

/** `default`: KUBECONFIG, then ~/.kube/config, then the pod's service account, as kubectl does. */
export type KubeConfigOrigin = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'default' }

export type KubeClientOptions = {
  readonly clock: Clock
  readonly timers: Timers
  /** How long a watch may be silent. */
  readonly watchSilenceMsMax?: number
  /** Characters of an answer that is no watch. */
  readonly documentLengthMax?: number
  /** Told of every request's end; must not throw. */
  readonly onAnswer?: (answer: RestAnswer) => void
}

/** Errors: the file's, or a context without a cluster. */
export function connectKube(origin: KubeConfigOrigin, options: KubeClientOptions): KubeClient {
  const config = new KubeConfig()
  if (origin.kind === 'file') config.loadFromFile(origin.path)
  else config.loadFromDefault()
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new Error('the kubeconfig names no current cluster')
  return new RestClient(config, cluster.server, options)
}

type Answer = {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly chunks: TextChunks
}
type TextChunks = AsyncIterable<string>

class RestClient implements KubeClient {
  readonly host: string
  readonly #config: KubeConfig
  readonly #timers: Timers
  readonly #watchSilenceMsMax: number
  readonly #documentLengthMax: number
  readonly #onAnswer: (answer: RestAnswer) => void
  readonly #rate: TokenBucket
  /** Pools by certificate and CA as well, so rotated ones are used at once. */
  readonly #agent = new Agent({ keepAlive: true, scheduling: 'lifo' })

  constructor(config: KubeConfig, host: string, options: KubeClientOptions) {
    const { clock, timers } = options
    this.#config = config
    this.host = host
    this.#timers = timers
    this.#watchSilenceMsMax = options.watchSilenceMsMax ?? limits.kubeWatchSilenceMsMax
    this.#documentLengthMax = options.documentLengthMax ?? limits.kubeDocumentLengthMax
    this.#onAnswer = options.onAnswer ?? (() => undefined)
    this.#rate = new TokenBucket({
      perSecond: limits.kubeRequestsPerSecond,
      burst: limits.kubeRequestsBurst,
      uptimeMs: () => clock.uptimeMs(),
    })
  }

  async send(request: KubeRequest, signal: AbortSignal): Promise<unknown> {
    const backoff = new Backoff({ delayMsMin: limits.kubeBackoffMsMin, delayMsMax: limits.kubeBackoffMsMax })
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#sendOnce(request, signal)
      } catch (error) {
        if (!isRepeatable(error) || attempt >= limits.kubeRequestAttemptsMax) throw error
        await sleep(this.#timers, error.retryAfterMs ?? backoff.nextMs(), signal)
        if (signal.aborted) throw error
      }
    }
  }

  async *watch(request: KubeRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
    const silence = this.#deadline(this.#watchSilenceMsMax, 'the watch was silent for too long')
    const either = anySignal([signal, silence.signal])
    let isOpen = false
    try {
      const answer = await this.#fetch(request, either.signal)
      if (answer.status !== 200) throw await statusError(answer)
      isOpen = true
      yield* jsonLines(answer.chunks, silence.restart)
    } catch (error) {
      const failure = this.#failure(error)
      if (isOpen && silence.signal.aborted) throw new KubeSilenceError(`${this.host}: ${silence.reason}`)
      throw failure
    } finally {
      either.letGo()
      silence.cancel()
    }
  }

  async #sendOnce(request: KubeRequest, signal: AbortSignal): Promise<unknown> {
    await sleep(this.#timers, this.#rate.reserveMs(), signal)
    const deadline = this.#deadline(limits.kubeRequestMsMax, 'the API server took too long')
    try {
      return await withAnySignal([signal, deadline.signal], async (either) => {
        const answer = await this.#fetch(request, either)
        if (answer.status < 200 || answer.status > 299) throw await statusError(answer)
        return JSON.parse(await collect(answer.chunks, this.#documentLengthMax))
      })
    } catch (error) {
      throw this.#failure(error)
    } finally {
      deadline.cancel()
    }
  }

  async #fetch(request: KubeRequest, signal: AbortSignal): Promise<Answer> {
    const url = new URL(this.host.replace(/\/+$/, '') + request.path)
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value)
    const body = formatBody(request)
    const options: RequestOptions = { method: request.method, signal }
    await this.#config.applyToHTTPSOptions(options)
    // client-node's own agent keeps no connection; only a proxy needs it.
    if (this.#config.getCurrentCluster()?.proxyUrl === undefined && url.protocol === 'https:')
      options.agent = this.#agent
    options.headers = {
      ...options.headers,
      accept: 'application/json',
      'user-agent': 'holdfast-operator',
      ...(body === null
        ? {}
        : {
            'content-type': request.contentType ?? 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
    }
    const response = await this.#counted(request.method, url, exchange(url, options, body))
    response.setEncoding('utf8')
    return { status: response.statusCode ?? 0, headers: response.headers, chunks: response }
  }

  /**
   * What made one connection silent, for as long as the request or its caller waits, did so to the others that
   * were open then: each of the idle ones would cost a request as long. What is in use finds out by itself.
   */
  #failure(error: unknown): Error {
    if (error instanceof KubeStatusError) return error
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
    return mapFailure(error, this.host)
  }

  async #counted<T extends { readonly statusCode?: number | undefined }>(
    method: string,
    { host }: URL,
    answered: Promise<T>,
  ): Promise<T> {
    try {
      const answer = await answered
      this.#onAnswer({ code: String(answer.statusCode), method, host })
      return answer
    } catch (error) {
      this.#onAnswer({ code: '<error>', method, host })
      throw error
    }
  }

  #deadline(
    delayMs: number,
    reason: string,
  ): { signal: AbortSignal; reason: string; restart: () => void; cancel: () => void } {
    const controller = new AbortController()
    const start = () => this.#timers.after(delayMs, () => controller.abort(new KubeUnreachableError(reason)))
    let cancel = start()
    const restart = () => {
      cancel()
      cancel = start()
    }
    return { signal: controller.signal, reason, restart, cancel: () => cancel() }
  }
}

function formatBody({ contentType, body }: KubeRequest): string | null {
  if (body === undefined) return null
  return contentType === applyPatch ? formatApplyBody(body) : JSON.stringify(body)
}

function exchange(url: URL, options: RequestOptions, body: string | null): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const outgoing = send(url, options, resolve)
    outgoing.on('error', reject)
    outgoing.end(body ?? undefined)
  })
}

function isRepeatable(error: unknown): error is KubeStatusError {
  return error instanceof KubeStatusError && (error.status === 429 || error.status === 503)
}

/** An abort carries its reason as the cause: the deadline's says what was too slow. */
function mapFailure(error: unknown, host: string): Error {
  if (error instanceof KubeStatusError || error instanceof KubeUnreachableError) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new KubeUnreachableError(`${host}: ${detail}`, { cause: error })
}

async function statusError(answer: Answer): Promise<KubeStatusError> {
  const text = await collect(answer.chunks, limits.kubeDocumentLengthMax)
  const seconds = Number(answer.headers['retry-after'])
  const retryAfterMs =
    Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, limits.kubeBackoffMsMax) : null
  const { reason, message } = parseStatus(text)
  return new KubeStatusError(answer.status, {
    reason: reason ?? `HTTP${answer.status}`,
    message: message ?? text.slice(0, limits.conditionMessageLengthMax),
    retryAfterMs,
  })
}

function parseStatus(text: string): { reason: string | null; message: string | null } {
  try {
    const document: unknown = JSON.parse(text)
    return { reason: textField(document, 'reason'), message: textField(document, 'message') }
  } catch {
    // A proxy in between answers with its own page: the text itself is the message then.
    return { reason: null, message: null }
  }
}

function textField(document: unknown, field: string): string | null {
  if (typeof document !== 'object' || document === null) return null
  const value: unknown = Reflect.get(document, field)
  return typeof value === 'string' && value !== '' ? value : null
}

async function collect(chunks: TextChunks, lengthMax: number): Promise<string> {
  const parts: string[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > lengthMax)
      throw new KubeAnswerTooLongError(`the answer has more than ${lengthMax} characters`)
    parts.push(chunk)
  }
  return parts.join('')
}

async function* jsonLines(
  chunks: TextChunks,
  onActivity: () => void,
): AsyncGenerator<unknown, void, undefined> {
  let rest = ''
  for await (const chunk of chunks) {
    onActivity()
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > limits.kubeLineLengthMax) throw new KubeUnreachableError('a watch line is too long')
    for (const line of lines) {
      if (line.trim() !== '') yield JSON.parse(line)
    }
  }
  // A last line without its end: whole, it counts; a piece of one is a failure of the watch, not its end.
  if (rest.trim() !== '') yield JSON.parse(rest)
}
