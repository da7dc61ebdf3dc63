/** Presigned URLs that were changed, have ended or say what they cannot. */
import { type BadRequest, withHeader } from './runner.ts'
import { minute, notSigned, put, putWith, target, wrongSecret } from './signed.ts'

/** A presigned PUT whose URL is changed after it was signed. */
const changed = (change: (value: string) => string) => putWith({ sign: 'presigned', mutate: target(change) })

/** Signs what the client would not write: another payload hash or other headers. */
const onlyOne =
  'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string ' +
  'parameter or the Authorization header should be specified'
export const presigned: readonly BadRequest[] = [
  {
    name: 'presigned, expired',
    request: (place) => ({
      ...put(place),
      sign: 'presigned',
      timeMs: place.nowMs - 2 * minute,
      expiresSeconds: 60,
    }),
    status: 403,
    code: 'AccessDenied',
    message: 'Request has expired',
    extra: { 'X-Amz-Expires': '60' },
  },
  {
    name: 'presigned, of tomorrow',
    request: (place) => ({ ...put(place), sign: 'presigned', timeMs: place.nowMs + 24 * 60 * minute }),
    status: 403,
    code: 'AccessDenied',
    message: 'Request is not yet valid',
  },
  {
    name: 'presigned for more than seven days',
    request: putWith({ sign: 'presigned', expiresSeconds: 604_801 }),
    status: 400,
    code: 'AuthorizationQueryParametersError',
  },
  {
    name: 'presigned for a negative time',
    request: putWith({ sign: 'presigned', expiresSeconds: -1 }),
    status: 400,
    code: 'AuthorizationQueryParametersError',
    message: 'X-Amz-Expires must be non-negative',
  },
  {
    name: 'presigned for a time that is no number',
    request: changed((value) => value.replace('Expires=900', 'Expires=1e3')),
    status: 400,
    code: 'AuthorizationQueryParametersError',
    message: 'X-Amz-Expires should be a number',
  },
  {
    name: 'presigned, made longer',
    request: changed((value) => value.replace('Expires=900', 'Expires=9000')),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'presigned without a date',
    request: changed((value) => value.replace(/&X-Amz-Date=[^&]*/, '')),
    status: 400,
    code: 'AuthorizationQueryParametersError',
  },
  {
    name: 'presigned without a signature',
    request: changed((value) => value.replace(/&X-Amz-Signature=.*/, '')),
    status: 400,
    code: 'AuthorizationQueryParametersError',
  },
  {
    name: 'presigned by another algorithm',
    request: changed((value) => value.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1')),
    status: 400,
    code: 'AuthorizationQueryParametersError',
  },
  {
    name: 'presigned for another region',
    request: putWith({ sign: 'presigned', region: 'eu-west-1' }),
    status: 400,
    code: 'AuthorizationQueryParametersError',
    extra: { Region: 'us-east-1' },
  },
  {
    name: 'presigned by a wrong secret',
    request: putWith({ sign: 'presigned', key: wrongSecret }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'presigned, a header added',
    request: putWith({ sign: 'presigned', mutate: withHeader('x-amz-tagging', 'a=b') }),
    status: 403,
    code: 'AccessDenied',
    message: notSigned,
    extra: { HeadersNotSigned: 'x-amz-tagging' },
  },
  {
    name: 'presigned, a control parameter added',
    request: changed((value) => `${value}&x-amz-object-lock-legal-hold=ON`),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'presigned, a parameter twice',
    request: changed((value) => `${value}&X-Amz-Expires=900`),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'X-Amz-Expires' },
  },
  {
    name: 'presigned, the same parameter in other letters',
    request: changed((value) => `${value}&x-amz-expires=99`),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'presigned and signed by header',
    request: (place) => ({ ...put(place), query: { 'X-Amz-Signature': 'x' } }),
    status: 400,
    code: 'InvalidArgument',
    message: onlyOne,
    extra: { ArgumentName: 'Authorization' },
  },
  {
    name: 'presigned with chunks, which its signature does not cover',
    request: putWith({
      sign: 'presigned',
      query: { 'X-Amz-Content-Sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' },
    }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'presigned with a session token',
    request: putWith({ sign: 'presigned', query: { 'X-Amz-Security-Token': 'token' } }),
    status: 400,
    code: 'InvalidToken',
  },
]
