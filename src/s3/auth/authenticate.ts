/**
 * Who sent a request, proven by AWS Signature Version 4: by the Authorization header or a presigned URL,
 * nothing else. Nothing has an effect before this returns (I9).
 */
import type { AccessKey, AccessKeys, Principal } from '../../lib/identity.ts'
import type { EpochMs } from '../../lib/units.ts'
import { canonicalRequest, stringToSign } from '../../sigv4/canonical.ts'
import { type SigningKeys, sameSignature, signature } from '../../sigv4/keys.ts'
import type { RequestHead } from '../route.ts'
import { invalidArgument, S3Error } from '../s3-error.ts'
import { fromAuthorizationHeader } from './authorization-header.ts'
import { type Claim, headersNotSigned, unsupportedMechanism } from './claim.ts'
import type { ExpectedScope } from './credential.ts'
import type { PayloadMode } from './payload-mode.ts'
import { fromPresignedQuery, isPresigned } from './presigned.ts'

export type AuthenticationSettings = {
  readonly accessKeys: AccessKeys
  readonly expected: ExpectedScope
  readonly signingKeys: SigningKeys
}

export type Authenticated = {
  readonly principal: Principal
  readonly payload: PayloadMode
  /** The request as it was signed: x-amz-* parameters of a presigned URL have become headers. */
  readonly head: RequestHead
}

/**
 * Errors: AccessDenied (anonymous, expired, unsigned x-amz-* headers), InvalidRequest (other signature
 * versions), InvalidArgument (two ways at once), AuthorizationHeaderMalformed,
 * AuthorizationQueryParametersError, InvalidToken, RequestTimeTooSkewed, InvalidAccessKeyId,
 * SignatureDoesNotMatch.
 */
export async function authenticate(
  head: RequestHead,
  settings: AuthenticationSettings,
  wallMs: EpochMs,
): Promise<Authenticated> {
  const claim = signedClaim(head, settings.expected, wallMs)
  const found = await settings.accessKeys.find(claim.credential.accessKeyId)
  return verifyClaim(claim, { head, found, signingKeys: settings.signingKeys })
}

/** Before the key is looked up. Errors: those of `authenticate` that need no key. */
export function signedClaim(head: RequestHead, expected: ExpectedScope, wallMs: EpochMs): Claim {
  const claim = readClaim(head, expected, wallMs)
  checkSignedHeaders(head, claim.signedHeaders)
  return claim
}

/** `found`: the key that the claim names. Errors: InvalidAccessKeyId, SignatureDoesNotMatch. */
export function verifyClaim(
  claim: Claim,
  {
    head,
    found,
    signingKeys,
  }: { readonly head: RequestHead; readonly found: AccessKey | null; readonly signingKeys: SigningKeys },
): Authenticated {
  if (found === null) {
    throw new S3Error('InvalidAccessKeyId', { extra: { AWSAccessKeyId: claim.credential.accessKeyId } })
  }
  const key = signingKeys.of(found.secretAccessKey, claim.credential.scope)
  const canonical = canonicalRequest({
    method: head.method,
    path: head.path,
    query: claim.query,
    headers: head.headers,
    signedHeaders: claim.signedHeaders,
    payloadHash: claim.payloadHash,
  })
  const text = stringToSign(claim.amzDate, claim.credential.scope, canonical)
  if (!sameSignature(signature(key, text), claim.signature))
    throw signatureDoesNotMatch(claim, canonical, text)
  return { principal: found.principal, payload: claim.payload(key), head: claim.head }
}

function readClaim(head: RequestHead, expected: ExpectedScope, wallMs: EpochMs): Claim {
  const hasHeader = head.headers['authorization'] !== undefined
  const hasQuery = isPresigned(head.query) || head.query.some(([name]) => name === 'AWSAccessKeyId')
  if (hasHeader && hasQuery) {
    throw invalidArgument(
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string ' +
        'parameter or the Authorization header should be specified',
      'Authorization',
    )
  }
  refuseSessionToken(head)
  if (hasHeader) return fromAuthorizationHeader(head, expected, wallMs)
  if (isPresigned(head.query)) return fromPresignedQuery(head, expected, wallMs)
  if (hasQuery) throw unsupportedMechanism()
  throw new S3Error('AccessDenied')
}

/** There are no temporary credentials here; a token that is ignored would look as if it had been checked. */
function refuseSessionToken(head: RequestHead): void {
  const inQuery = head.query.some(([name]) => name.toLowerCase() === 'x-amz-security-token')
  if (inQuery || head.headers['x-amz-security-token'] !== undefined) throw new S3Error('InvalidToken')
}

/**
 * Each x-amz-* header must be signed, and its x-obs-* twin: a header added to a signed request or a presigned URL changes nothing
 * (B-59). Host must be, or the same signature would hold for another bucket's virtual host.
 */
function checkSignedHeaders(head: RequestHead, signedHeaders: readonly string[]): void {
  const unsigned = Object.keys(head.headers).filter(
    (name) => mustBeSigned(name) && !signedHeaders.includes(name),
  )
  if (unsigned.length > 0) throw headersNotSigned(unsigned)
}

function mustBeSigned(name: string): boolean {
  return name === 'host' || name.startsWith('x-amz-') || name.startsWith('x-obs-')
}

/** S3's elements for it: what we signed, never with what. */
function signatureDoesNotMatch(claim: Claim, canonical: string, text: string): S3Error {
  return new S3Error('SignatureDoesNotMatch', {
    extra: {
      AWSAccessKeyId: claim.credential.accessKeyId,
      StringToSign: text,
      SignatureProvided: claim.signature,
      CanonicalRequest: canonical,
    },
  })
}
