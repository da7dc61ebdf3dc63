import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { NoRoomError, volumeFull } from '../../../src/lib/read-only.ts'
import type { Space } from '../../../src/store/bodies/contract.ts'
import {
  ballastFate,
  createCommitRoom,
  createFreeSpaceGuard,
  hasRoomAgain,
  reserveBytes,
  StorageFullError,
} from '../../../src/store/free-space.ts'
import { openStore } from '../../../src/store/open-store.ts'
import { readVolume } from '../../../src/store/volume.ts'
import { openRig } from './rig.ts'
import { engines, TestClock } from './support.ts'

const gibibyte = 1024 ** 3

function open(availableBytes: number, totalBytes = 100 * gibibyte) {
  const clock = new TestClock()
  const space: Space = { availableBytes, totalBytes, availableFiles: null }
  const disk = { space, probeCount: 0, ballast: [] as string[] }
  const guard = createFreeSpaceGuard({
    clock,
    bodies: {
      freeSpace: async () => {
        disk.probeCount += 1
        return disk.space
      },
      ensureBallast: async () => {
        disk.ballast.push('ensure')
        return true
      },
      releaseBallast: async () => {
        disk.ballast.push('release')
      },
    },
  })
  return { clock, disk, guard }
}

test.each([
  ['a small volume', 4 * gibibyte, gibibyte],
  ['a volume of 20 GiB', 20 * gibibyte, gibibyte],
  ['a large volume', 1000 * gibibyte, 50 * gibibyte],
])('reserveBytes: %s, is the larger of 5 %% and 1 GiB', (_, totalBytes, expected) => {
  expect(reserveBytes({ totalBytes, availableBytes: 0, availableFiles: null })).toBe(expected)
})

test('refusal: below the reserve by one byte, names what is free; at it, nothing is refused', async () => {
  expect(await open(5 * gibibyte).guard.refusal()).toBe(null)
  expect(await open(5 * gibibyte - 1).guard.refusal()).toBe(
    'the volume has 5119 MiB free; new data is refused below 5120 MiB',
  )
})

test('admit: data that would go below the reserve, is refused with StorageFullError', async () => {
  const { guard } = open(6 * gibibyte)
  await guard.admit(gibibyte)
  await expect(guard.admit(gibibyte + 1)).rejects.toBeInstanceOf(StorageFullError)
})

test('admit: where no commit has room, the refusal does not say that metadata go on', async () => {
  await expect(open(limits.commitFreeBytesMin - 1).guard.admit(0)).rejects.toEqual(
    new NoRoomError(volumeFull),
  )
  await expect(open(limits.commitFreeBytesMin).guard.admit(0)).rejects.toBeInstanceOf(StorageFullError)
})

test('probe: is shared for a second, and no longer', async () => {
  const { clock, disk, guard } = open(6 * gibibyte)
  await guard.refusal()
  disk.space = { ...disk.space, availableBytes: 0 }
  clock.pass(limits.freeSpaceProbeMsMax - 1)
  expect(await guard.refusal()).toBe(null)
  expect(disk.probeCount).toBe(1)
  clock.pass(1)
  expect(await guard.refusal()).not.toBe(null)
  expect(disk.probeCount).toBe(2)
})

test('probe: all who ask meanwhile wait for one', async () => {
  const { disk, guard } = open(6 * gibibyte)
  await Promise.all([guard.admit(0), guard.refusal(), guard.admit(1), guard.admit(2)])
  expect(disk.probeCount).toBe(1)
})

test('ballast: is given up only when the disk is nearly full, and restored only well above the reserve', async () => {
  const totalBytes = 100 * gibibyte
  const fate = (availableBytes: number) => ballastFate({ availableBytes, totalBytes, availableFiles: null })
  expect(fate(limits.ballastBytes - 1)).toBe('release')
  expect(fate(limits.ballastBytes)).toBe('leave')
  expect(fate(5 * gibibyte + limits.ballastBytes - 1)).toBe('leave')
  expect(fate(5 * gibibyte + limits.ballastBytes)).toBe('restore')
})

test('tend: acts on the disk as it is now', async () => {
  const { disk, guard } = open(50 * gibibyte)
  await guard.tend()
  disk.space = { ...disk.space, availableBytes: 0 }
  await guard.tend()
  disk.space = { ...disk.space, availableBytes: gibibyte }
  await guard.tend()
  expect(disk.ballast).toEqual(['ensure', 'release'])
})

test('tend: while the ballast is being written nobody else begins', async () => {
  const { disk, guard } = open(50 * gibibyte)
  await Promise.all([guard.tend(), guard.tend()])
  expect(disk.ballast).toEqual(['ensure'])
  await guard.tend()
  expect(disk.ballast).toEqual(['ensure', 'ensure'])
})

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('arrived: what was admitted goes on above the reserve, and is refused once a look finds less', async () => {
  const { clock, disk, guard } = open(6 * gibibyte)
  await guard.admit(0)
  guard.arrived(1)
  disk.space = { ...disk.space, availableBytes: 5 * gibibyte - 1 }
  clock.pass(limits.freeSpaceProbeMsMax - 1)
  guard.arrived(1)
  await settled()
  expect(disk.probeCount).toBe(1)
  clock.pass(1)
  // Begins the look, and has the answer of the one before.
  guard.arrived(1)
  await settled()
  expect(() => guard.arrived(1)).toThrow(StorageFullError)
  expect(disk.probeCount).toBe(2)
})

test('arrived: within a second a look serves so many bytes of all uploads together, and no more', async () => {
  const { disk, guard } = open(6 * gibibyte)
  await guard.admit(0)
  disk.space = { ...disk.space, availableBytes: 0 }
  const chunk = 64 * 1024
  for (let bytes = chunk; bytes < limits.freeSpaceProbeBytesMax; bytes += chunk) guard.arrived(chunk)
  await settled()
  expect(disk.probeCount).toBe(1)
  guard.arrived(chunk)
  await settled()
  expect(disk.probeCount).toBe(2)
  expect(() => guard.arrived(0)).toThrow('the volume has 0 MiB free; new data is refused below 5120 MiB')
})

/** A store whose disk has as much free as a test says. */
async function openOnDisk(availableBytes: number) {
  const rig = await openRig(engines[0] as (typeof engines)[number])
  const disk = { availableBytes }
  const freeSpace = async () => ({ ...disk, totalBytes: 100 * gibibyte, availableFiles: null })
  const { kv, clock } = rig
  const volume = await readVolume(kv)
  const bodies = { ...rig.bodies, freeSpace }
  const store = openStore({ kv, bodies, clock, log: silentLog, volume, masterKey: null })
  const stageFiles = () => readdir(join(rig.directory, 'stage', '1-1'))
  const close = async () => {
    await store.close()
    await rig.close()
  }
  return { disk, clock, store, stageFiles, close }
}

test('stage: while the bytes come the room goes, they are refused and nothing is left of them', async () => {
  const { disk, clock, store, stageFiles, close } = await openOnDisk(6 * gibibyte)
  try {
    const files: number[] = []
    async function* body() {
      yield new Uint8Array(limits.inlineBodyBytesMax + 1)
      files.push((await stageFiles()).length)
      disk.availableBytes = 5 * gibibyte - 1
      clock.pass(limits.freeSpaceProbeMsMax)
      for (let chunks = 0; chunks < 1000; chunks += 1) {
        await settled()
        yield new Uint8Array(1)
      }
    }
    await expect(store.versions.stage(body(), gibibyte)).rejects.toBeInstanceOf(StorageFullError)
    expect(files).toEqual([1])
    expect(await stageFiles()).toEqual([])
  } finally {
    await close()
  }
})

test('stage: bytes that are declared to be more than fit above the reserve, are refused before the first is read', async () => {
  const { store, close } = await openOnDisk(6 * gibibyte)
  try {
    let readCount = 0
    async function* body() {
      readCount += 1
      yield new Uint8Array(1)
    }
    const sizeBytes = gibibyte + 1
    await expect(store.versions.stage(body(), sizeBytes, sizeBytes)).rejects.toBeInstanceOf(StorageFullError)
    expect(readCount).toBe(0)
    expect((await store.versions.stage(body(), sizeBytes, gibibyte)).sizeBytes).toBe(1)
  } finally {
    await close()
  }
})

test('refusal: fewer files than the least fit, are named; bytes are still admitted', async () => {
  const { disk, guard, clock } = open(50 * gibibyte)
  disk.space = { ...disk.space, availableFiles: limits.freeFilesMin }
  expect(await guard.refusal()).toBe(null)
  clock.pass(limits.freeSpaceProbeMsMax)
  disk.space = { ...disk.space, availableFiles: limits.freeFilesMin - 1 }
  expect(await guard.refusal()).toBe(
    'the volume has room for 1023 more files (inodes), 1024 is too few: ' +
      'objects that need a file are refused when there is none',
  )
  await guard.admit(gibibyte)
})

const least = limits.commitFreeBytesMin

/** A disk with a ballast of `ballastBytes`, which a test may fill or break. */
function openRoom(availableBytes: number, ballastBytes = 0) {
  const clock = new TestClock()
  const disk = { availableBytes, probeCount: 0, releaseCount: 0, error: null as Error | null }
  const room = createCommitRoom({
    clock,
    disk: {
      freeSpace: async () => {
        disk.probeCount += 1
        if (disk.error !== null) throw disk.error
        return { availableBytes: disk.availableBytes, totalBytes: 100 * gibibyte, availableFiles: null }
      },
      releaseBallast: async () => {
        if (disk.releaseCount === 0) disk.availableBytes += ballastBytes
        disk.releaseCount += 1
      },
    },
  })
  return { clock, disk, room }
}

test('room for a commit: at the least there is, below it by one byte there is none', async () => {
  expect(await openRoom(least).room.recent()).toBe(true)
  expect(await openRoom(least - 1).room.recent()).toBe(false)
})

test('room for a commit: where there is none, the ballast is given up for it, and not before', async () => {
  const { disk, room } = openRoom(least, limits.ballastBytes)
  expect([await room.look(), disk.releaseCount]).toEqual([true, 0])
  disk.availableBytes = 0
  expect([await room.look(), disk.releaseCount]).toEqual([true, 1])
  disk.availableBytes = 0
  expect([await room.look(), disk.releaseCount]).toEqual([false, 2])
})

test('room for a commit: one look serves all of a second, and none of them waits for the next', async () => {
  const { clock, disk, room } = openRoom(least)
  await Promise.all(Array.from({ length: 100 }, () => room.recent()))
  expect(disk.probeCount).toBe(1)
  disk.availableBytes = 0
  clock.pass(limits.freeSpaceProbeMsMax / 2 - 1)
  expect([room.recent(), disk.probeCount]).toEqual([true, 1])
  clock.pass(1)
  expect([room.recent(), room.recent(), disk.probeCount]).toEqual([true, true, 2])
  await new Promise((resolve) => setImmediate(resolve))
  expect(room.recent()).toBe(false)
  disk.availableBytes = least
  clock.pass(limits.freeSpaceProbeMsMax)
  expect(await room.recent()).toBe(true)
})

test('room for a commit: a disk that cannot be looked at refuses nothing, the commit says what is wrong', async () => {
  const { disk, room } = openRoom(0)
  disk.error = new Error('EIO')
  expect([await room.look(), disk.releaseCount]).toEqual([true, 0])
})

test('refusal: without room for a commit, says that nothing is written, not even a delete', async () => {
  expect(await open(least - 1).guard.refusal()).toBe(`${volumeFull} (7 MiB free; 8 MiB are needed)`)
  expect(await open(least).guard.refusal()).toContain('new data is refused')
})

test('room to begin again: by the ballast more than a commit takes, so that a start is not full at once', () => {
  const space = { totalBytes: 100 * gibibyte, availableFiles: null }
  const enough = least + limits.ballastBytes
  expect(hasRoomAgain({ ...space, availableBytes: enough })).toBe(true)
  expect(hasRoomAgain({ ...space, availableBytes: enough - 1 })).toBe(false)
})
