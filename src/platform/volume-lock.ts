/**
 * The fs-native-extensions door: an open-file-description lock (fcntl F_OFD_SETLK), which the kernel gives
 * back when
 * the last descriptor is closed, so also after kill -9, and which pods of other nodes see on a shared volume.
 */
import { constants, type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
// @ts-expect-error The package has no types; the one function used gets its own below.
import { tryLock } from 'fs-native-extensions'
import { errorCode, isVolumeFull, makeDirectory, pathExists } from './files.ts'

const lockName = 'lock'

type LockOptions = { readonly shared: boolean }
/** Takes a lock of the open file description on the whole file; false when another description is in the way. */
const tryLockDescriptor: (descriptor: number, options: LockOptions) => boolean = tryLock

export class VolumeLockedError extends Error {
  override readonly name = 'VolumeLockedError'
}

export type FileLock = {
  /** Gives it back; only for an orderly stop, the end of the process does the same. */
  release(): Promise<void>
}

export type VolumeLock = FileLock & {
  /** `readOnly`: the file system took no writes when the lock was taken, and whoever has it must write nothing. */
  readonly access: 'readWrite' | 'readOnly'
  /** False: another file, or none, is now at the lock's path, so the directory is another volume's or is gone. */
  isInPlace(): Promise<boolean>
  /** Whether the lock is on the file of that name in `directory`. */
  isIn(directory: string): Promise<boolean>
  /** False: the file system of the lock's own file takes no writes (EROFS). Writes nothing. */
  takesWrites(): Promise<boolean>
}

/**
 * Takes DATA/lock for the life of the process. Errors: VolumeLockedError when another server holds it or the
 * file
 * system has no such locks. The file is never removed: two servers could then hold locks on two files of one
 * name.
 */
export async function lockVolume(directory: string): Promise<VolumeLock> {
  await makeDirectory(directory)
  const path = join(directory, lockName)
  const handle = await openForLock(path)
  await demandLock(handle, directory, { shared: false })
  try {
    await writeHolder(handle)
  } catch (error) {
    await handle.close()
    throw error
  }
  return volumeLock(handle, path, 'readWrite')
}

/**
 * As lockVolume; on a file system that takes no writes the lock is shared with others that only read. As long as it is held no
 * server that writes begins, also when the file system takes writes again. Errors: also EROFS where no server ever was.
 */
export async function lockServedVolume(directory: string): Promise<VolumeLock> {
  try {
    return await lockVolume(directory)
  } catch (error) {
    const path = join(directory, lockName)
    if (errorCode(error) !== 'EROFS' || !(await pathExists(path))) throw error
    const handle = await open(path, 'r')
    await demandLock(handle, directory, { shared: true })
    return volumeLock(handle, path, 'readOnly')
  }
}

function volumeLock(handle: FileHandle, path: string, access: VolumeLock['access']): VolumeLock {
  return {
    access,
    release: () => handle.close(),
    isInPlace: () => isSameFile(handle, path),
    isIn: (directory) => isSameFile(handle, join(directory, lockName)),
    takesWrites: () => takesWritesHeld(handle, path),
  }
}

/** Closes the handle when it throws. */
async function demandLock(handle: FileHandle, directory: string, options: LockOptions): Promise<void> {
  if (await tryLockHandle(handle, options)) return
  const holder = await readHolder(handle)
  await handle.close()
  throw new VolumeLockedError(`${directory} is in use by another holdfast server (${holder}): stop it first`)
}

/** Whether DATA/lock could be written: false on a file system that is mounted here for reading only. Writes nothing. */
export function takesWrites(directory: string): Promise<boolean> {
  return opensForWriting(join(directory, lockName))
}

/** By the descriptor, for another volume may be at the path; by the path where the system does not show descriptors. */
async function takesWritesHeld({ fd }: FileHandle, path: string): Promise<boolean> {
  const shown = `/proc/self/fd/${fd}`
  return opensForWriting((await pathExists(shown)) ? shown : path)
}

async function opensForWriting(path: string): Promise<boolean> {
  try {
    await (await open(path, 'r+')).close()
    return true
  } catch (error) {
    // Whatever else is wrong with it, others tell.
    return errorCode(error) !== 'EROFS'
  }
}

async function isSameFile(handle: FileHandle, path: string): Promise<boolean> {
  try {
    const [held, found] = await Promise.all([handle.stat(), stat(path)])
    return held.dev === found.dev && held.ino === found.ino
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false
    throw error
  }
}

/**
 * Takes a lock on a file, made if it is missing; null: others have it. Several may share it, none beside one that has it
 * alone. Errors: VolumeLockedError on a file system without such locks.
 */
export async function tryLockFile(path: string, mode: 'shared' | 'alone'): Promise<FileLock | null> {
  const handle = await openForLock(path)
  if (await tryLockHandle(handle, { shared: mode === 'shared' })) return { release: () => handle.close() }
  await handle.close()
  return null
}

/**
 * Shares DATA/lock without writing anything, for a volume that is mounted for reading only: no server begins beside it.
 * null: a server has the volume, through another mount.
 */
export async function tryShareVolume(directory: string): Promise<FileLock | null> {
  let handle: FileHandle
  try {
    handle = await open(join(directory, lockName), 'r')
  } catch (error) {
    // Nobody ever served it.
    if (errorCode(error) === 'ENOENT') return { release: async () => {} }
    throw error
  }
  if (await tryLockHandle(handle, { shared: true })) return { release: () => handle.close() }
  await handle.close()
  return null
}

/** Not truncated on opening: the holder's note must survive our attempt. */
function openForLock(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT, 0o640)
}

/** Closes the handle when it throws. */
async function tryLockHandle(handle: FileHandle, options: LockOptions): Promise<boolean> {
  try {
    return tryLockDescriptor(handle.fd, options)
  } catch (error) {
    await handle.close()
    if (errorCode(error) !== 'ENOLCK' && errorCode(error) !== 'EOPNOTSUPP') throw error
    throw new VolumeLockedError('the file system has no locks', { cause: error })
  }
}

/** Over the note of the holder before, so that on a full disk it needs no new block; it is for people, and none keeps nobody out. */
async function writeHolder(handle: FileHandle): Promise<void> {
  const note = Buffer.from(`process ${process.pid}\n`)
  try {
    await handle.write(note, 0, note.length, 0)
    await handle.truncate(note.length)
  } catch (error) {
    if (!isVolumeFull(error)) throw error
  }
}

async function readHolder(handle: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0)
  const note = buffer.toString('utf8', 0, bytesRead).trim()
  return note === '' ? 'process unknown' : note
}
