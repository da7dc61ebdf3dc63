/** Requests that prove nothing, or something else than they say (I9, B-52 to B-59). */
import { epochMs } from '../../../src/lib/units.ts'
import { signingKeys } from '../../../src/sigv4/keys.ts'
import { signRequest } from '../../../src/sigv4/sign.ts'
import { md5 } from '../../support/conformance.ts'
import type { SendOptions } from '../../support/s3-client.ts'
import { rootCredentials } from '../../support/server.ts'
import { type BadRequest, type Place, withHeader, withoutHeader } from './runner.ts'
import {
  altered,
  authorization,
  get,
  minute,
  notSigned,
  put,
  putWith,
  remove,
  target,
  wrongSecret,
} from './signed.ts'

/** Signs what the client would not write: another payload hash or other headers. */
function signedAnyway(payloadHash: string, without: readonly string[] = []) {
  return (place: Place): SendOptions => {
    const options = put(place)
    return {
      ...options,
      mutate: (wire) => {
        const host = wire.headers['host'] ?? ''
        const timeMs = epochMs(Math.floor(place.nowMs))
        const { headers } = signRequest(
          {
            method: 'PUT',
            path: options.path,
            query: [],
            headers: { host, ...options.headers },
            payloadHash,
          },
          { credentials: rootCredentials, region: 'us-east-1', service: 's3', timeMs, keys: signingKeys(2) },
        )
        const kept = Object.entries(headers).filter(([name]) => !without.includes(name))
        return { ...wire, headers: { ...Object.fromEntries(kept), 'content-length': '5' } }
      },
    }
  }
}

const unsupported =
  'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.'

const proofs: readonly BadRequest[] = [
  {
    name: 'anonymous write',
    request: putWith({ sign: 'none' }),
    status: 403,
    code: 'AccessDenied',
    message: 'Access Denied',
  },
  {
    name: 'anonymous read',
    request: (place) => ({ ...get(place), sign: 'none' }),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'anonymous HEAD',
    request: (place) => ({ ...get(place), method: 'HEAD', sign: 'none' }),
    status: 403,
    code: null,
  },
  {
    name: 'an unknown key',
    request: putWith({ key: { ...rootCredentials, accessKeyId: 'NOBODY' } }),
    status: 403,
    code: 'InvalidAccessKeyId',
    extra: { AWSAccessKeyId: 'NOBODY' },
  },
  {
    name: 'an unknown key with a longer name than any row of the store',
    request: putWith({ key: { ...rootCredentials, accessKeyId: 'A'.repeat(2000) } }),
    status: 403,
    code: 'InvalidAccessKeyId',
    extra: { AWSAccessKeyId: 'A'.repeat(2000) },
  },
  {
    name: 'a wrong secret',
    request: putWith({ key: wrongSecret }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'a signature of other digits',
    request: altered(authorization((value) => value.replace(/[0-9a-f]{64}$/, '0'.repeat(64)))),
    status: 403,
    code: 'SignatureDoesNotMatch',
    extra: { SignatureProvided: '0'.repeat(64), AWSAccessKeyId: 'ROOTEXAMPLE' },
  },
  {
    name: 'a signature cut short',
    request: altered(authorization((value) => value.slice(0, -1))),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'another value of a signed header',
    request: altered(withHeader('content-md5', md5('other'))),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'another method',
    request: (place) => ({ ...get(place), mutate: (wire) => ({ ...wire, method: 'DELETE' }) }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'another path',
    request: altered(target((value) => value.replace('/new', '/key'))),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'an added query',
    request: (place) => ({ ...remove(place), mutate: target((value) => `${value}&x=1`) }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'another version id',
    request: (place) => ({
      ...remove(place),
      query: {},
      mutate: target((value) => `${value}?versionId=${place.versionId}`),
    }),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'other bytes than were signed',
    request: altered((wire) => ({ ...wire, body: Buffer.from('other') })),
    status: 400,
    code: 'XAmzContentSHA256Mismatch',
  },
  {
    name: 'a header of the x-amz family that is not signed',
    request: altered(withHeader('x-amz-object-lock-legal-hold', 'ON')),
    status: 403,
    code: 'AccessDenied',
    message: notSigned,
    extra: { HeadersNotSigned: 'x-amz-object-lock-legal-hold' },
  },
  {
    name: 'a bypass that is not signed, in odd letters',
    request: (place) => ({
      ...remove(place),
      mutate: withHeader('X-AMZ-Bypass-Governance-Retention', 'true'),
    }),
    status: 403,
    code: 'AccessDenied',
    extra: { HeadersNotSigned: 'x-amz-bypass-governance-retention' },
  },
  {
    name: 'a host that is not signed',
    request: altered(authorization((value) => value.replace('host;', ''))),
    status: 403,
    code: 'AccessDenied',
    extra: { HeadersNotSigned: 'host' },
  },
  {
    name: 'a signed header that is not there',
    request: altered(withoutHeader('content-md5')),
    status: 403,
    code: 'SignatureDoesNotMatch',
  },
  {
    name: 'two Authorization headers',
    request: (place) => ({ ...put(place), lines: ['Authorization: AWS4-HMAC-SHA256 x'] }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'authorization' },
  },
]

const headerForms: readonly BadRequest[] = [
  {
    name: 'another region',
    request: putWith({ region: 'eu-west-1' }),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
    message: "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
    extra: { Region: 'us-east-1' },
  },
  {
    name: 'another service',
    request: altered(authorization((value) => value.replace('/s3/', '/ec2/'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'the admin service',
    request: altered(authorization((value) => value.replace('/s3/', '/holdfast/'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'another day in the credential',
    request: altered(authorization((value) => value.replace(/\/\d{8}\//, '/20010101/'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'no day in the credential',
    request: altered(authorization((value) => value.replace(/\/\d{8}\//, '/today/'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'a credential of three parts',
    request: altered(authorization((value) => value.replace(/Credential=[^,]*/, 'Credential=a/b/c'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'a credential with an empty key id',
    request: altered(authorization((value) => value.replace('ROOTEXAMPLE', ''))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'another terminal',
    request: altered(authorization((value) => value.replace('aws4_request', 'aws5_request'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'no Signature',
    request: altered(authorization((value) => value.replace(/,Signature=.*/, ''))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'two Signatures',
    request: altered(authorization((value) => `${value},Signature=${'0'.repeat(64)}`)),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'signed headers in upper case',
    request: altered(authorization((value) => value.replace('host', 'Host'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'signed headers named twice',
    request: altered(authorization((value) => value.replace('host', 'host;host'))),
    status: 400,
    code: 'AuthorizationHeaderMalformed',
  },
  {
    name: 'an empty Authorization',
    request: altered(withHeader('authorization', '')),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'signature version 2',
    request: altered(withHeader('authorization', 'AWS ROOTEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=')),
    status: 400,
    code: 'InvalidRequest',
    message: unsupported,
  },
  {
    name: 'signature version 2 in the query',
    request: (place) => ({
      ...get(place),
      sign: 'none',
      query: { AWSAccessKeyId: 'ROOTEXAMPLE', Expires: '99999999999', Signature: 'x' },
    }),
    status: 400,
    code: 'InvalidRequest',
    message: unsupported,
  },
  {
    name: 'signature version 4A',
    request: altered(authorization((value) => value.replace('HMAC-SHA256', 'ECDSA-P256-SHA256'))),
    status: 400,
    code: 'InvalidRequest',
  },
  {
    name: 'a bearer token',
    request: altered(withHeader('authorization', 'Bearer abc')),
    status: 400,
    code: 'InvalidRequest',
  },
  { name: 'no time', request: altered(withoutHeader('x-amz-date')), status: 403, code: 'AccessDenied' },
  {
    name: 'a time that is none',
    request: altered(withHeader('x-amz-date', 'yesterday')),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'a Date that is not signed',
    request: altered((wire) =>
      withHeader('date', 'Sun, 22 Nov 2026 00:00:00 GMT')(withoutHeader('x-amz-date')(wire)),
    ),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'a date that is not in the calendar',
    request: altered(withHeader('x-amz-date', '20260230T000000Z')),
    status: 403,
    code: 'AccessDenied',
  },
  {
    name: 'a time 16 minutes ago',
    request: (place) => ({ ...put(place), timeMs: place.nowMs - 16 * minute }),
    status: 403,
    code: 'RequestTimeTooSkewed',
    extra: { MaxAllowedSkewMilliseconds: '900000' },
  },
  {
    name: 'a time 17 minutes ahead',
    request: (place) => ({ ...put(place), timeMs: place.nowMs + 17 * minute }),
    status: 403,
    code: 'RequestTimeTooSkewed',
  },
  {
    name: 'no payload hash',
    request: signedAnyway('UNSIGNED-PAYLOAD', ['x-amz-content-sha256']),
    status: 400,
    code: 'InvalidRequest',
    message: 'Missing required header for this request: x-amz-content-sha256',
  },
  {
    name: 'a payload hash that is none',
    request: signedAnyway('0123'),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: '0123' },
  },
  {
    name: 'a payload mode that is none',
    request: signedAnyway('STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD'),
    status: 400,
    code: 'InvalidArgument',
  },
  {
    name: 'a session token',
    request: putWith({ headers: { 'x-amz-security-token': 'token' } }),
    status: 400,
    code: 'InvalidToken',
  },
  {
    name: 'a parameter of presigned URLs beside the header',
    request: putWith({ query: { 'x-amz-acl': 'private' } }),
    status: 400,
    code: 'InvalidArgument',
    extra: { ArgumentName: 'x-amz-acl' },
  },
]

export const signatures: readonly BadRequest[] = [...proofs, ...headerForms]
