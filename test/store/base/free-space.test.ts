import { expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { Space } from '../../../src/store/bodies/contract.ts'
import {
  ballastFate,
  createFreeSpaceGuard,
  reserveBytes,
  StorageFullError,
} from '../../../src/store/free-space.ts'
import { TestClock } from './support.ts'

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
