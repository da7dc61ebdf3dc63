/** The file system door: durable steps with names that say what has reached the disk when they resolve. */
import { randomBytes } from 'node:crypto'
import { type BigIntStats, statSync } from 'node:fs'
import { access, link, mkdir, open, rename, rm, rmdir, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** The machine's code of a failed system call (`ENOENT`), or null. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}

/** A step on the disk failed, in this folder: what the machine says of a file that is open names none. */
export class FolderFailedError extends Error {
  override readonly name = 'FolderFailedError'

  constructor(folder: string, cause: Error) {
    super(`${folder}: ${cause.message}`, { cause })
  }
}

/** What `work` throws of the machine's errors becomes a FolderFailedError of this folder, unless it is one already. */
export async function namingFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw ofFolder(folder, error)
  }
}

/** The same of one error, which is there already. */
export function ofFolder(folder: string, error: unknown): unknown {
  // LMDB has the machine's numbers.
  const isNumbered = error instanceof Error && 'code' in error && typeof error.code === 'number'
  const isMachines = error instanceof Error && (errorCode(error) !== null || isNumbered)
  return isMachines ? new FolderFailedError(folder, error) : error
}

/** null where nothing is there. Errors: the others of `look`. */
export async function ifThere<Found>(look: Promise<Found>): Promise<Found | null> {
  try {
    return await look
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}

/** True for a write that found no room; a flush that fails for that reason lost what was written. */
export function isVolumeFull(error: unknown): boolean {
  const code = errorCode(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') return false
  return !(error instanceof Error && 'syscall' in error && error.syscall === 'fsync')
}

/** Removes a folder with all that is in it; one that is gone already is no error. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
}

/** A folder with something in it stays; one that is gone already is no error. */
export async function removeEmptyFolder(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTEMPTY') throw error
  }
}

/** A file that is gone already is no error. */
export async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

export async function pathExists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

/** In bytes. */
export async function fileSize(path: string): Promise<number> {
  return (await stat(path)).size
}

/**
 * Identity, size and times in nanoseconds, to compare: a link that was moved to another file is another file. `missing` where
 * there is none, the error's code where it cannot be looked at: whoever reads it then gets the error. Synchronous: some microseconds, for a
 * look before each use. Never throws.
 */
export function fileStamp(path: string): string {
  const found = statOrCode(path)
  if (typeof found === 'string') return found
  return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(':')
}

function statOrCode(path: string): BigIntStats | string {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? 'missing'
  } catch (error) {
    return errorCode(error) ?? 'unreadable'
  }
}

/** The `f_type` of statfs(2), unsigned. */
export async function fileSystemKind(path: string): Promise<number> {
  const { type } = await statfs(path)
  return type >>> 0
}

/** Makes a directory and its parents; their names are durable when this resolves. */
export async function makeDirectory(path: string): Promise<void> {
  for (const made of await makeFolders(resolve(path))) await syncDirectory(dirname(made))
}

/**
 * Those that it made, the deepest first. Not by mkdir's own `recursive`, which tries for ever below a folder that is there and
 * takes no names, as one that was removed while it was open.
 */
async function makeFolders(path: string): Promise<readonly string[]> {
  try {
    return await makeFolder(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error
  }
  const above = await makeFolders(dirname(path))
  return [...(await makeFolder(path)), ...above]
}

async function makeFolder(path: string): Promise<readonly string[]> {
  try {
    await mkdir(path, { mode: 0o750 })
    return [path]
  } catch (error) {
    if (errorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()) return []
    throw error
  }
}

/** Flushes the names in a directory. */
export function syncDirectory(path: string): Promise<void> {
  return syncFile(path)
}

/**
 * Flushes the name of a folder that a process may have made and, being ended, not flushed. Nothing where the folder above may not
 * be read or has no names that change, as those of a file system that is only read.
 */
export async function syncNameOf(path: string): Promise<void> {
  try {
    await syncDirectory(dirname(resolve(path)))
  } catch (error) {
    if (errorCode(error) !== 'EACCES' && errorCode(error) !== 'EINVAL') throw error
  }
}

/** Flushes the bytes of a file. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Flushes a file and its name, which the process that made them may not have lived to do. A file system that is only read, or has
 * no names that change, has nothing to flush.
 */
export async function syncFileAndName(path: string): Promise<void> {
  try {
    await syncFile(path)
  } catch (error) {
    if (errorCode(error) !== 'EINVAL' && errorCode(error) !== 'EROFS') throw error
  }
  await syncNameOf(path)
}

/** Creates `path` with all of `bytes`, durably, or leaves what another process created meanwhile. */
export async function createFileWhole(path: string, bytes: Uint8Array, mode = 0o640): Promise<void> {
  const part = `${path}.${randomBytes(8).toString('hex')}`
  try {
    await writePart(part, bytes, mode)
    await link(part, path)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  } finally {
    await unlinkIfThere(part)
  }
  await syncDirectory(dirname(path))
}

/** How long a name may be that `replaceFileWhole` writes: what it has meanwhile is longer, and Linux takes 255 bytes. */
export const replacedNameBytesMax = 255 - '.0123456789abcdef.part'.length

/** Gives `path` all of `bytes`, durably, whether it was there or not: at any time it has the old ones or the new ones. */
export async function replaceFileWhole(path: string, bytes: Uint8Array, mode = 0o640): Promise<void> {
  const part = `${path}.${randomBytes(8).toString('hex')}.part`
  try {
    await writePart(part, bytes, mode)
    await rename(part, path)
  } catch (error) {
    await unlinkIfThere(part)
    throw error
  }
  await syncDirectory(dirname(path))
}

/** A new file, flushed; its name is not. */
async function writePart(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const handle = await open(path, 'wx', mode)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
