import { describe, expect, test } from 'vitest'
import { connectLockServer } from '../../../src/client/connect.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { type AdminSend, applyDocument, owner, rule, sendAdmin } from '../../support/admin.ts'
import { conformance, md5 } from '../../support/conformance.ts'
import { rootCredentials } from '../../support/server.ts'

const bench = conformance({ workerCount: 2 })
const send = (request: AdminSend) => sendAdmin(bench.server(), request)

async function lead(): Promise<number> {
  const { document } = await send({ method: 'POST', path: '/v1/leadership', document: { holder: 'test' } })
  return Number(document['epoch'])
}

let count = 0
/** A managed bucket of GOVERNANCE, whose epoch is the newest. */
async function managed(): Promise<{ name: string; epoch: number }> {
  count += 1
  const name = `release-${count}`
  const epoch = await lead()
  const document = applyDocument({ owner }, rule('GOVERNANCE', 1))
  expect((await send({ method: 'PUT', path: `/v1/buckets/${name}`, epoch, document })).status).toBe(200)
  return { name, epoch }
}

function release(name: string, epoch: number, more: Partial<AdminSend> = {}) {
  return send({ method: 'DELETE', path: `/v1/buckets/${name}`, epoch, document: { owner }, ...more })
}

const exists = async (name: string) => (await bench.send({ method: 'HEAD', path: `/${name}` })).status === 200

function put(name: string) {
  const headers = { 'content-md5': md5('x') }
  return bench.send({ method: 'PUT', path: `/${name}/key`, body: 'x', headers })
}

describe('ReleaseBucket', () => {
  test('an empty bucket goes, and one made again under the name has nothing of it; gone already is no error', async () => {
    const { name, epoch } = await managed()
    expect(await release(name, epoch)).toEqual({
      status: 200,
      document: { kind: 'released', change: 'released' },
    })
    expect(await exists(name)).toBe(false)
    expect(await release(name, epoch)).toEqual({
      status: 200,
      document: { kind: 'released', change: 'unchanged' },
    })
    expect((await bench.send({ method: 'PUT', path: `/${name}` })).status).toBe(200)
    const lock = await bench.send({ method: 'GET', path: `/${name}`, query: { 'object-lock': '' } })
    expect(lock.status).toBe(404)
  })

  test('a locked version, a delete marker, an upload: each keeps the bucket, and nothing of it goes', async () => {
    const locked = await managed()
    expect((await put(locked.name)).status).toBe(200)
    const marked = await managed()
    expect((await bench.send({ method: 'DELETE', path: `/${marked.name}/key` })).status).toBe(204)
    const uploading = await managed()
    const begun = await bench.send({ method: 'POST', path: `/${uploading.name}/key`, query: { uploads: '' } })
    expect(begun.status).toBe(200)
    const epoch = await lead()
    for (const { name } of [locked, marked, uploading]) {
      expect(await release(name, epoch)).toEqual({ status: 409, document: { kind: 'notEmpty' } })
      expect(await exists(name)).toBe(true)
    }
    expect((await bench.send({ method: 'GET', path: `/${locked.name}/key` })).text).toBe('x')
  })

  test('an older epoch is refused, and so is none: the bucket stays', async () => {
    const { name, epoch } = await managed()
    const newer = await lead()
    expect(await release(name, epoch)).toEqual({
      status: 409,
      document: { kind: 'staleEpoch', epoch: newer },
    })
    const none = await send({ method: 'DELETE', path: `/v1/buckets/${name}`, document: { owner } })
    expect(none).toMatchObject({ status: 400, document: { code: 'MissingEpoch' } })
    expect(await exists(name)).toBe(true)
  })

  test.each([
    ['another object', { name: 'other' }],
    ['another namespace', { namespace: 'other' }],
    ['another cluster', { clusterId: 'other' }],
    ['an object of the same name that is gone', { uid: 'other' }],
  ])('%s is no owner: 409 naming the owner, the bucket stays', async (_title, different) => {
    const { name, epoch } = await managed()
    const document = { owner: { ...owner, ...different } }
    expect(await release(name, epoch, { document })).toEqual({
      status: 409,
      document: { kind: 'notOwner', owner },
    })
    expect(await exists(name)).toBe(true)
  })

  test('a bucket that S3 made belongs to nobody, and root has no such operation', async () => {
    const epoch = await lead()
    expect((await bench.send({ method: 'PUT', path: '/release-plain' })).status).toBe(200)
    expect(await release('release-plain', epoch)).toMatchObject({
      document: { kind: 'notOwner', owner: null },
    })
    const { name, epoch: newest } = await managed()
    expect((await release(name, newest, { key: rootCredentials })).status).toBe(403)
    expect(await exists(name)).toBe(true)
  })

  test('a write that races a release: the bucket is there with its version, or the write was refused', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { name, epoch } = await managed()
      const [written, released] = await Promise.all([put(name), release(name, epoch)])
      const outcome = [written.status, released.document['kind']]
      expect([
        [200, 'notEmpty'],
        [404, 'released'],
      ]).toContainEqual(outcome)
      expect(await exists(name)).toBe(written.status === 200)
    }
  })

  test('the client of the operator says the same', async () => {
    const server = bench.server()
    const { name, epoch } = await managed()
    const client = connectLockServer({
      adminEndpoint: server.adminEndpoint,
      s3Endpoint: server.endpoint,
      region: server.region,
      ...server.operator,
      timeoutMs: 10_000,
      trust: { kind: 'system' },
      clock: systemClock(),
    })
    expect(await client.releaseBucket({ epoch, name, owner })).toEqual({
      kind: 'released',
      change: 'released',
    })
    expect(await client.releaseBucket({ epoch: epoch - 1, name, owner })).toEqual({
      kind: 'staleEpoch',
      epoch,
    })
    await client.close()
  })
})
