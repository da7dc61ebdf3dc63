import { limits } from '../../lib/limits.ts'
import { type EpochMs, epochMs, formatIso } from '../../lib/units.ts'
import { algorithm, type QueryPairs, unsignedPayload } from '../../sigv4/canonical.ts'
import { parseAmzDate } from '../dates.ts'
import { headerValue } from '../header-value.ts'
import type { RequestHead } from '../route.ts'
import { invalidArgument, S3Error } from '../s3-error.ts'
import type { Claim } from './claim.ts'
import { type ExpectedScope, type Fault, parseCredential, parseSignedHeaders } from './credential.ts'
import { presignedPayloadMode } from './payload-mode.ts'

const required = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
] as const
type Required = (typeof required)[number]

const signatureNames = new Set<string>(
  [...required, 'X-Amz-Content-Sha256'].map((name) => name.toLowerCase()),
)

/** Any of its parameters makes a request a presigned one: a part of a signature is never anonymous. */
export function isPresigned(query: QueryPairs): boolean {
  return query.some(([name]) => required.some((known) => known === name))
}

function queryError(message: string): S3Error {
  return new S3Error('AuthorizationQueryParametersError', { message })
}

const fault: Fault = (message, extra = {}) =>
  new S3Error('AuthorizationQueryParametersError', {
    message: `Error parsing the X-Amz-Credential parameter; ${message}`,
    extra,
  })

/**
 * Source: "Authenticating Requests: Using Query Parameters", Amazon S3 API reference. Errors: as
 * `authenticate`.
 */
export function fromPresignedQuery(head: RequestHead, expected: ExpectedScope, wallMs: EpochMs): Claim {
  const values = readRequired(head.query)
  if (values['X-Amz-Algorithm'] !== algorithm) {
    throw queryError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
  }
  const credential = parseCredential(values['X-Amz-Credential'], expected, fault)
  const amzDate = values['X-Amz-Date']
  const timeMs = parseAmzDate(amzDate)
  if (timeMs === null)
    throw queryError("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  if (!amzDate.startsWith(credential.scope.date)) {
    throw fault(
      `Invalid credential date "${credential.scope.date}". This date is not the same as X-Amz-Date.`,
    )
  }
  checkValidity(timeMs, parseExpires(values['X-Amz-Expires']), wallMs)
  const payloadHash = payloadHashOf(head)
  return {
    credential,
    signedHeaders: parseSignedHeaders(values['X-Amz-SignedHeaders'], (message) => queryError(message)),
    signature: values['X-Amz-Signature'],
    amzDate,
    payloadHash,
    query: head.query.filter(([name]) => name !== 'X-Amz-Signature'),
    payload: () => presignedPayloadMode(payloadHash),
    head: withHoistedHeaders(head),
  }
}

function readRequired(query: QueryPairs): Readonly<Record<Required, string>> {
  const values = new Map(query)
  const read = (name: Required): string => {
    const value = values.get(name)
    if (value !== undefined && value !== '') return value
    throw queryError(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, ' +
        'X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    )
  }
  return {
    'X-Amz-Algorithm': read('X-Amz-Algorithm'),
    'X-Amz-Credential': read('X-Amz-Credential'),
    'X-Amz-Date': read('X-Amz-Date'),
    'X-Amz-Expires': read('X-Amz-Expires'),
    'X-Amz-SignedHeaders': read('X-Amz-SignedHeaders'),
    'X-Amz-Signature': read('X-Amz-Signature'),
  }
}

function parseExpires(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw queryError('X-Amz-Expires should be a number')
  const seconds = Number(text)
  if (seconds < 0) throw queryError('X-Amz-Expires must be non-negative')
  if (seconds > limits.presignedSecondsMax) {
    throw queryError(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be ' +
        `less than ${limits.presignedSecondsMax} seconds`,
    )
  }
  return seconds
}

/** Errors: AccessDenied, before and after its time. */
export function checkValidity(timeMs: EpochMs, expiresSeconds: number, wallMs: EpochMs): void {
  if (timeMs > wallMs + limits.requestSkewMsMax) {
    throw new S3Error('AccessDenied', {
      message: 'Request is not yet valid',
      extra: { RequestTime: formatIso(timeMs), ServerTime: formatIso(wallMs) },
    })
  }
  const expires = epochMs(timeMs + expiresSeconds * 1000)
  if (wallMs > expires) {
    const extra = {
      'X-Amz-Expires': String(expiresSeconds),
      Expires: formatIso(expires),
      ServerTime: formatIso(wallMs),
    }
    throw new S3Error('AccessDenied', { message: 'Request has expired', extra })
  }
}

function payloadHashOf(head: RequestHead): string {
  const inQuery = head.query.find(([name]) => name.toLowerCase() === 'x-amz-content-sha256')?.[1]
  return inQuery ?? head.headers['x-amz-content-sha256'] ?? unsignedPayload
}

/**
 * SDKs move x-amz-* headers into the query of a presigned URL, where the signature covers them. They take
 * effect as the headers that they are: a lock header that was accepted and not stored would be the worst
 * answer. Errors: InvalidArgument if a header of the same name says something else, or if no header could say it.
 */
function withHoistedHeaders(head: RequestHead): RequestHead {
  const hoisted = head.query.filter(([name]) => isHoisted(name))
  if (hoisted.length === 0) return head
  const headers: Record<string, string> = Object.assign(Object.create(null), head.headers)
  for (const [name, text] of hoisted) {
    const lower = name.toLowerCase()
    const value = headerValue(lower, text)
    if (headers[lower] !== undefined && headers[lower] !== value) {
      throw invalidArgument(`${lower} is given twice, as a header and in the query.`, lower)
    }
    headers[lower] = value
  }
  return { ...head, headers, query: head.query.filter(([name]) => !isHoisted(name)) }
}

/**
 * Checksums are left out, as on AWS: SDKs sign that of the empty body into every URL, since they do not know
 * the body that will be sent (aws-sdk-js-v3 since 3.729). Where a checksum is demanded, it must come as a
 * header.
 */
function isHoisted(name: string): boolean {
  const lower = name.toLowerCase()
  if (lower === 'x-amz-sdk-checksum-algorithm') return false
  if (lower.startsWith('x-amz-checksum-') && lower !== 'x-amz-checksum-mode') return false
  return lower.startsWith('x-amz-') && !signatureNames.has(lower)
}
