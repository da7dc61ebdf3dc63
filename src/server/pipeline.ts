/**
 * One S3 request from its head to its answer, in the order that keeps promises: route, authenticate, read the
 * bucket, authorize, read the body, parse, handle. One place catches every error.
 */
import { TLSSocket } from 'node:tls'
import type { Clock } from '../lib/clock.ts'
import { CollectedBytes } from '../lib/collected-bytes.ts'
import type { Principal } from '../lib/identity.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { type AuthenticationSettings, authenticate } from '../s3/auth/authenticate.ts'
import { carriesForm, openFormUpload } from '../s3/auth/form-upload.ts'
import { isFramed, openPayload } from '../s3/auth/payload.ts'
import { formatHttpDate } from '../s3/dates.ts'
import type { MatchInput } from '../s3/match.ts'
import type { BodyKind, Operation, RequestBody, S3Request, S3Response, ServerFacts } from '../s3/operation.ts'
import { answerPreflight, isPreflight } from '../s3/preflight.ts'
import { type Dialect, dressed, reworded } from '../s3/profiles/answers.ts'
import { profileOf, profiles } from '../s3/profiles/index.ts'
import { withObsTwins } from '../s3/profiles/obs-headers.ts'
import { type RequestHead, resourceOf, route } from '../s3/route.ts'
import { S3Error } from '../s3/s3-error.ts'
import { verifyDocument, wantedChecksum } from '../s3/wanted-checksum.ts'
import { newRequestId } from '../store/random-ids.ts'
import type { BucketRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { BucketPolicies } from './bucket-policies.ts'
import { withCorsHeaders } from './cross-origin.ts'
import { errorAnswer, judgeError } from './error-answer.ts'
import { authorizeRequest, type Granted } from './operation-context.ts'
import { ClientGoneError, inTime, requestBytes } from './request-body.ts'
import type { RequestObserver } from './request-observer.ts'
import { beginRecord, type RequestRecord } from './request-record.ts'
import { type AnswerIdentity, sendResponse } from './send.ts'
import type { WireRequest, WireResponse } from './wire.ts'

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
  readonly observer: RequestObserver
  /** Told of bugs and of a store that failed; never throws. */
  readonly onFault: (consequence: 'fault' | 'restart', error: unknown) => void
}

export type RequestHandler = (request: WireRequest, response: WireResponse) => Promise<void>

/** Never rejects: whatever happens to a request ends with it. */
export function createPipeline(options: PipelineOptions): RequestHandler {
  return async (request, response) => {
    const requestId = newRequestId()
    const record = beginRecord(request, requestId)
    options.observer.begin()
    try {
      const body = countedBytes({ request, response }, record)
      const answer = await answerRequest(options, { request, response, requestId, record, body })
      // Nothing waits for it: a read that is still open ends with its connection.
      body.return().catch(() => {})
      if (answer !== null) {
        record.status = answer.status
        record.bytesSent = await sendResponse(request, response, answer, identityOf(options, requestId))
      }
    } catch (error) {
      // The head is out: only breaking the connection tells the client that the body is not whole.
      response.destroy()
      noteLateError(options, error, requestId)
    } finally {
      options.observer.end(record)
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
  readonly request: WireRequest
  readonly response: WireResponse
  readonly requestId: string
  readonly record: RequestRecord
  /** The wire's bytes, counted; nothing is read before the first of them is asked for. */
  readonly body: AsyncGenerator<Uint8Array, void, void>
}

/** null: the client is gone and there is nobody to answer. */
async function answerRequest(options: PipelineOptions, exchange: Exchange): Promise<S3Response | null> {
  let head: RequestHead | null = null
  const dialect: Dialect = {
    profile: profiles[options.facts.defaultProfile],
    operation: null,
    headers: {},
  }
  const ids = { requestId: exchange.requestId, hostId: options.hostId }
  try {
    const { request } = exchange
    head = route(
      { method: request.method ?? '', target: request.url ?? '', rawHeaders: request.rawHeaders },
      options.facts.domain,
    )
    const answer = dressed(dialect, await answerHead(options, exchange, head, dialect), ids)
    return await withCorsHeaders(options, head, answer)
  } catch (thrown) {
    if (thrown instanceof ClientGoneError) return null
    const { error, consequence } = judgeError(thrown)
    exchange.record.errorCode = error.code
    if (error.detail.status >= 500 && error.code !== 'NotImplemented') {
      options.log.error(
        { error: thrown, requestId: exchange.requestId, code: error.code },
        'a request failed',
      )
    }
    if (consequence !== 'none') options.onFault(consequence, thrown)
    const resource = resourceOf(head?.bucket ?? null, head?.key ?? null)
    const answer = dressed(dialect, errorAnswer(reworded(dialect, error), { resource, ...ids }), ids)
    return withCorsHeaders(options, head, answer)
  }
}

async function answerHead(
  options: PipelineOptions,
  exchange: Exchange,
  routed: RequestHead,
  dialect: Dialect,
): Promise<S3Response> {
  dialect.headers = routed.headers
  // Browsers ask without a signature; nothing but the bucket's CORS rules is read for it.
  if (isPreflight(routed)) {
    const { bucket, key } = routed
    Object.assign(exchange.record, { operation: 'Preflight', bucket, key })
    return answerPreflight(options.store, routed)
  }
  const { principal, addressed, request, openBody, proof } = await admit(options, exchange, routed)
  const { record } = exchange
  const { accessKeyId, accountId } = principal
  Object.assign(record, { requester: accessKeyId, accountId })
  Object.assign(record, addressOf(request))
  const operation = options.choose(addressed)
  record.operation = operation.name
  demandProof(operation, proof)
  dialect.operation = operation.name
  const bucket = await addressedBucket(options.store, operation, request)
  dialect.profile = profileOf(principal, bucket, options.facts.defaultProfile)
  const granted: Granted = { principal, operation, request, bucket }
  const authorized = await authorizeRequest(options, granted)
  const { body, document } = await takeBody(operation, request, openBody)
  const input = operation.parse({ request, bucket, profile: dialect.profile, document })
  return operation.handle(await authorized.settle(input), input, body)
}

/** A request whose sender is proven. */
type Admitted = {
  readonly principal: Principal
  readonly proof: 'signature' | 'form'
  /** By what the operation is chosen: a form's key is none of the target's. */
  readonly addressed: S3Request
  readonly request: S3Request
  readonly openBody: () => RequestBody
}

async function admit(options: PipelineOptions, exchange: Exchange, routed: RequestHead): Promise<Admitted> {
  const wallMs = options.clock.wallMs()
  if (carriesForm(routed)) {
    const opening = openFormUpload(exchange.body, routed, options.authentication, wallMs)
    // Whoever sends the fields has proven nothing yet.
    const { principal, key, headers, body } = await inTime(opening, limits.headerMsMax)
    const addressed = s3Request(exchange, routed)
    return {
      principal,
      proof: 'form',
      addressed,
      request: { ...addressed, key, headers: withObsTwins(headers, []) },
      openBody: () => body,
    }
  }
  const { principal, head, payload } = await authenticate(routed, options.authentication, wallMs)
  const headers = isFramed(payload) ? withoutFraming(head.headers) : head.headers
  const signed = s3Request(exchange, { ...head, headers })
  const openBody = () => openPayload(exchange.body, payload, head.headers)
  return { principal, proof: 'signature', addressed: signed, request: signed, openBody }
}

async function* countedBytes(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  record: RequestRecord,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of requestBytes(request, response)) {
    record.bytesReceived += piece.length
    yield piece
  }
}

/** A form proves a form upload and nothing else (B-58). */
function demandProof(operation: Operation, proof: Admitted['proof']): void {
  const isForm = operation.body.kind === 'form'
  if (isForm && proof !== 'form') {
    const extra = { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' }
    throw new S3Error('PreconditionFailed', { extra })
  }
  if (!isForm && proof === 'form') throw new S3Error('AccessDenied')
}

function addressOf({ bucket, key, query }: S3Request): Pick<RequestRecord, 'bucket' | 'key' | 'versionId'> {
  return { bucket, key, versionId: query.get('versionId') }
}

function s3Request({ request, requestId }: Exchange, head: RequestHead): S3Request {
  return {
    requestId,
    method: head.method,
    bucket: head.bucket,
    key: head.key,
    query: new URLSearchParams(Object.fromEntries(head.query)),
    headers: withObsTwins(
      head.headers,
      head.query.map(([name]) => name),
    ),
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
  { headers }: S3Request,
  openBody: () => RequestBody,
): Promise<TakenBody> {
  switch (operation.body.kind) {
    case 'none':
      if (declaresBody(headers)) await discardBody(openBody())
      return { body: noBody, document: '' }
    case 'form':
    case 'stream':
      return { body: openBody(), document: '' }
    case 'document': {
      const ofDocument = documentHeaders(operation.body, headers)
      return {
        body: noBody,
        document: await readDocument(openBody(), ofDocument, operation.body.bytesMax),
      }
    }
  }
}

function declaresBody(headers: S3Request['headers']): boolean {
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
  const collected = new CollectedBytes()
  for await (const piece of body.stream()) {
    if (collected.sizeBytes + piece.length > bytesMax) throw tooLong()
    collected.add(piece)
  }
  return collected.bytes()
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
