/** A volume that others fill altogether: what is stored is read on, the reason is told, and there is no hand needed once there is room. */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { volumeFull } from '../../src/lib/read-only.ts'
import { sendAdmin } from '../support/admin.ts'
import { md5 } from '../support/conformance.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import {
  expectBodies,
  type LockedVolume,
  type LockedVolumeOptions,
  put,
  startLockedVolume,
} from '../support/crash/locked-volume.ts'
import { run } from '../support/crash/power-cut.ts'
import { until, untilEnded, untilReady, workerPids } from '../support/crash/processes.ts'
import { offlineFindings } from '../support/crash/volume-state.ts'
import { headText, openConnection, type RawConnection } from '../support/raw-http.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'

const mib = 1024 ** 2
/** As a server says it that could begin its epoch. */
const noRoom = `${volumeFull} (0 MiB free; 8 MiB are needed)`
let rig: LockedVolume | null

afterEach(async () => {
  await rig?.remove()
})

/** With a version `free` that may go. */
async function start(options: LockedVolumeOptions = {}): Promise<{ rig: LockedVolume; free: string }> {
  rig = null
  rig = await startLockedVolume(options)
  const stored = await rig.server.client.send({ method: 'PUT', path: '/bucket/free', body: 'free' })
  expect(stored.status).toBe(200)
  return { rig, free: String(stored.headers['x-amz-version-id']) }
}

/** Or a part of one. */
function hasBallast({ volume }: LockedVolume): boolean {
  return readdirSync(volume.directory).some((name) => name.startsWith('ballast'))
}

/** Others take the room of the ballast too, however often something is given up. */
async function fillWhole(full: LockedVolume): Promise<void> {
  const { volume } = full
  await until('nothing is left', () => {
    volume.fillWhole()
    if (hasBallast(full)) return false
    // The room of a name that went is free when the journal says so.
    run('sync', ['-f', volume.directory])
    return statfsSync(volume.directory).bavail === 0
  })
}

/** Of a locked version. */
function refusedDelete({ versionId }: LockedVolume): SendOptions {
  return { method: 'DELETE', path: '/bucket/small', query: { versionId } }
}

function longer({ versionId }: LockedVolume): SendOptions {
  const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2 * 86_400_000).toISOString()
  const body = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
  const query = { retention: '', versionId }
  return { method: 'PUT', path: '/bucket/small', query, headers: { 'content-md5': md5(body) }, body }
}

function deleteOf(versionId: string): SendOptions {
  return { method: 'DELETE', path: '/bucket/free', query: { versionId } }
}

async function readyText({ server }: LockedVolume): Promise<string> {
  const answer = await fetch(new URL('/readyz', server.metricsEndpoint))
  return `${answer.status} ${(await answer.text()).trim()}`
}

async function answerTo({ server }: LockedVolume, request: SendOptions): Promise<unknown> {
  const { status, code }: Answer = await server.client.send(request)
  return [status, code]
}

/** One of each way to write, none of new data; from each worker more than once: which one answers is the kernel's choice. */
async function expectNoRoom(full: LockedVolume, free: string): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    for (const request of [
      refusedDelete(full),
      longer(full),
      deleteOf(free),
      { method: 'PUT', path: '/other' },
      put('small'),
    ]) {
      const answer = await full.server.client.send(request)
      expect([answer.status, answer.code, answer.element('Message')]).toEqual([
        507,
        'InsufficientStorage',
        volumeFull,
      ])
    }
    await expectBodies(full.server)
  }
  const leader = { method: 'POST', path: '/v1/leadership', document: { holder: 'test' } }
  expect(await sendAdmin(full.server, leader)).toEqual({
    status: 507,
    document: { code: 'InsufficientStorage', message: volumeFull },
  })
  expect(await readyText(full)).toContain(`503 ${volumeFull}`)
}

/** What was refused is done now, and the volume is sound. */
async function expectWhole(mended: LockedVolume, free: string): Promise<void> {
  await until('it is ready', async () => (await readyText(mended)) === '200 ok')
  await until('all workers write', async () => (await mended.server.client.send(put('large'))).status === 200)
  await until(
    'refusals are recorded',
    async () => (await mended.server.client.send(refusedDelete(mended))).status === 403,
  )
  await until('deletes go on', async () => (await mended.server.client.send(deleteOf(free))).status === 204)
  expect(await mended.server.terminate()).toBe(0)
  expect(await offlineFindings(mended.volume.directory)).toEqual([])
}

it('a volume that is filled while a server runs: reads go on, all else is 507 with the reason, no process ends; with room it goes on', async () => {
  const { rig: running, free } = await start()
  const before = workerPids(running.server)
  await fillWhole(running)
  // From here on no look at the disk is of before: none lets a commit begin.
  await delay(limits.freeSpaceProbeMsMax)
  await until('readiness tells', async () => (await readyText(running)).includes(volumeFull))
  for (let round = 0; round < 60; round += 1) {
    const [refused] = await Promise.all([
      running.server.client.send(refusedDelete(running)),
      expectBodies(running.server),
    ])
    expect([refused.status, refused.code]).toEqual([507, 'InsufficientStorage'])
  }
  await expectNoRoom(running, free)
  expect(workerPids(running.server)).toEqual(before)
  for (const pid of before) process.kill(pid, 'SIGKILL')
  await until('they are gone', () => !workerPids(running.server).some((pid) => before.includes(pid)))
  await until('others listen', async () => (await readyText(running)) === `503 ${noRoom}`)
  await expectNoRoom(running, free)
  running.volume.empty()
  await expectWhole(running, free)
})

it.each(['SIGTERM', 'SIGKILL'] as const)(
  'a server started on a full volume, left by %s: it deletes and locks by the ballast; without that it reads, and ends once there is room',
  async (signal) => {
    const { rig: running, free } = await start()
    const { server, volume } = running
    await until('the ballast is there', () => existsSync(join(volume.directory, 'ballast')))
    const stop = () => (signal === 'SIGTERM' ? server.terminate() : server.kill9())
    await stop()
    volume.fillWhole()
    await server.start()
    expect(hasBallast(running)).toBe(false)
    await expectBodies(server)
    expect(await answerTo(running, refusedDelete(running))).toEqual([403, 'AccessDenied'])
    expect(await answerTo(running, longer(running))).toEqual([200, null])
    const other = await server.client.send({ method: 'DELETE', path: '/bucket/free' })
    expect(other.status).toBe(204)
    expect(await answerTo(running, put('small'))).toEqual([507, 'InsufficientStorage'])
    await stop()
    await fillWhole(running)
    await server.start()
    const before = workerPids(server)
    await expectNoRoom(running, free)
    expect(workerPids(server)).toEqual(before)
    volume.empty()
    await untilEnded(server)
    expect(await server.terminate()).toBe(1)
    expect(await offlineFindings(volume.directory)).toEqual([])
    await server.start()
    await expectWhole(running, free)
  },
)

/** Of staged files, in bytes. */
function stagedBytes({ volume }: LockedVolume): number {
  const stages = join(volume.directory, 'stage')
  return readdirSync(stages, { recursive: true })
    .map((name) => statSync(join(stages, String(name))))
    .reduce((sum, found) => sum + (found.isFile() ? found.size : 0), 0)
}

/** An upload that writes no more when `bytes` have arrived; the few that follow keep it from being idle. */
async function beginUpload(running: LockedVolume, bytes: number): Promise<RawConnection> {
  const { server } = running
  const connection = await openConnection(server.endpoint)
  const wire = server.client.wire({ method: 'PUT', path: '/bucket/begun', sign: 'unsigned-payload' })
  connection.write(headText(wire, { 'content-length': String(512 * mib) }))
  for (let sent = 0; sent < bytes; sent += mib) connection.write(Buffer.alloc(mib, 1))
  const trickle = setInterval(() => connection.write('.'), 1_000)
  const close = (): void => {
    clearInterval(trickle)
    connection.close()
  }
  // The last piece may wait for more.
  await until('it is staged', () => stagedBytes(running) >= bytes - mib)
  return { ...connection, close }
}

it('an upload under way when others take the reserve: it is refused with 507 and its bytes go, while deletes and locks find room', async () => {
  const { rig: running, free } = await start()
  const { server, volume } = running
  const upload = await beginUpload(running, 64 * mib)
  try {
    volume.fill(200 * mib)
    expect(await upload.until(/<Code>InsufficientStorage<\/Code>/)).toMatch(/^HTTP\/1\.1 507 /)
    await until('nothing is left of it', () => stagedBytes(running) === 0)
    expect(await answerTo(running, refusedDelete(running))).toEqual([403, 'AccessDenied'])
    expect(await answerTo(running, longer(running))).toEqual([200, null])
  } finally {
    upload.close()
  }
  volume.empty()
  await untilReady(server)
  await expectWhole(running, free)
})

it('uploads under way and the server is killed, then others fill the volume: the next start takes their room, deletes and locks', async () => {
  const { rig: running, free } = await start()
  const { server, volume } = running
  const upload = await beginUpload(running, 64 * mib)
  try {
    await server.kill9()
    await fillWhole(running)
    expect(stagedBytes(running)).toBeGreaterThan(60 * mib)
    await server.start()
    expect(stagedBytes(running)).toBe(0)
    await expectBodies(server)
    expect(await answerTo(running, refusedDelete(running))).toEqual([403, 'AccessDenied'])
    expect(await answerTo(running, longer(running))).toEqual([200, null])
    expect(await answerTo(running, put('small'))).toEqual([507, 'InsufficientStorage'])
  } finally {
    upload.close()
  }
  volume.empty()
  await expectWhole(running, free)
})

it('garbage is left when the server is killed, then others fill the volume: the next start takes its room, deletes and locks', async () => {
  const { rig: running, free } = await start()
  const { server, volume } = running
  const body = Buffer.alloc(80 * mib, 1)
  const stored = await server.client.send({ method: 'PUT', path: '/bucket/waste', body })
  const query = { versionId: String(stored.headers['x-amz-version-id']) }
  const deleted = await server.client.send({ method: 'DELETE', path: '/bucket/waste', query })
  expect([stored.status, deleted.status]).toEqual([200, 204])
  await server.kill9()
  await fillWhole(running)
  await server.start()
  await expectBodies(server)
  expect(await answerTo(running, refusedDelete(running))).toEqual([403, 'AccessDenied'])
  expect(await answerTo(running, longer(running))).toEqual([200, null])
  expect(await answerTo(running, put('small'))).toEqual([507, 'InsufficientStorage'])
  volume.empty()
  await expectWhole(running, free)
})

it('a server started on a volume without inodes: all but bodies in files goes on, and those too once there are some', async () => {
  const { rig: running, free } = await start({ inodeCount: 4096 })
  const { server, volume } = running
  await server.terminate()
  volume.takeInodes()
  await server.start()
  const before = workerPids(server)
  await expectBodies(server)
  expect(await answerTo(running, refusedDelete(running))).toEqual([403, 'AccessDenied'])
  expect(await answerTo(running, longer(running))).toEqual([200, null])
  expect(await answerTo(running, put('small'))).toEqual([200, null])
  expect(await answerTo(running, put('large'))).toEqual([507, 'InsufficientStorage'])
  expect(await readyText(running)).toContain('more files (inodes)')
  volume.empty()
  await untilReady(server)
  expect(workerPids(server)).toEqual(before)
  await expectWhole(running, free)
})

/** So large that its commit cannot do with the pages that the store has. */
function manyRules(): SendOptions {
  const rule = (id: number) =>
    `<Rule><ID>${id}</ID><Filter><Prefix>${'prefix'.repeat(30)}${id}</Prefix></Filter><Status>Enabled</Status>` +
    '<Expiration><Days>9</Days></Expiration></Rule>'
  const rules = Array.from({ length: 1000 }, (_value, id) => rule(id)).join('')
  const body = `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`
  return {
    method: 'PUT',
    path: '/bucket',
    query: { lifecycle: '' },
    headers: { 'content-md5': md5(body) },
    body,
  }
}

/** Resolves with its answer: there is room when the commit begins, and none when its pages are written. */
async function answerThoughFilled(
  running: LockedVolume,
  faults: Faults,
  request: SendOptions,
): Promise<Answer> {
  const workers = workerPids(running.server)
  faults.hold()
  const answered = running.server.client.send(request)
  await until('a commit is about to be written', () => {
    const held = faults.held()
    if (held === null) return false
    const isPages = held.call === 'write' && held.place.endsWith('/data.mdb')
    if (isPages && workers.includes(held.process)) return true
    faults.release()
    return false
  })
  await fillWhole(running)
  faults.disarm()
  return answered
}

it('a commit under which the volume is filled: it is refused, reads go on, no worker ends; once there is room a start has all', async () => {
  const faults = prepareFaults()
  try {
    const { rig: running, free } = await start({ environment: faults.environment })
    const { server, volume } = running
    volume.fill(32 * mib)
    await until('the ballast is given up', () => !hasBallast(running))
    const before = workerPids(server)
    const answer = await answerThoughFilled(running, faults, manyRules())
    expect([answer.status, answer.element('Message')]).toEqual([507, volumeFull])
    await expectNoRoom(running, free)
    expect(workerPids(server)).toEqual(before)
    volume.empty()
    await untilEnded(server)
    expect(await server.terminate()).toBe(1)
    expect(await offlineFindings(volume.directory)).toEqual([])
    await server.start()
    const rules = await server.client.send({ method: 'GET', path: '/bucket', query: { lifecycle: '' } })
    expect([rules.status, rules.code]).toEqual([404, 'NoSuchLifecycleConfiguration'])
    await expectWhole(running, free)
  } finally {
    faults.remove()
  }
})
