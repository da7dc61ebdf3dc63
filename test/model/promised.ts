/** What the usual number of histories sees so often that its absence means that something is never tried. */
import { expect } from 'vitest'
import { entrances } from './commands.ts'
import type { Tally } from './world.ts'

const promised: readonly string[] = [
  ...entrances.flatMap((entrance) => [
    `put ${entrance} ${entrance === 'form' ? 204 : 200}`,
    `put ${entrance} 400`,
    `put ${entrance} 403`,
  ]),
  'copy 200',
  'copy 403',
  'createUpload 200',
  'completeUpload 200',
  'delete 204',
  'delete 403',
  'delete without version 204',
  'deleteMany entry AccessDenied',
  'deleteMany entry Deleted',
  'version removed',
  'marker removed',
  'putRetention 200',
  'putRetention 400',
  'putRetention 403',
  'putRetention empty 403',
  'putHold 200',
  'putLock 200',
  'putLock 403',
  'putVersioning 409',
  'putPolicy 204',
  'freeze 200',
  'apply 200',
  'apply 409',
  'deleteBucket 409',
  'createBucket 409',
  'lifecycle run',
  'lifecycle removed',
  'advanceClock',
  'advanceToExpiry',
  'stepSystemClock',
  'locked version read and hashed',
]
const ends = ['restart', 'kill9', 'killWorker']

export function expectTried(tally: Tally): void {
  expect(promised.filter((name) => !tally.has(name))).toEqual([])
  expect(ends.filter((name) => tally.has(name))).not.toEqual([])
}
