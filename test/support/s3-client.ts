/**
 * A raw HTTP client with our own SigV4, for requests that no SDK would send. Nothing is added that the caller
 * did not ask for but Host, the signature and Content-Length.
 */
import { createHash } from 'node:crypto'
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest, Agent as TlsAgent } from 'node:https'
import { type EpochMs, epochMs } from '../../src/lib/units.ts'
import { emptySha256, type QueryPairs, sha256Hex, unsignedPayload } from '../../src/sigv4/canonical.ts'
import { type ChunkContext, chunkSignature, trailerSignature } from '../../src/sigv4/chunks.ts'
import { uriEncode, uriEncodePath } from '../../src/sigv4/encode.ts'
import { signingKeys } from '../../src/sigv4/keys.ts'
import {
  presignRequest,
  type SignedRequest,
  type SigningContext,
  type SigningCredentials,
  signRequest,
} from '../../src/sigv4/sign.ts'
import { unescapedXml } from './xml-text.ts'

export type SignMode =
  | 'header'
  | 'unsigned-payload'
  | 'chunked'
  | 'chunked-trailer'
  | 'unsigned-trailer'
  | 'presigned'
  | 'none'

/** What goes on the wire: `mutate` may change it after it was signed. */
export type Wire = {
  method: string
  target: string
  headers: Record<string, string>
  body: Buffer
}

export type SendOptions = {
  readonly method: string
  /** Decoded, e.g. `/bucket/key with space`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly sign?: SignMode
  /** For the -trailer modes; announced in x-amz-trailer unless `headers` does. */
  readonly trailers?: Readonly<Record<string, string>>
  /** Size of the aws-chunked frames. */
  readonly chunkBytes?: number
  readonly key?: SigningCredentials
  readonly region?: string
  readonly timeMs?: number
  readonly expiresSeconds?: number
  /** Host header and virtual-host addressing; the connection goes to the endpoint all the same. */
  readonly host?: string
  readonly mutate?: ((wire: Wire) => Wire) | undefined
}

export type Answer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
  /** `<Code>` of an error document, or null. */
  readonly code: string | null
  /** The text of the first element of this name, unescaped, or null. */
  readonly element: (name: string) => string | null
}

export type S3ClientOptions = {
  readonly endpoint: string
  readonly credentials: SigningCredentials
  readonly region?: string
  /** PEM of the authority, for an https endpoint. */
  readonly ca?: string
  /** The server's wall clock; the machine's if left out. */
  readonly nowMs?: () => number
}

export type S3TestClient = {
  readonly send: (options: SendOptions) => Promise<Answer>
  /** Signs without sending. */
  readonly wire: (options: SendOptions) => Wire
  readonly close: () => void
}

const keys = signingKeys(64)

export function createS3Client(client: S3ClientOptions): S3TestClient {
  const agent =
    client.ca === undefined
      ? new Agent({ keepAlive: true })
      : new TlsAgent({ keepAlive: true, ca: client.ca })
  const wire = (options: SendOptions): Wire => {
    const signed = buildWire(client, options)
    return options.mutate === undefined ? signed : options.mutate(signed)
  }
  return {
    wire,
    send: (options) => sendWire(client.endpoint, wire(options), agent),
    close: () => agent.destroy(),
  }
}

/** Sends what is given, byte for byte. */
export function sendWire(endpoint: string, wire: Wire, agent: Agent | false = false): Promise<Answer> {
  const { hostname, port } = new URL(endpoint)
  return new Promise((resolve, reject) => {
    const send = agent instanceof TlsAgent ? httpsRequest : httpRequest
    const request = send(
      { agent, host: hostname, port, method: wire.method, path: wire.target, headers: wire.headers },
      (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () => {
          resolve(toAnswer(response.statusCode ?? 0, response.headers, Buffer.concat(pieces)))
        })
      },
    )
    request.on('error', reject)
    request.end(wire.body)
  })
}

function toAnswer(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  const text = body.toString('utf8')
  const element = (name: string): string | null => {
    const found = new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`).exec(text)?.[1]
    return found === undefined ? null : unescapedXml(found)
  }
  return { status, headers, body, text, element, code: text.includes('<Error>') ? element('Code') : null }
}

function buildWire(client: S3ClientOptions, options: SendOptions): Wire {
  const body = Buffer.from(options.body ?? '')
  const query: QueryPairs = Object.entries(options.query ?? {})
  const headers: Record<string, string> = {
    host: options.host ?? new URL(client.endpoint).host,
    ...options.headers,
  }
  const sendsBody = body.length > 0 || options.method === 'PUT' || options.method === 'POST'
  const context: SigningContext = {
    credentials: options.key ?? client.credentials,
    region: options.region ?? client.region ?? 'us-east-1',
    service: 's3',
    timeMs: timeOf(client, options),
    keys,
  }
  const base = { method: options.method, path: options.path, query, headers }
  const withLength = (length: number) => (sendsBody ? { 'content-length': String(length) } : {})
  const target = (pairs: QueryPairs): string => targetOf(options.path, pairs)
  switch (options.sign ?? 'header') {
    case 'none':
      return { ...base, target: target(query), headers: { ...headers, ...withLength(body.length) }, body }
    case 'header':
    case 'unsigned-payload': {
      const payloadHash = options.sign === 'unsigned-payload' ? unsignedPayload : sha256Hex(body)
      const signed = signRequest({ ...base, payloadHash }, context)
      return {
        ...base,
        target: target(query),
        headers: { ...signed.headers, ...withLength(body.length) },
        body,
      }
    }
    case 'presigned': {
      const pairs = presignRequest(base, context, options.expiresSeconds ?? 900)
      return { ...base, target: target(pairs), headers: { ...headers, ...withLength(body.length) }, body }
    }
    case 'chunked':
    case 'chunked-trailer':
    case 'unsigned-trailer':
      return chunkedWire({ ...base, target: target(query), body }, context, options)
  }
}

function timeOf(client: S3ClientOptions, options: SendOptions): EpochMs {
  return epochMs(Math.floor(options.timeMs ?? client.nowMs?.() ?? Date.now()))
}

function targetOf(path: string, query: QueryPairs): string {
  const encoded = query.map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`)
  return `${uriEncodePath(path)}${encoded.length === 0 ? '' : '?'}${encoded.join('&')}`
}

const payloadHashes = {
  chunked: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'chunked-trailer': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'unsigned-trailer': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
} as const

type ChunkedBase = Wire & { readonly path: string; readonly query: QueryPairs }

function chunkedWire(base: ChunkedBase, context: SigningContext, options: SendOptions): Wire {
  const mode = options.sign as keyof typeof payloadHashes
  const trailers = Object.entries(options.trailers ?? {})
  const announced = trailers.length === 0 ? {} : { 'x-amz-trailer': trailers.map(([name]) => name).join(',') }
  const headers = {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(base.body.length),
    ...announced,
    ...base.headers,
  }
  const signed = signRequest({ ...base, headers, payloadHash: payloadHashes[mode] }, context)
  const key = context.keys.of(context.credentials.secretAccessKey, signed.scope)
  const body = frames({
    mode,
    body: base.body,
    chunkBytes: options.chunkBytes ?? 65_536,
    trailers,
    signed,
    context: { key, amzDate: signed.amzDate, scope: signed.scope },
  })
  return { ...base, headers: { ...signed.headers, 'content-length': String(body.length) }, body }
}

type Framing = {
  readonly mode: keyof typeof payloadHashes
  readonly body: Buffer
  readonly chunkBytes: number
  readonly trailers: readonly (readonly [string, string])[]
  readonly signed: SignedRequest
  readonly context: ChunkContext
}

function frames({ mode, body, chunkBytes, trailers, signed, context }: Framing): Buffer {
  const parts: (Buffer | string)[] = []
  let previous = signed.signature
  for (let offset = 0; ; offset += chunkBytes) {
    const chunk = body.subarray(offset, offset + chunkBytes)
    if (mode === 'unsigned-trailer') parts.push(`${chunk.length.toString(16)}\r\n`)
    else {
      const hash = chunk.length === 0 ? emptySha256 : createHash('sha256').update(chunk).digest('hex')
      previous = chunkSignature(context, previous, hash)
      parts.push(`${chunk.length.toString(16)};chunk-signature=${previous}\r\n`)
    }
    if (chunk.length === 0) break
    parts.push(chunk, '\r\n')
  }
  for (const [name, value] of trailers) parts.push(`${name}:${value}\r\n`)
  if (mode === 'chunked-trailer') {
    const canonical = trailers.map(([name, value]) => `${name}:${value}\n`).join('')
    parts.push(`x-amz-trailer-signature:${trailerSignature(context, previous, canonical)}\r\n`)
  }
  parts.push('\r\n')
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
}
