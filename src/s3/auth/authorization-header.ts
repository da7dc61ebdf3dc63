import type { EpochMs } from '../../lib/units.ts'
import { algorithm } from '../../sigv4/canonical.ts'
import { amzDateOf } from '../../sigv4/sign.ts'
import { parseAmzDate, parseHttpDate } from '../dates.ts'
import type { RequestHead } from '../route.ts'
import { invalidArgument, S3Error } from '../s3-error.ts'
import { type Claim, checkSkew, headersNotSigned, unsupportedMechanism } from './claim.ts'
import { type ExpectedScope, type Fault, parseCredential, parseSignedHeaders } from './credential.ts'
import { payloadMode } from './payload-mode.ts'

const fault: Fault = (message, extra = {}) =>
  new S3Error('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; ${message}`,
    extra,
  })

/**
 * `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`. The time is x-amz-date's, or a signed
 * Date's. Errors: as `authenticate`.
 */
export function fromAuthorizationHeader(head: RequestHead, expected: ExpectedScope, wallMs: EpochMs): Claim {
  const parts = components(head.headers['authorization'] as string)
  const credential = parseCredential(parts.Credential, expected, fault)
  const signedHeaders = parseSignedHeaders(parts.SignedHeaders, fault)
  const time = requestTime(head, signedHeaders)
  if (!time.amzDate.startsWith(credential.scope.date)) {
    throw fault(
      `Invalid credential date "${credential.scope.date}". This date is not the same as X-Amz-Date: ` +
        `"${time.amzDate.slice(0, 8)}".`,
    )
  }
  checkSkew(time.timeMs, time.amzDate, wallMs)
  refuseControlQuery(head)
  const payloadHash = head.headers['x-amz-content-sha256']
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    })
  }
  const { amzDate } = time
  const { scope } = credential
  return {
    credential,
    signedHeaders,
    signature: parts.Signature,
    amzDate,
    payloadHash,
    query: head.query,
    payload: (key) => payloadMode(payloadHash, parts.Signature, { key, amzDate, scope }),
    head,
  }
}

type Components = { readonly Credential: string; readonly SignedHeaders: string; readonly Signature: string }

function components(header: string): Components {
  const space = header.indexOf(' ')
  const scheme = space === -1 ? header : header.slice(0, space)
  if (scheme !== algorithm) throw unsupportedMechanism()
  const found = new Map<string, string>()
  for (const part of header.slice(space + 1).split(',')) {
    const equals = part.indexOf('=')
    const name = part.slice(0, Math.max(equals, 0)).trim()
    if (name === '' || found.has(name))
      throw fault(`the authorization component "${part.trim()}" is malformed.`)
    found.set(name, part.slice(equals + 1).trim())
  }
  return {
    Credential: component(found, 'Credential'),
    SignedHeaders: component(found, 'SignedHeaders'),
    Signature: component(found, 'Signature'),
  }
}

function component(found: ReadonlyMap<string, string>, name: string): string {
  const value = found.get(name)
  if (value === undefined) throw fault(`the authorization header requires the component "${name}".`)
  return value
}

type RequestTime = { readonly timeMs: EpochMs; readonly amzDate: string }

function requestTime(head: RequestHead, signedHeaders: readonly string[]): RequestTime {
  const amzDate = head.headers['x-amz-date']
  const text = amzDate ?? head.headers['date']
  const amzMs = text === undefined ? null : parseAmzDate(text)
  const timeMs = amzMs ?? (text === undefined || amzDate !== undefined ? null : parseHttpDate(text))
  if (text === undefined || timeMs === null) {
    throw new S3Error('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header',
    })
  }
  // x-amz-date is held to being signed with all of its family; a Date that is not signed proves no time.
  if (amzDate === undefined && !signedHeaders.includes('date')) {
    throw headersNotSigned(['date'])
  }
  return { timeMs, amzDate: amzMs === null ? amzDateOf(timeMs) : text }
}

/**
 * Parameters of a presigned URL mean nothing beside the header: refused, because ignoring a lock would be
 * silent.
 */
function refuseControlQuery(head: RequestHead): void {
  const stray = head.query.find(([name]) => name.toLowerCase().startsWith('x-amz-'))
  if (stray !== undefined) {
    throw invalidArgument(`The query parameter ${stray[0]} is only accepted in a presigned URL.`, stray[0])
  }
}
