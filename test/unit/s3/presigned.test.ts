import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  client,
  failure,
  judge,
  judgeWire,
  nowMs,
  withHeader,
  withTarget,
} from '../../support/signed-requests.ts'

describe('presigned', () => {
  const get = { method: 'GET', body: '', sign: 'presigned' } as const

  test('Authenticate: a presigned URL, its principal and an unsigned payload', () => {
    const found = judge(get)
    expect([found.principal.kind, found.payload]).toEqual(['root', { kind: 'unsigned' }])
  })

  test('Authenticate: x-amz-content-sha256 in the query, the hash of the payload', () => {
    const hex = createHash('sha256').update('x').digest('hex')
    const wire = client.wire({
      method: 'GET',
      path: '/bucket',
      sign: 'presigned',
      query: { 'X-Amz-Content-Sha256': hex },
    })
    // Our signer signs UNSIGNED-PAYLOAD there, so the server must see another signature.
    expect(failure(() => judgeWire(wire, nowMs)).code).toBe('SignatureDoesNotMatch')
    const plain = { ...get, query: { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' } }
    expect(judge(plain).payload).toEqual({ kind: 'unsigned' })
  })

  // B-55
  test('B-55 Authenticate: a streaming payload in a presigned URL, refused', () => {
    const streaming = { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }
    expect(failure(() => judge({ ...get, method: 'PUT', headers: streaming })).code).toBe(
      'SignatureDoesNotMatch',
    )
  })

  test('Authenticate: valid to the last millisecond of X-Amz-Expires, expired after', () => {
    expect(judge({ ...get, expiresSeconds: 60 }, nowMs + 60_000).principal.kind).toBe('root')
    const late = failure(() => judge({ ...get, expiresSeconds: 60 }, nowMs + 60_001))
    expect([late.code, late.detail.message]).toEqual(['AccessDenied', 'Request has expired'])
    expect(late.detail.extra['X-Amz-Expires']).toBe('60')
    expect(judge({ ...get, expiresSeconds: 604_800 }, nowMs + 604_800_000).principal.kind).toBe('root')
  })

  test('Authenticate: signed for a later time, not yet valid beyond the skew', () => {
    expect(judge(get, nowMs - 900_000).principal.kind).toBe('root')
    expect(failure(() => judge(get, nowMs - 900_001)).detail.message).toBe('Request is not yet valid')
  })

  const replaced: readonly (readonly [from: RegExp, to: string, message: string])[] = [
    [/X-Amz-Expires=\d+/, 'X-Amz-Expires=604801', 'X-Amz-Expires must be less than a week'],
    [/X-Amz-Expires=\d+/, 'X-Amz-Expires=-1', 'X-Amz-Expires must be non-negative'],
    [/X-Amz-Expires=\d+/, 'X-Amz-Expires=1e3', 'X-Amz-Expires should be a number'],
    [/X-Amz-Expires=\d+/, 'X-Amz-Expires=', 'Query-string authentication version 4 requires'],
    [/X-Amz-Signature=\w+/, 'a=b', 'Query-string authentication version 4 requires'],
    [/X-Amz-Date=\w+/, 'a=b', 'Query-string authentication version 4 requires'],
    [/X-Amz-Algorithm=[^&]+/, 'X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256', 'X-Amz-Algorithm only supports'],
    [/X-Amz-Date=\w+/, 'X-Amz-Date=yesterday', 'X-Amz-Date must be in the ISO8601'],
    [/X-Amz-Date=\w+/, 'X-Amz-Date=20261123T000000Z', 'Invalid credential date'],
    [/eu-test-1/, 'us-east-1', "the region 'us-east-1' is wrong; expecting 'eu-test-1'"],
    [/X-Amz-SignedHeaders=host/, 'X-Amz-SignedHeaders=HOST', 'the SignedHeaders are mal-formed'],
  ]
  for (const [from, to, message] of replaced) {
    test(`Authenticate: ${to} in a presigned URL, AuthorizationQueryParametersError`, () => {
      const error = failure(() => judge({ ...get, mutate: withTarget((target) => target.replace(from, to)) }))
      expect(error.code).toBe('AuthorizationQueryParametersError')
      expect(error.detail.message).toContain(message)
    })
  }

  const forged: Readonly<Record<string, (target: string) => string>> = {
    'another key': (target) => target.replace('/key', '/kez'),
    'an added query': (target) => `${target}&versionId=x`,
    'a longer validity': (target) => target.replace('X-Amz-Expires=900', 'X-Amz-Expires=901'),
  }
  for (const [name, change] of Object.entries(forged)) {
    test(`Authenticate: ${name} in a presigned URL, SignatureDoesNotMatch`, () => {
      expect(failure(() => judge({ ...get, mutate: withTarget(change) })).code).toBe('SignatureDoesNotMatch')
    })
  }

  // B-59
  test('B-59 Authenticate: each x-amz-* header added to a presigned URL, AccessDenied', () => {
    for (const name of [
      'x-amz-object-lock-mode',
      'x-amz-tagging',
      'x-amz-copy-source',
      'x-amz-bypass-governance-retention',
    ]) {
      const error = failure(() => judge({ ...get, mutate: withHeader(name, 'x') }))
      expect([error.code, error.detail.extra]).toEqual(['AccessDenied', { HeadersNotSigned: name }])
    }
  })

  test('Authenticate: x-amz-* parameters that the signature covers, headers of the request', () => {
    const query = { 'x-amz-object-lock-mode': 'COMPLIANCE', 'X-Amz-Meta-A': '1', versionId: 'v' }
    const { head } = judge({ ...get, query })
    expect(head.headers['x-amz-object-lock-mode']).toBe('COMPLIANCE')
    expect(head.headers['x-amz-meta-a']).toBe('1')
    expect(head.query.map(([name]) => name)).not.toContain('x-amz-object-lock-mode')
    expect(head.query).toContainEqual(['versionId', 'v'])
  })

  test('Authenticate: checksum parameters that SDKs sign for an empty body, no headers', () => {
    const query = {
      'x-amz-checksum-crc32': 'AAAAAA==',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      'x-amz-checksum-mode': 'ENABLED',
    }
    const { headers } = judge({ ...get, query }).head
    expect([headers['x-amz-checksum-crc32'], headers['x-amz-sdk-checksum-algorithm']]).toEqual([
      undefined,
      undefined,
    ])
    expect(headers['x-amz-checksum-mode']).toBe('ENABLED')
  })

  test('Authenticate: the same header and parameter with two values, InvalidArgument', () => {
    const query = { 'x-amz-object-lock-mode': 'COMPLIANCE' }
    const same = judge({ ...get, query, headers: { 'x-amz-object-lock-mode': 'COMPLIANCE' } })
    expect(same.head.headers['x-amz-object-lock-mode']).toBe('COMPLIANCE')
    expect(
      failure(() => judge({ ...get, query, headers: { 'x-amz-object-lock-mode': 'GOVERNANCE' } })).code,
    ).toBe('InvalidArgument')
    const twice = { 'x-amz-meta-a': '1', 'X-Amz-Meta-A': '2' }
    expect(failure(() => judge({ ...get, query: twice })).code).toBe('InvalidArgument')
  })
})
