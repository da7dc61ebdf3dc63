/**
 * The door to @kubernetes/client-node: its kubeconfig, credentials and transport, nothing above them. The informer dies on
 * the first connection error, the generated clients have no rate limit, no retry and one connection per request, and
 * patch in a content type that custom resources refuse (operator.md 2.1); so requests are plain paths and JSON here.
 * What would replace it: a kubeconfig parser and fetch.
 */
import { HttpMethod, IsomorphicFetchHttpLibrary, KubeConfig, RequestContext } from '@kubernetes/client-node'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { Backoff } from './backoff.ts'
import { TokenBucket } from './rate-limit.ts'
import { sleep, type Timers } from './timers.ts'

export type KubeRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH'
  /** From the server's root, segments already encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Server-side apply: `application/apply-patch+yaml`. */
  readonly contentType?: string
  /** Sent as JSON (which is YAML). */
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

export interface KubeClient {
  /** The server's address, for messages. */
  readonly host: string
  /** One request, within the rate limit; 429 and 503 are repeated after Retry-After. Errors: the two above. */
  send(request: KubeRequest, signal: AbortSignal): Promise<unknown>
  /** The JSON lines of a watch until the server ends it. Silence is an error. Errors: the two above. */
  watch(request: KubeRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined>
}

/** `default`: KUBECONFIG, then ~/.kube/config, then the pod's service account, as kubectl does. */
export type KubeConfigOrigin = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'default' }

/** Errors: the file's, or a context without a cluster. */
export function connectKube(origin: KubeConfigOrigin, options: { clock: Clock; timers: Timers }): KubeClient {
  const config = new KubeConfig()
  if (origin.kind === 'file') config.loadFromFile(origin.path)
  else config.loadFromDefault()
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new Error('the kubeconfig names no current cluster')
  return new RestClient(config, cluster.server, options)
}

type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>
type Answer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly chunks: TextChunks }
type TextChunks = AsyncIterable<string>

class RestClient implements KubeClient {
  readonly host: string
  readonly #config: KubeConfig
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #rate: TokenBucket
  readonly #transport = new IsomorphicFetchHttpLibrary()
  #dispatcher: { readonly value: Dispatcher; readonly madeMs: number } | null = null

  constructor(config: KubeConfig, host: string, { clock, timers }: { clock: Clock; timers: Timers }) {
    this.#config = config
    this.host = host
    this.#clock = clock
    this.#timers = timers
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
    const silence = this.#deadline(limits.kubeWatchSilenceMsMax, 'the watch was silent for too long')
    try {
      const answer = await this.#fetch(request, AbortSignal.any([signal, silence.signal]))
      if (answer.status !== 200) throw await statusError(answer)
      yield* jsonLines(answer.chunks, silence.restart)
    } catch (error) {
      throw mapFailure(error, this.host)
    } finally {
      silence.cancel()
    }
  }

  async #sendOnce(request: KubeRequest, signal: AbortSignal): Promise<unknown> {
    await sleep(this.#timers, this.#rate.reserveMs(), signal)
    const deadline = this.#deadline(limits.kubeRequestMsMax, 'the API server took too long')
    try {
      const answer = await this.#fetch(request, AbortSignal.any([signal, deadline.signal]))
      if (answer.status < 200 || answer.status > 299) throw await statusError(answer)
      return JSON.parse(await collect(answer.chunks))
    } catch (error) {
      throw mapFailure(error, this.host)
    } finally {
      deadline.cancel()
    }
  }

  async #fetch(request: KubeRequest, signal: AbortSignal): Promise<Answer> {
    const url = new URL(this.host.replace(/\/+$/, '') + request.path)
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value)
    const context = new RequestContext(url.toString(), HttpMethod[request.method])
    await this.#config.applySecurityAuthentication(context)
    context.setDispatcher(this.#pooled(context.getDispatcher()))
    context.setHeaderParam('Accept', 'application/json')
    context.setHeaderParam('User-Agent', 'holdfast-operator')
    if (request.body !== undefined) {
      context.setHeaderParam('Content-Type', request.contentType ?? 'application/json')
      context.setBody(JSON.stringify(request.body))
    }
    context.setSignal(signal)
    const response = await this.#transport.send(context).toPromise()
    return { status: response.httpStatusCode, headers: response.headers, chunks: textOf(response.body.stream()) }
  }

  /** client-node makes a connection pool per request; one is kept, and renewed so that rotated certificates count. */
  #pooled(fresh: Dispatcher | undefined): Dispatcher {
    if (fresh === undefined) throw new Error('the kubeconfig gives no connection')
    const nowMs = this.#clock.uptimeMs()
    const current = this.#dispatcher
    if (current !== null && nowMs - current.madeMs < limits.kubeConnectionAgeMsMax) return current.value
    this.#dispatcher = { value: fresh, madeMs: nowMs }
    // Closing waits for the running watches; nothing depends on how it ends.
    current?.value.close().catch(() => undefined)
    return fresh
  }

  #deadline(delayMs: number, reason: string): { signal: AbortSignal; restart: () => void; cancel: () => void } {
    const controller = new AbortController()
    const start = () => this.#timers.after(delayMs, () => controller.abort(new KubeUnreachableError(reason)))
    let cancel = start()
    const restart = () => {
      cancel()
      cancel = start()
    }
    return { signal: controller.signal, restart, cancel: () => cancel() }
  }
}

function isRepeatable(error: unknown): error is KubeStatusError {
  return error instanceof KubeStatusError && (error.status === 429 || error.status === 503)
}

function mapFailure(error: unknown, host: string): Error {
  if (error instanceof KubeStatusError || error instanceof KubeUnreachableError) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new KubeUnreachableError(`${host}: ${detail}`, { cause: error })
}

async function statusError(answer: Answer): Promise<KubeStatusError> {
  const text = await collect(answer.chunks)
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

async function* textOf(stream: ReadableStream<Uint8Array> | null): TextChunks {
  if (stream === null) return
  const decoder = new TextDecoder()
  for await (const chunk of stream) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}

async function collect(chunks: TextChunks): Promise<string> {
  const parts: string[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > limits.kubeDocumentLengthMax) throw new KubeUnreachableError('the answer is too long')
    parts.push(chunk)
  }
  return parts.join('')
}

async function* jsonLines(chunks: TextChunks, onActivity: () => void): AsyncGenerator<unknown, void, undefined> {
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
}
