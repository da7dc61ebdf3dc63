import { describe, expect, test } from 'vitest'
import { type AdminSend, applyDocument, sendAdmin } from '../../support/admin.ts'
import { conformance } from '../../support/conformance.ts'

const user = { accessKeyId: 'USEREXAMPLE', secretAccessKey: 'user-secret-for-tests-only' }
const bench = conformance({ accessKeys: [{ ...user, accountId: '123456789012', displayName: 'user' }] })
const send = (request: AdminSend) => sendAdmin(bench.server(), request)
const info: AdminSend = { method: 'GET', path: '/v1/server' }

describe('the admin API: who may ask', () => {
  test('GetServer: the operator and root are answered', async () => {
    const { status, document } = await send(info)
    expect(status).toBe(200)
    expect(document).toMatchObject({
      volumeId: bench.server().volumeId,
      region: 'us-east-1',
      s3Endpoint: bench.server().endpoint,
      clock: { suspect: false, behindMs: expect.any(Number) },
    })
    expect((await send({ ...info, key: bench.server().credentials })).status).toBe(200)
  })

  test('GetServer: a user of S3 is not', async () => {
    expect(await send({ ...info, key: user })).toMatchObject({
      status: 403,
      document: { code: 'AccessDenied' },
    })
  })

  const refusals: readonly (readonly [string, Partial<AdminSend>])[] = [
    ['no signature', { spoil: ({ headers }) => delete headers['authorization'] }],
    ['a signature made for S3', { service: 's3' }],
    ['another region', { region: 'eu-west-1' }],
    ['a wrong secret', { key: { accessKeyId: 'OPERATOREXAMPLE', secretAccessKey: 'wrong' } }],
    ['an unknown key', { key: { accessKeyId: 'NOBODY', secretAccessKey: 'x' } }],
    [
      'a header added after signing',
      { spoil: ({ headers }) => Object.assign(headers, { 'x-holdfast-epoch': '7' }) },
    ],
    ['a date of yesterday', { timeMs: Date.now() - 86_400_000 }],
    [
      'another date than the signed one',
      { spoil: ({ headers }) => Object.assign(headers, { 'x-amz-date': '20200101T000000Z' }) },
    ],
    [
      'Basic credentials',
      { spoil: ({ headers }) => Object.assign(headers, { authorization: 'Basic cm9vdDpyb290' }) },
    ],
  ]
  test.each(refusals)('authentication: %s is refused with 403', async (_name, change) => {
    const { status, document } = await send({ ...info, ...change })
    expect([status, typeof document['message']]).toEqual([403, 'string'])
    expect(JSON.stringify(document)).not.toContain('secret-for-tests')
  })

  test('authentication: a body changed after signing is refused and changes nothing', async () => {
    const leader = await send({ method: 'POST', path: '/v1/leadership', document: { holder: 'a' } })
    const epoch = Number(leader.document['epoch'])
    const answer = await send({
      method: 'PUT',
      path: '/v1/buckets/changed-body',
      epoch,
      document: applyDocument(),
      spoil: (request) => {
        request.body = request.body.replace('"count":1', '"count":2')
      },
    })
    expect(answer.status).toBe(403)
    expect((await send({ method: 'GET', path: '/v1/buckets/changed-body' })).status).toBe(404)
  })

  test.each([
    ['AcceptClock', { method: 'POST', path: '/v1/clock/accept', document: {} }, 'operator'],
    ['ExplainDelete', { method: 'GET', path: '/v1/explain', query: { bucket: 'a', key: 'b' } }, 'operator'],
    ['AcquireLeadership', { method: 'POST', path: '/v1/leadership', document: { holder: 'x' } }, 'root'],
    [
      'ApplyBucket',
      { method: 'PUT', path: '/v1/buckets/some-bucket', document: applyDocument(), epoch: 1 },
      'root',
    ],
  ] as const)('%s: is not for the %s', async (name, request, who) => {
    const key = who === 'root' ? bench.server().credentials : bench.server().operator
    const { status, document } = await send({ ...request, key })
    expect([status, document['code']]).toEqual([403, 'AccessDenied'])
    expect(document['message']).toContain(name)
  })

  test.each([
    ['an unknown path', { method: 'GET', path: '/v2/server' }, 404, 'NotFound'],
    ['an unknown method', { method: 'POST', path: '/v1/server', document: {} }, 404, 'NotFound'],
    ['a deeper path', { method: 'GET', path: '/v1/buckets/a/b' }, 404, 'NotFound'],
    ['no JSON', { method: 'POST', path: '/v1/leadership', document: 'holder=me' }, 400, 'InvalidDocument'],
    [
      'an unknown field',
      { method: 'POST', path: '/v1/leadership', document: { holder: 'a', force: true } },
      400,
      'InvalidDocument',
    ],
    ['a missing field', { method: 'POST', path: '/v1/leadership', document: {} }, 400, 'InvalidDocument'],
    [
      'a huge body',
      { method: 'POST', path: '/v1/leadership', document: { holder: 'x'.repeat(600_000) } },
      413,
      'DocumentTooLarge',
    ],
    [
      'an epoch that is no number',
      { method: 'PUT', path: '/v1/buckets/abc', document: applyDocument(), epoch: 'two' },
      400,
      'InvalidEpoch',
    ],
    ['no epoch', { method: 'PUT', path: '/v1/buckets/abc', document: applyDocument() }, 400, 'MissingEpoch'],
    ['no such bucket', { method: 'GET', path: '/v1/buckets/nowhere' }, 404, 'NoSuchBucket'],
  ] as const)('wrong input: %s', async (_name, request, status, code) => {
    const answer = await send(request)
    expect([answer.status, answer.document['code']]).toEqual([status, code])
  })
})
