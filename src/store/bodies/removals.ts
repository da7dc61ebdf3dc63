/**
 * Who removes bodies and who copies them keep out of each other's way by a lock on a file of the volume, which the kernel
 * gives back when its process ends, however it ends. Removals share it; a backup has it alone.
 */

import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { limits } from '../../lib/limits.ts'
import { errorCode } from '../../platform/files.ts'
import { tryLockFile, tryShareVolume, VolumeLockedError } from '../../platform/volume-lock.ts'
import type { BodiesHold } from './contract.ts'

const pollMs = 50

/** null: a backup copies bodies, so none may be removed now. */
export function beginRemovals(directory: string): Promise<BodiesHold | null> {
  return tryLockFile(pathIn(directory), 'shared')
}

/**
 * Until it is released no body of the volume is removed. null: after limits.bodiesHoldMsMax they are still being removed,
 * or another backup runs. Errors: VolumeLockedError for a served volume that is mounted here for reading only, where
 * neither this lock nor LMDB's table of readers can keep it as it is.
 */
export async function holdBodies(directory: string): Promise<BodiesHold | null> {
  for (let waitedMs = 0; waitedMs <= limits.bodiesHoldMsMax; waitedMs += pollMs) {
    try {
      const hold = await tryLockFile(pathIn(directory), 'alone')
      if (hold !== null) return hold
    } catch (error) {
      if (errorCode(error) === 'EROFS') return holdReadOnly(directory)
      throw error
    }
    await pause(pollMs)
  }
  return null
}

/** Of a snapshot nobody has the other side. */
async function holdReadOnly(directory: string): Promise<BodiesHold> {
  const hold = await tryShareVolume(directory)
  if (hold !== null) return hold
  throw new VolumeLockedError(
    `${directory} is mounted for reading only, and a server writes to it: mount it for writing, or copy a snapshot`,
  )
}

function pathIn(directory: string): string {
  return join(directory, 'removals.lock')
}
