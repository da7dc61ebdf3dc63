/** What the commands share that read a volume while no server serves it. */
import type { SettingValues } from '../config/settings.ts'
import { type FileLock, lockServedVolume, takesWrites, VolumeLockedError } from '../platform/volume-lock.ts'
import { hasVolume, type OfflineVolume, openOfflineVolume } from '../server/open-volume.ts'
import { CorruptRecordError } from '../store/fields.ts'
import { UnsupportedFileSystemError } from '../store/kv/contract.ts'
import { readVolume, VolumeFormatError } from '../store/volume.ts'

export type OfflineCommand = { readonly command: string; readonly values: SettingValues<'data'> }
type Read = (volume: OfflineVolume) => Promise<number>

/**
 * Holds the volume's lock while `read` runs, so that no server begins meanwhile. Exit code 2, with the reason on stderr:
 * there is no volume, a server has it, it is of a newer format or on a file system that the store cannot be on. 1: it is too damaged
 * to be read at all.
 */
export function withOfflineVolume(offline: OfflineCommand, read: Read): Promise<number> {
  return explained(offline, (directory) => readLocked(directory, lockServedVolume, read))
}

/** The same, also beside a server: only for rows that nobody changes once they are written. */
export function withServedVolume(offline: OfflineCommand, read: Read): Promise<number> {
  return explained(offline, (directory) => readLocked(directory, lockUnlessServed, read))
}

async function explained(
  { command, values }: OfflineCommand,
  read: (directory: string) => Promise<number>,
): Promise<number> {
  try {
    return await read(values.data)
  } catch (error) {
    const isRefusal = isVolumeRefusal(error)
    if (!isRefusal && !(error instanceof CorruptRecordError)) throw error
    process.stderr.write(`${command}: ${error.message}\n`)
    return isRefusal ? 2 : 1
  }
}

/** The volume is not to be opened: nothing is wrong with it. */
export function isVolumeRefusal(
  error: unknown,
): error is VolumeLockedError | VolumeFormatError | UnsupportedFileSystemError {
  return (
    error instanceof VolumeLockedError ||
    error instanceof VolumeFormatError ||
    error instanceof UnsupportedFileSystemError
  )
}

/** Resolves when the reader of stdout has taken the text, or is gone: lines never pile up in memory. */
export function printed(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve())
  })
}

/** null: a server has it. Through a mount for reading only LMDB could not tell the server what is being read: refused. */
async function lockUnlessServed(directory: string): Promise<FileLock | null> {
  try {
    return await lockServedVolume(directory)
  } catch (error) {
    if (error instanceof VolumeLockedError && (await takesWrites(directory))) return null
    throw error
  }
}

async function readLocked(
  directory: string,
  lockIt: (directory: string) => Promise<FileLock | null>,
  read: Read,
): Promise<number> {
  if (!(await hasVolume(directory))) throw new VolumeLockedError(`there is no volume in ${directory}`)
  const lock = await lockIt(directory)
  try {
    const volume = await openOfflineVolume(directory)
    try {
      await refuseNewerFormat(volume)
      return await read(volume)
    } finally {
      await volume.close()
    }
  } finally {
    await lock?.release()
  }
}

/** What else is wrong with its identity is for `read` to tell. */
async function refuseNewerFormat({ kv }: OfflineVolume): Promise<void> {
  try {
    await readVolume(kv)
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
  }
}
