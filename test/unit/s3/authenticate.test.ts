import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { signature, signingKey } from '../../../src/sigv4/keys.ts'
import type { SendOptions, Wire } from '../../support/s3-client.ts'
import {
  alice,
  changed,
  failure,
  judge,
  judgeWire,
  nowMs,
  root,
  withAuthorization,
  withHeader,
  withoutHeader,
  withTarget,
} from '../../support/signed-requests.ts'

describe('header', () => {
  test('Authenticate: a signed request, its principal and the hash of its body', () => {
    const found = judge({})
    expect(found.principal.kind).toBe('root')
    expect(found.payload).toEqual({ kind: 'sha256', hex: createHash('sha256').update('x').digest('hex') })
    expect(judge({ key: alice }).principal.accountId).toBe('111111111111')
  })

  test('Authenticate: spaces between the components of the header, accepted', () => {
    expect(judge({ mutate: withAuthorization((value) => value.replaceAll(',', ', ')) }).principal.kind).toBe(
      'root',
    )
  })

  test('Authenticate: each payload mode, by its own name', () => {
    expect(judge({ sign: 'unsigned-payload' }).payload).toEqual({ kind: 'unsigned' })
    expect(judge({ sign: 'unsigned-trailer' }).payload).toEqual({ kind: 'unsignedChunks' })
    expect(judge({ sign: 'chunked' }).payload).toMatchObject({ kind: 'signedChunks', trailers: 'none' })
    expect(judge({ sign: 'chunked-trailer' }).payload).toMatchObject({
      kind: 'signedChunks',
      trailers: 'signed',
    })
  })

  test('Authenticate: a signed Date without x-amz-date, accepted as on AWS', () => {
    const date = new Date(nowMs).toUTCString()
    const hash = createHash('sha256').update('').digest('hex')
    const headers = { host: 'h', date, 'x-amz-content-sha256': hash }
    const lines = ['GET', '/bucket', '', `date:${date}`, 'host:h', `x-amz-content-sha256:${hash}`, '']
    const canonical = [...lines, 'date;host;x-amz-content-sha256', hash].join('\n')
    const scope = { date: '20261122', region: 'eu-test-1', service: 's3' }
    const digest = createHash('sha256').update(canonical).digest('hex')
    const text = `AWS4-HMAC-SHA256\n20261122T120000Z\n20261122/eu-test-1/s3/aws4_request\n${digest}`
    const value = signature(signingKey(root.secretAccessKey, scope), text)
    const authorization = (names: string) =>
      `AWS4-HMAC-SHA256 Credential=${root.accessKeyId}/20261122/eu-test-1/s3/aws4_request,` +
      `SignedHeaders=${names},Signature=${value}`
    const wire = (names: string): Wire => ({
      method: 'GET',
      target: '/bucket',
      headers: { ...headers, authorization: authorization(names) },
      body: Buffer.alloc(0),
    })
    expect(judgeWire(wire('date;host;x-amz-content-sha256'), nowMs).principal.kind).toBe('root')
    const unsigned = failure(() => judgeWire(wire('host;x-amz-content-sha256'), nowMs))
    expect([unsigned.code, unsigned.detail.extra]).toEqual(['AccessDenied', { HeadersNotSigned: 'date' }])
  })

  const scopeCases: readonly (readonly [from: string, to: string, message: string])[] = [
    ['eu-test-1', 'us-east-1', "the region 'us-east-1' is wrong; expecting 'eu-test-1'"],
    ['/s3/', '/holdfast/', 'incorrect service "holdfast". This endpoint belongs to "s3".'],
    ['aws4_request', 'aws4', 'incorrect terminal "aws4". This endpoint uses "aws4_request".'],
    [
      '/20261122/',
      '/2026112/',
      'incorrect date format "2026112". This date in the credential must be in the format "yyyyMMdd".',
    ],
    [
      '/20261122/',
      '/20261121/',
      'Invalid credential date "20261121". This date is not the same as X-Amz-Date: "20261122".',
    ],
    [
      'ROOTEXAMPLE/20261122/eu-test-1/s3/aws4_request',
      'ROOTEXAMPLE',
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    ],
    [
      'ROOTEXAMPLE/',
      '/',
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    ],
    ['SignedHeaders=host', 'SignedHeaders=host;Host', 'the SignedHeaders are mal-formed.'],
    ['SignedHeaders=host', 'SignedHeaders=host;host', 'the SignedHeaders are mal-formed.'],
    ['SignedHeaders=host', 'SignedHeaders=;host', 'the SignedHeaders are mal-formed.'],
    ['SignedHeaders=', 'Other=', 'the authorization header requires the component "SignedHeaders".'],
    ['Credential=', 'Other=', 'the authorization header requires the component "Credential".'],
    [',Signature=', ',Signature', 'the authorization component "Signature'],
    ['Signature=', 'Signature=a,Signature=', 'the authorization component "Signature='],
  ]
  for (const [from, to, message] of scopeCases) {
    test(`Authenticate: ${from} replaced by ${to}, AuthorizationHeaderMalformed`, () => {
      const error = failure(() => judge({ mutate: withAuthorization((value) => value.replace(from, to)) }))
      expect(error.code).toBe('AuthorizationHeaderMalformed')
      expect(error.detail.message).toContain(`The authorization header is malformed; ${message}`)
    })
  }

  test('Authenticate: the scope of another region, the right one in the element Region', () => {
    expect(failure(() => judge({ region: 'us-east-1' })).detail.extra).toEqual({ Region: 'eu-test-1' })
  })

  for (const scheme of [
    'AWS ROOTEXAMPLE:c2ln',
    'Bearer x',
    'AWS4-ECDSA-P256-SHA256 Credential=x',
    'AWS4-HMAC-SHA256x',
    '',
  ]) {
    test(`Authenticate: the Authorization header "${scheme}", InvalidRequest by name`, () => {
      const error = failure(() => judge({ mutate: withAuthorization(() => scheme) }))
      expect(error.code).toBe('InvalidRequest')
      expect(error.detail.message).toContain('Please use AWS4-HMAC-SHA256')
    })
  }

  test('Authenticate: 15 minutes of skew either way, accepted; a second more, RequestTimeTooSkewed', () => {
    const quarter = 15 * 60_000
    expect(judge({}, nowMs + quarter).principal.kind).toBe('root')
    expect(judge({}, nowMs - quarter).principal.kind).toBe('root')
    expect(failure(() => judge({}, nowMs + quarter + 1)).code).toBe('RequestTimeTooSkewed')
    const early = failure(() => judge({}, nowMs - quarter - 1))
    expect(early.detail.extra).toEqual({
      RequestTime: '20261122T120000Z',
      ServerTime: '2026-11-22T11:44:59.999Z',
      MaxAllowedSkewMilliseconds: '900000',
    })
  })

  test('Authenticate: no usable time, AccessDenied', () => {
    for (const mutate of [withoutHeader('x-amz-date'), withHeader('x-amz-date', 'yesterday')]) {
      expect(failure(() => judge({ mutate })).detail.message).toContain('valid Date or x-amz-date')
    }
    const mutate = changed(({ headers: { 'x-amz-date': _removed, ...headers } }) => ({
      headers: { ...headers, date: 'x' },
    }))
    expect(failure(() => judge({ mutate })).code).toBe('AccessDenied')
    // An HTTP date is not a form of x-amz-date.
    const http = new Date(nowMs).toUTCString()
    expect(failure(() => judge({ mutate: withHeader('x-amz-date', http) })).code).toBe('AccessDenied')
  })

  test('Authenticate: an unknown key, InvalidAccessKeyId', () => {
    const error = failure(() => judge({ key: { accessKeyId: 'NOBODY', secretAccessKey: 'x' } }))
    expect([error.code, error.detail.extra]).toEqual(['InvalidAccessKeyId', { AWSAccessKeyId: 'NOBODY' }])
  })

  test('Authenticate: a wrong secret, SignatureDoesNotMatch without the right one', () => {
    const error = failure(() => judge({ key: { ...root, secretAccessKey: 'wrong-secret' } }))
    expect(error.code).toBe('SignatureDoesNotMatch')
    expect(Object.keys(error.detail.extra)).toEqual([
      'AWSAccessKeyId',
      'StringToSign',
      'SignatureProvided',
      'CanonicalRequest',
    ])
    expect(JSON.stringify(error.detail)).not.toContain(root.secretAccessKey)
    expect(JSON.stringify(error.detail)).not.toContain(
      signature(
        signingKey(root.secretAccessKey, { date: '20261122', region: 'eu-test-1', service: 's3' }),
        error.detail.extra['StringToSign'] ?? '',
      ),
    )
  })

  const forged: Readonly<Record<string, SendOptions['mutate']>> = {
    'another method': changed(() => ({ method: 'DELETE' })),
    'another key': withTarget((target) => target.replace('key', 'kez')),
    'an added query': withTarget((target) => `${target}?versionId=abc`),
    'another host': withHeader('host', 'other'),
    'another signed header': withHeader('x-amz-date', '20261122T120001Z'),
    'another payload hash': withHeader('x-amz-content-sha256', 'UNSIGNED-PAYLOAD'),
    'one digit of the signature': withAuthorization((value) =>
      value.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
    ),
    'an empty signature': withAuthorization((value) => value.replace(/Signature=.*/, 'Signature=')),
  }
  for (const [name, mutate] of Object.entries(forged)) {
    test(`Authenticate: ${name} after signing, SignatureDoesNotMatch`, () => {
      expect(failure(() => judge(mutate === undefined ? {} : { mutate })).code).toBe('SignatureDoesNotMatch')
    })
  }

  // B-52 and B-59: control headers added after signing.
  for (const name of [
    'x-amz-bypass-governance-retention',
    'x-amz-object-lock-mode',
    'x-amz-copy-source',
    'x-amz-meta-a',
    'x-amz-replication-status',
    'x-amz-tagging',
  ]) {
    test(`B-52 B-59 Authenticate: ${name} added after signing, AccessDenied naming it`, () => {
      const error = failure(() => judge({ mutate: withHeader(name, 'true') }))
      expect([error.code, error.detail.extra]).toEqual(['AccessDenied', { HeadersNotSigned: name }])
      expect(error.detail.message).toBe('There were headers present in the request which were not signed')
    })
  }

  test('Authenticate: a signature that leaves out Host, AccessDenied', () => {
    const error = failure(() =>
      judge({ mutate: withAuthorization((value) => value.replace('SignedHeaders=host;', 'SignedHeaders=')) }),
    )
    expect(error.detail.extra).toEqual({ HeadersNotSigned: 'host' })
  })

  test('Authenticate: no x-amz-content-sha256, InvalidRequest', () => {
    expect(failure(() => judge({ mutate: withoutHeader('x-amz-content-sha256') })).code).toBe(
      'InvalidRequest',
    )
  })

  for (const hash of ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'unsigned-payload', 'abc', '']) {
    test(`Authenticate: the payload "${hash}" with a right signature, InvalidArgument`, () => {
      const wire = signedWithHash(hash)
      expect(failure(() => judgeWire(wire, nowMs)).code).toBe('InvalidArgument')
    })
  }

  test('Authenticate: an upper-case hash, the same bytes', () => {
    const hex = createHash('sha256').update('x').digest('hex')
    expect(judgeWire(signedWithHash(hex.toUpperCase()), nowMs).payload).toEqual({ kind: 'sha256', hex })
  })

  test('Authenticate: parameters of presigned URLs beside the header, InvalidArgument', () => {
    expect(failure(() => judge({ query: { 'x-amz-object-lock-mode': 'COMPLIANCE' } })).code).toBe(
      'InvalidArgument',
    )
    const both = failure(() => judge({ query: { 'X-Amz-Signature': 'x' } }))
    expect(both.detail.message).toContain('Only one auth mechanism allowed')
    expect(failure(() => judge({ query: { AWSAccessKeyId: 'x' } })).detail.message).toContain('Only one auth')
  })

  test('Authenticate: a session token, InvalidToken and never ignored', () => {
    expect(failure(() => judge({ headers: { 'x-amz-security-token': 't' } })).code).toBe('InvalidToken')
    const presigned = { sign: 'presigned', query: { 'X-Amz-Security-Token': 't' } } as const
    expect(failure(() => judge(presigned)).code).toBe('InvalidToken')
  })
})

/** A rightly signed request that says `hash` of its payload. */
function signedWithHash(hash: string): Wire {
  const amzDate = '20261122T120000Z'
  const names = 'host;x-amz-content-sha256;x-amz-date'
  const headerLines = ['host:h', `x-amz-content-sha256:${hash}`, `x-amz-date:${amzDate}`, '']
  const canonical = ['PUT', '/bucket', '', ...headerLines, names, hash].join('\n')
  const digest = createHash('sha256').update(canonical).digest('hex')
  const scope = { date: '20261122', region: 'eu-test-1', service: 's3' }
  const text = `AWS4-HMAC-SHA256\n${amzDate}\n20261122/eu-test-1/s3/aws4_request\n${digest}`
  const value = signature(signingKey(root.secretAccessKey, scope), text)
  const credential = `${root.accessKeyId}/20261122/eu-test-1/s3/aws4_request`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${names},Signature=${value}`
  const headers = { host: 'h', 'x-amz-content-sha256': hash, 'x-amz-date': amzDate, authorization }
  return { method: 'PUT', target: '/bucket', headers, body: Buffer.alloc(0) }
}

describe('anonymous and other versions', () => {
  test('Authenticate: no signature, AccessDenied', () => {
    const error = failure(() => judge({ sign: 'none' }))
    expect([error.code, error.detail.message]).toEqual(['AccessDenied', 'Access Denied'])
  })

  // B-58
  test('B-58 Authenticate: a form upload without a signature, AccessDenied', () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=x' }
    expect(failure(() => judge({ method: 'POST', path: '/bucket', sign: 'none', headers })).code).toBe(
      'AccessDenied',
    )
  })

  test('Authenticate: a presigned URL of version 2, InvalidRequest by name', () => {
    const query = { AWSAccessKeyId: 'ROOTEXAMPLE', Expires: '1', Signature: 'x' }
    expect(failure(() => judge({ sign: 'none', query })).detail.message).toContain(
      'Please use AWS4-HMAC-SHA256',
    )
  })
})
