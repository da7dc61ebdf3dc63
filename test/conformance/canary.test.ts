import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectLockServer } from '../../src/client/connect.ts'
import { type CanaryOutcome, type LockServer, ServerUnreachableError } from '../../src/client/lock-server.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { conformance, elements, md5, refusal } from '../support/conformance.ts'
import { type LyingProxy, startLyingProxy } from '../support/lying-proxy.ts'
import type { SendOptions } from '../support/s3-client.ts'

const account = {
  accessKeyId: 'USEREXAMPLE',
  secretAccessKey: 'user-secret-for-tests',
  accountId: '111111111111',
}
const owner = { ...account, displayName: 'owner' }
const bench = conformance({ accessKeys: [owner], workerCount: 1 })
const minuteMs = 60_000
const path = '/holdfast-canary'

let proxy: LyingProxy
let lockServer: LockServer

beforeAll(async () => {
  const server = bench.server()
  proxy = await startLyingProxy(server.endpoint)
  lockServer = connectLockServer({
    adminEndpoint: server.adminEndpoint,
    s3Endpoint: proxy.endpoint,
    region: server.region,
    ...server.operator,
    timeoutMs: 30_000,
    trust: { kind: 'system' },
    clock: systemClock(),
  })
})

afterAll(async () => {
  await lockServer?.close()
  await proxy?.close()
})

async function attempt(): Promise<CanaryOutcome> {
  const now = bench.server().nowMs()
  return lockServer.tryCanary({ trustedMs: now, wallMs: now })
}

/** Of each version the id, newest first, as root lists them. */
async function versionIds(): Promise<readonly string[]> {
  const listed = await bench.send({ method: 'GET', path, query: { versions: '' } })
  expect(listed.status).toBe(200)
  return elements(listed, 'VersionId')
}

async function lockOf(versionId: string): Promise<readonly (string | undefined)[]> {
  const { headers } = await bench.send({ method: 'HEAD', path: `${path}/canary`, query: { versionId } })
  return ['mode', 'retain-until-date'].map((name) => headers[`x-amz-object-lock-${name}`]?.toString())
}

describe('the canary of an honest server', () => {
  it('Canary: the first attempt, a version is locked for an hour and its deletion is refused', async () => {
    expect(await attempt()).toEqual({ kind: 'refused' })
    const ids = await versionIds()
    expect(ids).toHaveLength(1)
    const [mode, until] = await lockOf(ids[0] ?? '')
    expect(mode).toBe('COMPLIANCE')
    const leftMs = Date.parse(until ?? '') - bench.server().nowMs()
    expect(leftMs).toBeGreaterThan(30 * minuteMs)
    expect(leftMs).toBeLessThanOrEqual(60 * minuteMs + 1000)
  })

  it('Canary: while more than half an hour is left, no other version is written', async () => {
    const before = await versionIds()
    expect(await attempt()).toEqual({ kind: 'refused' })
    expect(await versionIds()).toEqual(before)
  })

  it('Canary: nobody sees the bucket in a listing, root neither', async () => {
    for (const key of [undefined, owner, bench.server().operator]) {
      const listed = await bench.send({ method: 'GET', path: '/', ...(key === undefined ? {} : { key }) })
      expect(listed.status).toBe(200)
      expect(listed.text).not.toContain('holdfast-canary')
    }
  })
})

describe('who may do what in the bucket of the canary', () => {
  const writes: readonly (readonly [string, SendOptions])[] = [
    ['PutObject', { method: 'PUT', path: `${path}/other`, body: 'x', headers: { 'content-md5': md5('x') } }],
    ['DeleteObject', { method: 'DELETE', path: `${path}/canary` }],
    ['PutBucketVersioning', { method: 'PUT', path, query: { versioning: '' }, body: '<x/>' }],
    ['PutBucketPolicy', { method: 'PUT', path, query: { policy: '' }, body: '{}' }],
    ['PutObjectLockConfiguration', { method: 'PUT', path, query: { 'object-lock': '' }, body: '<x/>' }],
    ['CreateMultipartUpload', { method: 'POST', path: `${path}/other`, query: { uploads: '' } }],
    ['DeleteBucket', { method: 'DELETE', path }],
  ]
  it.each(writes)('Canary: %s by root and by a user, AccessDenied', async (_name, request) => {
    const before = await versionIds()
    for (const key of [undefined, owner]) {
      const answer = await bench.send(key === undefined ? request : { ...request, key })
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    }
    expect(await versionIds()).toEqual(before)
  })

  it('Canary: a user reads nothing of it and makes no bucket of such a name; root reads', async () => {
    const read = { method: 'GET', path: `${path}/canary` }
    expect((await bench.send({ ...read, key: owner })).code).toBe('AccessDenied')
    const copy = {
      method: 'PUT',
      path: `/${await bench.bucket('enabled', { key: owner })}/stolen`,
      headers: { 'x-amz-copy-source': 'holdfast-canary/canary' },
      key: owner,
    }
    expect((await bench.send(copy)).code).toBe('AccessDenied')
    for (const name of ['holdfast-canary', 'holdfast-other']) {
      const made = await bench.send({ method: 'PUT', path: `/${name}`, key: owner })
      expect(made.code).toBe('InvalidBucketName')
    }
    expect((await bench.send(read)).text).toContain('written by the operator')
  })

  it('Canary: the operator has no bypass, no hold, no marker and no deletion of the bucket there', async () => {
    const key = bench.server().operator
    const [versionId = ''] = await versionIds()
    const bypass = { 'x-amz-bypass-governance-retention': 'true' }
    const target = { method: 'DELETE', path: `${path}/canary`, key }
    const locked = await bench.send({ ...target, query: { versionId }, headers: bypass })
    expect(refusal(locked).slice(0, 2)).toEqual([403, 'AccessDenied'])
    expect((await bench.send(target)).code).toBe('AccessDenied')
    expect((await bench.send({ method: 'DELETE', path, key })).code).toBe('AccessDenied')
    const hold = await bench.hold({ bucket: 'holdfast-canary', key: 'canary' }, 'ON', { key })
    expect(hold.code).toBe('AccessDenied')
    expect(await versionIds()).toEqual([versionId])
  })

  it('Canary: in the bucket of a user the operator may do none of it', async () => {
    const key = bench.server().operator
    const bucket = await bench.bucket('locked')
    const versionId = await bench.put(bucket, 'key')
    const asked: readonly SendOptions[] = [
      { method: 'PUT', path: `/${bucket}/canary`, body: 'x', headers: { 'content-md5': md5('x') } },
      { method: 'DELETE', path: `/${bucket}/key`, query: { versionId } },
      { method: 'HEAD', path: `/${bucket}/key`, query: { versionId } },
      { method: 'PUT', path: `/${bucket}`, query: { versioning: '' }, body: '<x/>' },
      { method: 'PUT', path: '/holdfast-other' },
    ]
    for (const request of asked) {
      const answer = await bench.unchanged(bucket, () => bench.send({ ...request, key }))
      expect([request.method, answer.status]).toEqual([request.method, 403])
    }
  })
})

describe('the canary of a server that lies', () => {
  const isVersion = (target: string) => target.includes('/canary?') && target.includes('versionId=')

  it('Canary: the deletion is answered with success, deleted', async () => {
    proxy.lies(({ method, target }) => (method === 'DELETE' && isVersion(target) ? { status: 204 } : null))
    expect(await attempt()).toMatchObject({ kind: 'deleted', answer: 'success' })
  })

  it('Canary: the deletion is refused and the version is gone, deleted', async () => {
    let isAsked = false
    proxy.lies(({ method, target }) => {
      if (method === 'DELETE') isAsked = true
      return method === 'HEAD' && isVersion(target) && isAsked ? { status: 404 } : null
    })
    expect(await attempt()).toMatchObject({
      kind: 'deleted',
      answer: 'AccessDenied, and the version is gone',
    })
  })

  it('Canary: the deletion is refused and the lock is gone, deleted', async () => {
    let isAsked = false
    proxy.lies(({ method, target }) => {
      if (method === 'DELETE') isAsked = true
      return method === 'HEAD' && isVersion(target) && isAsked ? { status: 200 } : null
    })
    expect(await attempt()).toMatchObject({
      kind: 'deleted',
      answer: 'AccessDenied, and the lock of the version is weaker',
    })
  })

  const error = (status: number, code: string) => ({
    status,
    body: `<Error><Code>${code}</Code><Message>no</Message></Error>`,
  })

  it('Canary: listing is refused, or the deletion fails, untried', async () => {
    proxy.lies(() => error(403, 'AccessDenied'))
    expect((await attempt()).kind).toBe('untried')
    proxy.lies(({ method }) => (method === 'DELETE' ? error(503, 'SlowDown') : null))
    expect((await attempt()).kind).toBe('untried')
  })

  it('Canary: the server does not even list, an error as of any silent server', async () => {
    proxy.lies(() => error(503, 'SlowDown'))
    await expect(attempt()).rejects.toThrow(ServerUnreachableError)
  })

  it('Canary: nothing lies any more, refused again', async () => {
    proxy.lies(() => null)
    expect(await attempt()).toEqual({ kind: 'refused' })
  })
})

// Last: it moves the clock.
describe('the canary as time goes by', () => {
  /** The SDK learns the server's clock from the first refusal of its own. */
  async function later(ms: number): Promise<void> {
    bench.server().advance(ms)
    expect((await attempt()).kind).toBe('untried')
    expect(await attempt()).toEqual({ kind: 'refused' })
  }

  it('Canary: less than half an hour is left, another version is written and the first stays', async () => {
    const [first] = await versionIds()
    await later(40 * minuteMs)
    const ids = await versionIds()
    expect(ids).toHaveLength(2)
    expect(ids[1]).toBe(first)
  })

  it('Canary: their locks have ended, they are removed through the gate and another is there', async () => {
    const before = await versionIds()
    await later(3 * 60 * minuteMs)
    const after = await versionIds()
    expect(after).toHaveLength(1)
    expect(before).not.toContain(after[0])
  })
})
