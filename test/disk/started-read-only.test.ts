/** A server that is started on a file system that takes no writes: it reads, refuses the rest, and ends once that is over. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fileSystemReadOnly } from '../../src/lib/read-only.ts'
import { sendAdmin } from '../support/admin.ts'
import { md5 } from '../support/conformance.ts'
import { run } from '../support/crash/power-cut.ts'
import { until, workerPids } from '../support/crash/processes.ts'
import { prepareSmallVolume, type SmallVolume } from '../support/crash/small-volume.ts'
import { offlineFindings } from '../support/crash/volume-state.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'
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

/** Read-only once the last process that wrote is gone. */
async function remount(how: 'ro' | 'rw'): Promise<void> {
  await until(`it is mounted ${how}`, () => {
    try {
      run('mount', ['-o', `remount,${how}`, dirname(volume.directory)])
      return true
    } catch {
      return false
    }
  })
}

/** From each worker more than once: which one answers is the kernel's choice. */
async function expectReadsAndRefusals(): Promise<void> {
  for (let round = 0; round < 6; round += 1) {
    for (const key of ['small', 'large'] as const) {
      const got = await server.client.send({ method: 'GET', path: `/bucket/${key}` })
      expect([got.status, got.body.equals(bodies[key])]).toEqual([200, true])
      expect(got.headers['x-amz-object-lock-mode']).toBe('COMPLIANCE')
    }
    const writes: readonly SendOptions[] = [
      put('small'),
      put('large'),
      { method: 'DELETE', path: '/bucket/small' },
      { method: 'DELETE', path: '/bucket/small', query: { versionId } },
      { method: 'PUT', path: '/other' },
    ]
    for (const request of writes) {
      const { status, code, element } = await server.client.send(request)
      expect([status, code, element('Message')]).toEqual([503, 'ServiceUnavailable', fileSystemReadOnly])
    }
  }
  const leader = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
  expect(await sendAdmin(server, leader)).toEqual({
    status: 503,
    document: { code: 'VolumeReadOnly', message: fileSystemReadOnly },
  })
  const ready = await fetch(new URL('/readyz', server.metricsEndpoint))
  expect([ready.status, (await ready.text()).trim()]).toEqual([503, fileSystemReadOnly])
}

it.each(['SIGTERM', 'SIGKILL'] as const)(
  'a server started on a volume that is read-only, left by %s: it reads, nothing is written; once it takes writes it ends, and a start has all',
  async (signal) => {
    await (signal === 'SIGTERM' ? server.terminate() : server.kill9())
    await remount('ro')
    await server.start()
    const before = workerPids(server)
    await expectReadsAndRefusals()
    expect(workerPids(server)).toEqual(before)
    const metrics = await (await fetch(new URL('/metrics', server.metricsEndpoint))).text()
    expect(metrics).toMatch(/^holdfast_locked_versions 2$/m)
    await remount('rw')
    await until('it has ended', async () => {
      try {
        await fetch(new URL('/healthz', server.metricsEndpoint))
        return false
      } catch {
        return true
      }
    })
    expect(await server.terminate()).toBe(1)
    expect(await offlineFindings(volume.directory)).toEqual([])
    await server.start()
    const got = await server.client.send({ method: 'GET', path: '/bucket/large' })
    expect(got.body.equals(bodies.large)).toBe(true)
    expect((await server.client.send(put('large'))).status).toBe(200)
  },
)

it('beside a server that only reads: none that writes begins, also when the volume takes writes; nothing was written', async () => {
  await server.terminate()
  await remount('ro')
  await server.start()
  await expectReadsAndRefusals()
  // Before the supervisor has looked again: its lock is what counts.
  process.kill(server.pid(), 'SIGSTOP')
  await remount('rw')
  const verified = await holdfast('verify', '--data', volume.directory)
  expect([verified.code, verified.stderr]).toEqual([2, expect.stringContaining('is in use by another')])
  process.kill(server.pid(), 'SIGCONT')
  await server.terminate()
  expect(await offlineFindings(volume.directory)).toEqual([])
})

it('where no server ever was: a server does not start on it and says why in a line', async () => {
  await server.terminate()
  const directory = join(dirname(volume.directory), 'none')
  mkdirSync(directory)
  await remount('ro')
  const ended = await startHoldfast(['server', '--data', directory], {
    HOLDFAST_ACCESS_KEY_ID: 'ROOTEXAMPLE',
    HOLDFAST_SECRET_ACCESS_KEY: 'root-secret-for-tests-only',
    HOLDFAST_OPERATOR_ACCESS_KEY_ID: 'OPERATOREXAMPLE',
    HOLDFAST_OPERATOR_SECRET_ACCESS_KEY: 'operator-secret-for-tests-only',
  }).ended
  expect(ended).toEqual({
    code: 1,
    stdout: '',
    stderr:
      `holdfast server: EROFS: read-only file system, open '${join(directory, 'lock')}': ` +
      '--data must be a directory that this user may write\n',
  })
})
