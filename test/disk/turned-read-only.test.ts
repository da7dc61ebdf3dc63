/** ext4 that turns read-only under a server, as after an error of its disk: what is stored is read on, and nothing is lost. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fileSystemReadOnly } from '../../src/lib/read-only.ts'
import { sendAdmin } from '../support/admin.ts'
import { md5 } from '../support/conformance.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { prepareSmallVolume, type SmallVolume } from '../support/crash/small-volume.ts'
import { offlineFindings } from '../support/crash/volume-state.ts'
import type { SendOptions } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const mib = 1024 ** 2
const bodies = { small: Buffer.from('small'), large: Buffer.alloc(mib, 'large ') }
const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000).toISOString()
const locked = { 'x-amz-object-lock-mode': 'COMPLIANCE', 'x-amz-object-lock-retain-until-date': date }
let volume: SmallVolume
let server: TestServer
let versionId: string

beforeEach(async () => {
  volume = prepareSmallVolume({ sizeBytes: 2048 * mib })
  server = await startTestServer({ dataDirectory: volume.directory })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  expect((await server.client.send({ method: 'PUT', path: '/bucket', headers })).status).toBe(200)
  expect((await server.client.send(put('large', locked))).status).toBe(200)
  const answer = await server.client.send(put('small', locked))
  expect(answer.status).toBe(200)
  versionId = String(answer.headers['x-amz-version-id'])
})
afterEach(async () => {
  await server.kill9()
  await server.stop()
  await volume.remove()
})

function put(key: keyof typeof bodies, headers: Record<string, string> = {}): SendOptions {
  const body = bodies[key]
  return { method: 'PUT', path: `/bucket/${key}`, body, headers: { 'content-md5': md5(body), ...headers } }
}

/** From each worker more than once: which one answers is the kernel's choice. */
async function expectReads(): Promise<void> {
  for (let round = 0; round < 8; round += 1) {
    for (const key of ['small', 'large'] as const) {
      const got = await server.client.send({ method: 'GET', path: `/bucket/${key}` })
      expect([got.status, got.body.equals(bodies[key])]).toEqual([200, true])
      expect(got.headers['x-amz-object-lock-mode']).toBe('COMPLIANCE')
    }
    const listed = await server.client.send({ method: 'GET', path: '/bucket', query: { versions: '' } })
    expect([listed.status, listed.text.split('<Version>').length]).toEqual([200, 3])
  }
}

async function expectRefusals(): Promise<void> {
  const writes: readonly SendOptions[] = [
    put('small'),
    put('large'),
    { method: 'DELETE', path: '/bucket/small' },
    // Refused as ever, but not without its record.
    { method: 'DELETE', path: '/bucket/small', query: { versionId } },
    { method: 'PUT', path: '/other' },
  ]
  for (let round = 0; round < 4; round += 1)
    for (const request of writes) {
      const answer = await server.client.send(request)
      expect([answer.status, answer.code, answer.element('Message')]).toEqual([
        503,
        'ServiceUnavailable',
        fileSystemReadOnly,
      ])
    }
  const leader = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
  expect(await sendAdmin(server, leader)).toEqual({
    status: 503,
    document: { code: 'VolumeReadOnly', message: fileSystemReadOnly },
  })
}

async function readyText(): Promise<string> {
  const answer = await fetch(new URL('/readyz', server.metricsEndpoint))
  return `${answer.status} ${(await answer.text()).trim()}`
}

it('a volume that turns read-only: reads go on, writes are 503 with the reason, no worker ends, also readiness tells', async () => {
  const before = workerPids(server)
  volume.turnReadOnly()
  await expectReads()
  await expectRefusals()
  await expectReads()
  expect(await readyText()).toBe(`503 ${fileSystemReadOnly}`)
  expect(workerPids(server)).toEqual(before)
})

it('a worker that dies on it: another one reads, and refuses as the others do', async () => {
  volume.turnReadOnly()
  expect(await readyText()).toBe(`503 ${fileSystemReadOnly}`)
  const before = workerPids(server)
  for (const pid of before) process.kill(pid, 'SIGKILL')
  await until('they are gone', () => !workerPids(server).some((pid) => before.includes(pid)))
  await until('new workers listen', async () => (await readyText()) === `503 ${fileSystemReadOnly}`)
  await expectReads()
  await expectRefusals()
  await expectReads()
})

it('mended and started again: nothing is lost, and it takes writes', async () => {
  volume.turnReadOnly()
  await expectRefusals()
  expect(await server.terminate()).toBe(0)
  await volume.mend()
  expect(await offlineFindings(volume.directory)).toEqual([])
  await server.start()
  await untilReady(server)
  await expectReads()
  expect((await server.client.send(put('small'))).status).toBe(200)
  const denied = await server.client.send({ method: 'DELETE', path: '/bucket/small', query: { versionId } })
  expect([denied.status, denied.code]).toEqual([403, 'AccessDenied'])
})
