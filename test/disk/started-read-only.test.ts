/** A server that is started on a file system that takes no writes: it reads, refuses the rest, and ends once that is over. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fileSystemReadOnly } from '../../src/lib/read-only.ts'
import {
  bodies,
  expectBodies,
  expectLeadershipRefused,
  expectWritesRefused,
  type LockedVolume,
  put,
  startLockedVolume,
} from '../support/crash/locked-volume.ts'
import { run } from '../support/crash/power-cut.ts'
import { until, untilEnded, workerPids } from '../support/crash/processes.ts'
import type { SmallVolume } from '../support/crash/small-volume.ts'
import { offlineFindings } from '../support/crash/volume-state.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'
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
    await expectBodies(server)
    await expectWritesRefused(rig)
  }
  await expectLeadershipRefused(server)
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
    await untilEnded(server)
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
