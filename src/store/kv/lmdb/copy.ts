/** A store as one file that can be put elsewhere: how backups are made, also of a store that is being written to. */
import { link, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  errorCode,
  makeDirectory,
  namingFolder,
  removeEmptyFolder,
  syncDirectory,
  syncFile,
  unlinkIfThere,
} from '../../../platform/files.ts'
import { prepareDirectory } from './directory.ts'
import { copyEnvironment } from './environment.ts'

const fileName = 'data.mdb'

/**
 * A copy of one state of the store `from`, in the folder `to`, which has no store. Durable when it resolves. Errors: also
 * FolderFailedError, of the folder whose disk it was.
 */
export async function copyLmdb(from: string, to: string): Promise<void> {
  await namingFolder(from, () => prepareDirectory(from, 'readOnly'))
  await namingFolder(to, () => makeDirectory(to))
  await namingFolder(from, () => copyEnvironment(from, to))
  await namingFolder(to, async () => {
    await syncFile(join(to, fileName))
    await syncDirectory(to)
  })
}

/** What `moveLmdb` is about to replace in `from` stays in `to` as well, unless something stays there already. Durable. */
export async function keepLmdb(from: string, to: string): Promise<void> {
  await makeDirectory(to)
  try {
    await link(join(from, fileName), join(to, fileName))
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
  await syncNames(to)
}

/** Removes the store and its folder, unless something else is in there. */
export async function dropLmdb(directory: string): Promise<void> {
  for (const name of [fileName, 'lock.mdb']) await unlinkIfThere(join(directory, name))
  await removeEmptyFolder(directory)
}

/** The closed store `from` takes the place of `to`, in one step, durably. Nobody has either of them open. */
export async function moveLmdb(from: string, to: string): Promise<void> {
  await prepareDirectory(to, 'readWrite')
  await syncFile(join(from, fileName))
  await rename(join(from, fileName), join(to, fileName))
  await syncNames(to)
}

/** Those in the folder and its own: a copy that was broken off may have made it and not flushed that. */
async function syncNames(directory: string): Promise<void> {
  await syncDirectory(directory)
  await syncDirectory(dirname(directory))
}
