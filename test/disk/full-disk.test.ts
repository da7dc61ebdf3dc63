/** A volume without room: new data is refused and the reason told, what was stored is read, deleted and locked as ever. */
import { existsSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { md5 } from '../support/conformance.ts'
import { Ledger } from '../support/crash/ledger.ts'
import { until, untilReady } from '../support/crash/processes.ts'
import { prepareSmallVolume, type SmallVolume } from '../support/crash/small-volume.ts'
import { isTidied, verifyVolume } from '../support/crash/volume-state.ts'
import type { Answer } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const mib = 1024 ** 2
const body = Buffer.alloc(mib, 'whole ')
let volume: SmallVolume | null
let server: TestServer | null

beforeEach(() => {
  volume = null
  server = null
})
afterEach(async () => {
  await server?.stop()
  await volume?.remove()
})

async function start(made: SmallVolume): Promise<TestServer> {
  volume = made
  server = await startTestServer({ dataDirectory: made.directory })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await server.client.send({ method: 'PUT', path: '/bucket', headers })).status).toBe(200)
  return server
}

function put({ client }: TestServer, key: string, bytes: Uint8Array = body): Promise<Answer> {
  return client.send({ method: 'PUT', path: `/bucket/${key}`, body: bytes })
}

async function version(running: TestServer, key: string): Promise<string> {
  const answer = await put(running, key)
  expect(answer.status).toBe(200)
  return String(answer.headers['x-amz-version-id'])
}

async function readyText({ metricsEndpoint }: TestServer): Promise<string> {
  const answer = await fetch(new URL('/readyz', metricsEndpoint))
  return `${answer.status} ${(await answer.text()).trim()}`
}

async function expectReadable({ client }: TestServer, key: string): Promise<void> {
  const got = await client.send({ method: 'GET', path: `/bucket/${key}` })
  expect([got.status, got.body.equals(body)]).toEqual([200, true])
}

/** Locks one version for a year and deletes another: what must work when nothing new fits. */
async function lockAndDelete({ client }: TestServer, locked: string, deleted: string): Promise<void> {
  const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000).toISOString()
  const text = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
  const query = { retention: '', versionId: locked }
  const headers = { 'content-md5': md5(text) }
  const extended = await client.send({ method: 'PUT', path: '/bucket/locked', query, headers, body: text })
  expect([extended.status, extended.code]).toEqual([200, null])
  const gone = await client.send({ method: 'DELETE', path: '/bucket/deleted', query: { versionId: deleted } })
  expect([gone.status, gone.code]).toEqual([204, null])
}

async function expectSound(running: TestServer): Promise<void> {
  expect(await running.terminate()).toBe(0)
  await running.start()
  await until('garbage is collected', () => isTidied(running.dataDirectory))
  expect(await verifyVolume(running.dataDirectory, new Ledger())).toEqual([])
}

it('a full disk: 507 for new data, reads, locks and deletes go on by the ballast, and it recovers', async () => {
  const running = await start(prepareSmallVolume({ sizeBytes: 2048 * mib }))
  const ballast = join(running.dataDirectory, 'ballast')
  const locked = await version(running, 'locked')
  const deleted = await version(running, 'deleted')
  await until('the ballast is there', () => existsSync(ballast))
  volume?.fill(2 * mib)
  await until('the ballast is given up', () => !existsSync(ballast))
  expect(statfsSync(running.dataDirectory).bavail).toBeGreaterThan(0)
  await until('new data is refused', async () => (await put(running, 'new')).status === 507)
  for (const bytes of [body, Buffer.from('small')]) {
    const refused = await put(running, 'new', bytes)
    expect([refused.status, refused.code]).toEqual([507, 'InsufficientStorage'])
  }
  // The supervisor too looks at the disk once a second.
  await until('readiness tells', async () => (await readyText(running)).startsWith('503'))
  expect(await readyText(running)).toMatch(
    /^503 the volume has \d+ MiB free; new data is refused below \d+ MiB$/,
  )
  await expectReadable(running, 'locked')
  await lockAndDelete(running, locked, deleted)
  volume?.empty()
  await untilReady(running)
  await expectReadable(running, 'locked')
  // A worker looks at the disk once a second.
  await until('new data is taken', async () => (await put(running, 'new')).status === 200)
  await until('the ballast is back', () => existsSync(ballast))
  await expectSound(running)
})

it('no inodes: 507 for a body that needs a file, everything else goes on, and it recovers', async () => {
  const running = await start(prepareSmallVolume({ sizeBytes: 2048 * mib, inodeCount: 4096 }))
  const locked = await version(running, 'locked')
  const deleted = await version(running, 'deleted')
  volume?.takeInodes()
  const refused = await put(running, 'new')
  expect([refused.status, refused.code]).toEqual([507, 'InsufficientStorage'])
  await until('readiness knows', async () => (await readyText(running)).includes('0 more files (inodes)'))
  expect((await put(running, 'small', Buffer.from('small'))).status).toBe(200)
  await expectReadable(running, 'locked')
  await lockAndDelete(running, locked, deleted)
  volume?.empty()
  await untilReady(running)
  await until('new data is taken', async () => (await put(running, 'new')).status === 200)
  await expectSound(running)
})

it('a second server on the volume: it does not start and says who holds it; the first serves on', async () => {
  const running = await start(prepareSmallVolume({ sizeBytes: 2048 * mib }))
  await version(running, 'locked')
  const second = startTestServer({ dataDirectory: running.dataDirectory })
  await expect(second).rejects.toThrow(`is in use by another holdfast server (process ${running.pid()})`)
  await expectReadable(running, 'locked')
  expect((await put(running, 'new')).status).toBe(200)
  await expectSound(running)
})
