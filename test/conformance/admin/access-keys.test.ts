import { describe, expect, test } from 'vitest'
import { connectLockServer } from '../../../src/client/connect.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { type AdminSend, applyDocument, owner as bucketOwner, sendAdmin } from '../../support/admin.ts'
import { accessKey, conformance, md5 } from '../../support/conformance.ts'

/** Two workers: what one of them revoked, the other refuses. */
const inFile = accessKey('infile', null)
const bench = conformance({
  workerCount: 2,
  accessKeys: [inFile],
  masterKey: Buffer.alloc(32, 5).toString('base64'),
})
const owner = { clusterId: 'cluster-1', namespace: 'default', name: 'app' }
const secretAccessKey = 'app-secret-for-tests-only'
const send = (request: AdminSend) => sendAdmin(bench.server(), request)

async function lead(): Promise<number> {
  const { document } = await send({ method: 'POST', path: '/v1/leadership', document: { holder: 'test' } })
  return Number(document['epoch'])
}

const allow = (buckets: readonly string[], ...actions: readonly string[]) => [
  { effect: 'Allow', actions, buckets, prefixes: null },
]

function put(accessKeyId: string, epoch: number, change: object = {}) {
  const statements = allow(['access-a'], 's3:PutObject', 's3:GetObject', 's3:ListBucket')
  const document = { owner, secretAccessKey, statements, otherSecret: 'replace', ...change }
  return send({ method: 'PUT', path: `/v1/access-keys/${accessKeyId}`, document, epoch })
}

async function bucket(name: string, epoch: number, namespace = 'default'): Promise<void> {
  const document = applyDocument({ owner: { ...bucketOwner, namespace } })
  const { status } = await send({ method: 'PUT', path: `/v1/buckets/${name}`, document, epoch })
  expect(status).toBe(200)
}

function s3(accessKeyId: string, method: string, path: string, body = '') {
  const key = { accessKeyId, secretAccessKey }
  return bench.send({
    method,
    path,
    key,
    ...(body === '' ? {} : { body, headers: { 'content-md5': md5(body) } }),
  })
}

describe('stored access keys', () => {
  test('a key: signs what its statements allow in its own account, and nothing else', async () => {
    const epoch = await lead()
    await bucket('access-a', epoch)
    await bucket('access-b', epoch)
    await bucket('access-far', epoch, 'other')
    const buckets = ['access-a', 'access-far']
    const statements = allow(buckets, 's3:PutObject', 's3:GetObject', 's3:ListBucket')
    expect(await put('HFAPP1', epoch, { statements })).toMatchObject({
      status: 200,
      document: { kind: 'put', change: 'created' },
    })
    expect((await s3('HFAPP1', 'PUT', '/access-a/x', 'one')).status).toBe(200)
    expect((await s3('HFAPP1', 'GET', '/access-a/x')).text).toBe('one')
    expect((await s3('HFAPP1', 'DELETE', '/access-a/x')).status).toBe(403)
    expect((await s3('HFAPP1', 'GET', '/access-b')).status).toBe(403)
    // Named in its statements, and of another namespace's account all the same.
    expect((await s3('HFAPP1', 'GET', '/access-far')).status).toBe(403)
    expect((await s3('HFAPP1', 'PUT', '/access-far/x', 'one')).status).toBe(403)
  })

  test('revoked: the very next requests of all workers are InvalidAccessKeyId', async () => {
    const epoch = await lead()
    await put('HFAPP2', epoch)
    for (let count = 0; count < 8; count += 1)
      expect((await s3('HFAPP2', 'GET', '/access-a')).status).toBe(200)
    const gone = await send({
      method: 'DELETE',
      path: '/v1/access-keys/HFAPP2',
      document: { owner },
      epoch,
    })
    expect(gone).toMatchObject({ status: 200, document: { kind: 'deleted', change: 'deleted' } })
    const answers = await Promise.all(Array.from({ length: 16 }, () => s3('HFAPP2', 'GET', '/access-a')))
    for (const { status, text } of answers) {
      expect([status, text]).toEqual([403, expect.stringContaining('<Code>InvalidAccessKeyId</Code>')])
    }
  })

  test('a file of keys that is wrong: stored keys go on, its own and unknown ones are refused, and none is made', async () => {
    const epoch = await lead()
    await put('HFAPP8', epoch)
    bench.server().writeAccessKeys('[{')
    const code = async (accessKeyId: string) => {
      const { status, text } = await s3(accessKeyId, 'GET', '/access-a')
      return [status, /<Code>(.*)<\/Code>/.exec(text)?.[1] ?? null]
    }
    expect(await code('HFAPP8')).toEqual([200, null])
    expect(await code(inFile.accessKeyId)).toEqual([503, 'ServiceUnavailable'])
    expect(await code('NOBODY')).toEqual([503, 'ServiceUnavailable'])
    expect(await put('HFAPP9', epoch)).toEqual({
      status: 503,
      document: { code: 'ServiceUnavailable', message: expect.stringContaining('--access-keys') },
    })
    bench.server().writeAccessKeys(JSON.stringify([inFile]))
    expect(await code('HFAPP9')).toEqual([403, 'InvalidAccessKeyId'])
    expect(await put(inFile.accessKeyId, epoch)).toMatchObject({ status: 409, document: { kind: 'taken' } })
  })

  test('another secret: the old one is refused at once', async () => {
    const epoch = await lead()
    await put('HFAPP3', epoch)
    await put('HFAPP3', epoch, { secretAccessKey: 'the-next-secret' })
    expect((await s3('HFAPP3', 'GET', '/access-a')).text).toContain('<Code>SignatureDoesNotMatch</Code>')
  })

  test('ListAccessKeys: whose they are and what they may, for the operator and root, without secrets', async () => {
    const epoch = await lead()
    await put('HFAPP4', epoch)
    for (const key of [bench.server().operator, bench.server().credentials]) {
      const { status, document } = await send({ method: 'GET', path: '/v1/access-keys', key })
      expect(status).toBe(200)
      expect(document['next']).toBeNull()
      expect(document['accessKeys']).toContainEqual(
        expect.objectContaining({ accessKeyId: 'HFAPP4', owner, accountId: '100000000001' }),
      )
      expect(JSON.stringify(document)).not.toContain('secret')
    }
  })

  test('PutAccessKey: not for root, not for the id of another owner, not for a former leader', async () => {
    const former = await lead()
    const epoch = await lead()
    await put('HFAPP5', epoch)
    const stranger = { owner: { ...owner, namespace: 'other' } }
    expect(await put('HFAPP5', epoch, stranger)).toMatchObject({ status: 409, document: { kind: 'taken' } })
    expect(await put('HFAPP5', former)).toMatchObject({
      status: 409,
      document: { kind: 'staleEpoch', epoch },
    })
    const asRoot = await send({
      method: 'PUT',
      path: '/v1/access-keys/HFAPP6',
      key: bench.server().credentials,
      document: {
        owner,
        secretAccessKey,
        statements: allow(['access-a'], 's3:GetObject'),
        otherSecret: 'replace',
      },
      epoch,
    })
    expect(asRoot).toMatchObject({ status: 403, document: { code: 'AccessDenied' } })
  })

  test.each([
    ['a wildcard for a bucket', { statements: allow(['*'], 's3:GetObject') }],
    ['a wildcard for an action', { statements: allow(['access-a'], 's3:*') }],
    ['no statement: that would be an owner', { statements: [] }],
    ['statements that are null', { statements: null }],
    ['a short secret', { secretAccessKey: 'short' }],
    ['an account of its own choice', { accountId: '000000000000' }],
  ])('PutAccessKey: %s, InvalidDocument', async (_title, change) => {
    const answer = await put('HFBAD', await lead(), change)
    expect([answer.status, answer.document['code']]).toEqual([400, 'InvalidDocument'])
    expect((await s3('HFBAD', 'GET', '/access-a')).text).toContain('<Code>InvalidAccessKeyId</Code>')
  })

  test('the client: put, listed, taken, stale and deleted, each in its words', async () => {
    const epoch = await lead()
    const { endpoint, adminEndpoint, region, operator } = bench.server()
    const server = connectLockServer({
      ...operator,
      s3Endpoint: endpoint,
      adminEndpoint,
      region,
      timeoutMs: 10_000,
      trust: { kind: 'system' },
      clock: systemClock(),
    })
    const statements = [
      { effect: 'Allow', actions: ['s3:GetObject'], buckets: ['access-a'], prefixes: ['a/'] },
    ] as const
    const otherSecret = 'refuse'
    const key = { epoch, accessKeyId: 'HFCLIENT', owner, statements, secretAccessKey, otherSecret } as const
    const accountId = '100000000001'
    const made = await server.putAccessKey(key)
    expect(made).toMatchObject({ kind: 'put', change: 'created', accountId })
    expect(await server.putAccessKey(key)).toEqual({ ...made, change: 'unchanged' })
    const tampered = { ...key, secretAccessKey: 'somebody-elses-secret' }
    expect(await server.putAccessKey(tampered)).toEqual({ kind: 'secretDiffers' })
    const stranger = { ...owner, name: 'other' }
    expect(await server.putAccessKey({ ...key, owner: stranger })).toEqual({ kind: 'taken' })
    expect(await server.deleteAccessKey({ ...key, epoch: epoch + 1 })).toEqual({ kind: 'staleEpoch', epoch })
    const { accessKeys, next } = await server.listAccessKeys('HFCLIEN')
    expect(next).toBeNull()
    expect(accessKeys[0]).toMatchObject({ accessKeyId: 'HFCLIENT', accountId, owner, statements })
    expect(await server.deleteAccessKey(key)).toEqual({ kind: 'deleted', change: 'deleted' })
    expect(await server.deleteAccessKey(key)).toEqual({ kind: 'deleted', change: 'unchanged' })
    await server.close()
  })

  test('ids of root, the operator and the file: taken, and a stored key of them would change nothing', async () => {
    const epoch = await lead()
    const { credentials, operator } = bench.server()
    for (const id of [credentials.accessKeyId, operator.accessKeyId, inFile.accessKeyId])
      expect(await put(id, epoch)).toMatchObject({ status: 409, document: { kind: 'taken' } })
    const { accessKeyId } = credentials
    expect((await s3(accessKeyId, 'GET', '/access-a')).text).toContain('<Code>SignatureDoesNotMatch</Code>')
    expect((await bench.send({ method: 'GET', path: '/access-a' })).status).toBe(200)
  })
})
