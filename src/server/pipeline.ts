/**
 * One S3 request from its head to its answer, in the order that keeps promises: route, authenticate, read the
 * bucket, authorize, read the body, parse, handle. One place catches every error.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { type Authenticated, type AuthenticationSettings, authenticate } from '../s3/auth/authenticate.ts'
import { isFramed, openPayload } from '../s3/auth/payload.ts'
import { formatHttpDate } from '../s3/dates.ts'
import type { MatchInput } from '../s3/match.ts'
import type { BodyKind, Operation, RequestBody, S3Request, S3Response, ServerFacts } from '../s3/operation.ts'
import { type RequestHead, resourceOf, route } from '../s3/route.ts'
import { S3Error } from '../s3/s3-error.ts'
import { verifyDocument, wantedChecksum } from '../s3/wanted-checksum.ts'
import type { BucketRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { BucketPolicies } from './bucket-policies.ts'
import { errorAnswer, judgeError } from './error-answer.ts'
import { authorizeRequest, type Granted } from './operation-context.ts'
import { ClientGoneError, requestBytes } from './request-body.ts'
import { type AnswerIdentity, sendResponse } from './send.ts'

export type PipelineOptions = {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly facts: ServerFacts
  readonly authentication: AuthenticationSettings
  readonly policies: BucketPolicies
  /** Finds the operation, or throws MethodNotAllowed or NotImplemented. */
  readonly choose: (input: MatchInput) => Operation
  readonly hostId: string
  readonly isDraining: () => boolean
  /** Told of bugs and of a store that failed; never throws. */
  readonly onFault: (consequence: 'fault' | 'restart', error: unknown) => void
}

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Never rejects: whatever happens to a request ends with it. */
export function createPipeline(options: PipelineOptions): RequestHandler {
  return async (request, response) => {
    const requestId = randomBytes(8).toString('hex').toUpperCase()
    try {
      const answer = await answerRequest(options, { request, response, requestId })
      if (answer !== null) await sendResponse(request, response, answer, identityOf(options, requestId))
    } catch (error) {
      // The head is out: only breaking the connection tells the client that the body is not whole.
      response.destroy()
      noteLateError(options, error, requestId)
    }
  }
}

function identityOf(options: PipelineOptions, requestId: string): AnswerIdentity {
  const date = formatHttpDate(options.clock.wallMs())
  return { requestId, hostId: options.hostId, date, isLast: options.isDraining() }
}

function noteLateError(options: PipelineOptions, error: unknown, requestId: string): void {
  if (error instanceof ClientGoneError) return
  const { consequence } = judgeError(error)
  options.log.error({ error, requestId }, 'an answer was broken off')
  if (consequence !== 'none') options.onFault(consequence, error)
}

type Exchange = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
}

/** null: the client is gone and there is nobody to answer. */
async function answerRequest(options: PipelineOptions, exchange: Exchange): Promise<S3Response | null> {
  let head: RequestHead | null = null
  try {
    const { request } = exchange
    head = route(
      { method: request.method ?? '', target: request.url ?? '', rawHeaders: request.rawHeaders },
      options.facts.domain,
    )
    return await answerHead(options, exchange, head)
  } catch (thrown) {
    if (thrown instanceof ClientGoneError) return null
    const { error, consequence } = judgeError(thrown)
    if (error.detail.status >= 500 && error.code !== 'NotImplemented') {
      options.log.error(
        { error: thrown, requestId: exchange.requestId, code: error.code },
        'a request failed',
      )
    }
    if (consequence !== 'none') options.onFault(consequence, thrown)
    const resource = resourceOf(head?.bucket ?? null, head?.key ?? null)
    return errorAnswer(error, { resource, requestId: exchange.requestId, hostId: options.hostId })
  }
}

async function answerHead(
  options: PipelineOptions,
  exchange: Exchange,
  routed: RequestHead,
): Promise<S3Response> {
  const authenticated = authenticate(routed, options.authentication, options.clock.wallMs())
  const request = s3Request(exchange, authenticated)
  const operation = options.choose(request)
  const bucket = await addressedBucket(options.store, operation, request)
  const granted: Granted = { principal: authenticated.principal, operation, request, bucket }
  const authorized = await authorizeRequest(options, granted)
  const { body, document } = await takeBody(operation, authenticated, exchange)
  const input = operation.parse({ request, bucket, document })
  return operation.handle(await authorized.settle(input), input, body)
}

function s3Request({ request, requestId }: Exchange, { head, payload }: Authenticated): S3Request {
  return {
    requestId,
    method: head.method,
    bucket: head.bucket,
    key: head.key,
    query: new URLSearchParams(Object.fromEntries(head.query)),
    headers: isFramed(payload) ? withoutFraming(head.headers) : head.headers,
    resource: resourceOf(head.bucket, head.key),
    secure: request.socket instanceof TLSSocket,
    sourceIp: request.socket.remoteAddress ?? '',
  }
}

/** `aws-chunked` is the wire's encoding, not the object's: S3 stores the others. */
function withoutFraming(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const encoding = headers['content-encoding']
  if (encoding === undefined) return headers
  const rest = encoding.split(',').map((token) => token.trim())
  const kept = rest.filter((token) => token.toLowerCase() !== 'aws-chunked' && token !== '').join(',')
  const { 'content-encoding': _framing, ...others } = headers
  return kept === '' ? others : { ...others, 'content-encoding': kept }
}

async function addressedBucket(
  store: Store,
  operation: Operation,
  request: S3Request,
): Promise<BucketRecord | null> {
  if (request.bucket === null || operation.name === 'CreateBucket') return null
  const bucket = await store.buckets.read(request.bucket)
  if (bucket === null) throw new S3Error('NoSuchBucket', { extra: { BucketName: request.bucket } })
  return bucket
}

type TakenBody = { readonly body: RequestBody; readonly document: string }

const noBody: RequestBody = {
  sizeBytes: 0,
  trailerNames: [],
  trailers: () => ({}),
  stream: async function* () {},
}

async function takeBody(
  operation: Operation,
  { payload, head }: Authenticated,
  { request, response }: Exchange,
): Promise<TakenBody> {
  switch (operation.body.kind) {
    case 'none':
      if (declaresBody(head))
        await discardBody(openPayload(requestBytes(request, response), payload, head.headers))
      return { body: noBody, document: '' }
    case 'stream': {
      const body = openPayload(requestBytes(request, response), payload, head.headers)
      return { body, document: '' }
    }
    case 'document': {
      const body = openPayload(requestBytes(request, response), payload, head.headers)
      return {
        body: noBody,
        document: await readDocument(
          body,
          documentHeaders(operation.body, head.headers),
          operation.body.bytesMax,
        ),
      }
    }
  }
}

function declaresBody({ headers }: RequestHead): boolean {
  return headers['transfer-encoding'] !== undefined || !['0', undefined].includes(headers['content-length'])
}

/**
 * An operation without a body may still be sent one, signed like any. It means nothing, but it must be whole and hold to its
 * signature before anything is done: a request that breaks off has then changed nothing.
 */
async function discardBody(body: RequestBody): Promise<void> {
  await collectBody(body, limits.smallDocumentBytesMax)
}

/** Errors: MaxMessageLengthExceeded, and the stream's. */
async function collectBody(body: RequestBody, bytesMax: number): Promise<Uint8Array> {
  const tooLong = () =>
    new S3Error('MaxMessageLengthExceeded', { extra: { MaxMessageLengthBytes: String(bytesMax) } })
  if ((body.sizeBytes ?? 0) > bytesMax) throw tooLong()
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of body.stream()) {
    sizeBytes += piece.length
    if (sizeBytes > bytesMax) throw tooLong()
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** On CompleteMultipartUpload the x-amz-checksum-* headers are about the object: the operation compares them. */
function documentHeaders(
  body: Extract<BodyKind, { kind: 'document' }>,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (body.checksumOf !== 'object') return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.includes('-checksum-')))
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The whole document, held to its signature and checksums. Errors: MaxMessageLengthExceeded, MalformedXML,
 * BadDigest.
 */
async function readDocument(
  body: RequestBody,
  headers: Readonly<Record<string, string>>,
  bytesMax: number,
): Promise<string> {
  const wanted = wantedChecksum(headers, body.trailerNames)
  const bytes = await collectBody(body, bytesMax)
  await verifyDocument(wanted, bytes, body.trailers())
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new S3Error('MalformedXML', { cause })
  }
}
