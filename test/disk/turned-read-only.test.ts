/** ext4 that turns read-only under a server, as after an error of its disk: what is stored is read on, and nothing is lost. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fileSystemReadOnly } from '../../src/lib/read-only.ts'
import {
  expectBodies,
  expectLeadershipRefused,
  expectWritesRefused,
  type LockedVolume,
  put,
  startLockedVolume,
} from '../support/crash/locked-volume.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import type { SmallVolume } from '../support/crash/small-volume.ts'
import { offlineFindings } from '../support/crash/volume-state.ts'
import type { TestServer } from '../support/server.ts'

let rig: LockedVolume
let volume: SmallVolume
let server: TestServer

beforeEach(async () => {
  rig = await startLockedVolume()
  volume = rig.volume
  server = rig.server
})
afterEach(() => rig.remove())

/** From each worker more than once: which one answers is the kernel's choice. */
async function expectReads(): Promise<void> {
  for (let round = 0; round < 8; round += 1) {
    await expectBodies(server)
    const listed = await server.client.send({ method: 'GET', path: '/bucket', query: { versions: '' } })
    expect([listed.status, listed.text.split('<Version>').length]).toEqual([200, 3])
  }
}

async function expectRefusals(): Promise<void> {
  for (let round = 0; round < 4; round += 1) await expectWritesRefused(rig)
  await expectLeadershipRefused(server)
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
  const denied = await server.client.send({
    method: 'DELETE',
    path: '/bucket/small',
    query: { versionId: rig.versionId },
  })
  expect([denied.status, denied.code]).toEqual([403, 'AccessDenied'])
})
