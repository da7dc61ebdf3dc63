/**
 * The fs-native-extensions door: an open-file-description lock (fcntl F_OFD_SETLK), which the kernel gives
 * back when
 * the last descriptor is closed, so also after kill -9, and which pods of other nodes see on a shared volume.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
// @ts-expect-error The package has no types; the one function used gets its own below.
import { tryLock } from 'fs-native-extensions'
import { errorCode, makeDirectory } from './files.ts'

/** Takes an exclusive lock of the open file description; false when another description holds it. */
const tryLockDescriptor: (descriptor: number) => boolean = tryLock

export class VolumeLockedError extends Error {
  override readonly name = 'VolumeLockedError'
}

export type VolumeLock = {
  /** Gives the volume back; only for an orderly stop, the end of the process does the same. */
  release(): Promise<void>
}

/**
 * Takes DATA/lock for the life of the process. Errors: VolumeLockedError when another server holds it or the
 * file
 * system has no such locks. The file is never removed: two servers could then hold locks on two files of one
 * name.
 */
export async function lockVolume(directory: string): Promise<VolumeLock> {
  await makeDirectory(directory)
  const path = join(directory, 'lock')
  // Not truncated on opening: the holder's note must survive our attempt.
  const handle = await open(path, 'a+', 0o640)
  try {
    if (!tryLockDescriptor(handle.fd)) {
      const holder = await readHolder(handle)
      throw new VolumeLockedError(
        `${directory} is in use by another holdfast server (${holder}): stop it first`,
      )
    }
    await handle.truncate(0)
    await handle.writeFile(`process ${process.pid}\n`)
  } catch (error) {
    await handle.close()
    if (errorCode(error) !== 'ENOLCK' && errorCode(error) !== 'EOPNOTSUPP') throw error
    throw new VolumeLockedError(`${directory} is on a file system without locks`, { cause: error })
  }
  return { release: () => handle.close() }
}

async function readHolder(handle: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0)
  const note = buffer.toString('utf8', 0, bytesRead).trim()
  return note === '' ? 'process unknown' : note
}
