import { type EpochMs, formatIso } from '../lib/units.ts'
import {
  algorithm,
  canonicalRequest,
  type QueryPairs,
  type Scope,
  scopeText,
  stringToSign,
  unsignedPayload,
} from './canonical.ts'
import { type SigningKeys, signature } from './keys.ts'

export type SigningCredentials = { readonly accessKeyId: string; readonly secretAccessKey: string }

export type RequestToSign = {
  readonly method: string
  /** Decoded, beginning with `/`. */
  readonly path: string
  readonly query: QueryPairs
  /** Lower-case names, `host` among them. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>
  /** Hex SHA-256 of the body, UNSIGNED-PAYLOAD or a STREAMING- constant. */
  readonly payloadHash: string
}

export type SigningContext = {
  readonly credentials: SigningCredentials
  readonly region: string
  readonly service: string
  readonly timeMs: EpochMs
  readonly keys: SigningKeys
}

/** `20130524T000000Z` */
export function amzDateOf(timeMs: EpochMs): string {
  return `${formatIso(timeMs).slice(0, 19).replace(/[-:]/g, '')}Z`
}

export type SignedRequest = {
  /** The given headers with x-amz-date, x-amz-content-sha256 and authorization. */
  readonly headers: Readonly<Record<string, string>>
  /** The request's signature: the seed of chunk signatures. */
  readonly signature: string
  readonly amzDate: string
  readonly scope: Scope
}

/** Signs by the Authorization header. */
export function signRequest(request: RequestToSign, context: SigningContext): SignedRequest {
  const amzDate = amzDateOf(context.timeMs)
  const scope: Scope = { date: amzDate.slice(0, 8), region: context.region, service: context.service }
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': amzDate,
    'x-amz-content-sha256': request.payloadHash,
  }
  const signedHeaders = Object.keys(headers).sort()
  const canonical = canonicalRequest({ ...request, headers, signedHeaders })
  const key = context.keys.of(context.credentials.secretAccessKey, scope)
  const value = signature(key, stringToSign(amzDate, scope, canonical))
  const credential = `${context.credentials.accessKeyId}/${scopeText(scope)}`
  headers['authorization'] =
    `${algorithm} Credential=${credential},SignedHeaders=${signedHeaders.join(';')},Signature=${value}`
  return { headers, signature: value, amzDate, scope }
}

/**
 * Signs by the query: the result is `request.query` with the six X-Amz parameters; `request.headers` must be
 * sent as they are. The payload is not signed.
 */
export function presignRequest(
  request: Omit<RequestToSign, 'payloadHash'>,
  context: SigningContext,
  expiresSeconds: number,
): QueryPairs {
  const amzDate = amzDateOf(context.timeMs)
  const scope: Scope = { date: amzDate.slice(0, 8), region: context.region, service: context.service }
  const signedHeaders = Object.keys(request.headers).sort()
  const query: QueryPairs = [
    ...request.query,
    ['X-Amz-Algorithm', algorithm],
    ['X-Amz-Credential', `${context.credentials.accessKeyId}/${scopeText(scope)}`],
    ['X-Amz-Date', amzDate],
    ['X-Amz-Expires', String(expiresSeconds)],
    ['X-Amz-SignedHeaders', signedHeaders.join(';')],
  ]
  const canonical = canonicalRequest({ ...request, query, signedHeaders, payloadHash: unsignedPayload })
  const key = context.keys.of(context.credentials.secretAccessKey, scope)
  return [...query, ['X-Amz-Signature', signature(key, stringToSign(amzDate, scope, canonical))]]
}
