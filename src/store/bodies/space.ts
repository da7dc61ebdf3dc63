/** Free space of the volume, and a file that can be given up when there is none. */
import { randomBytes } from 'node:crypto'
import { open, readdir, rename, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { limits } from '../../lib/limits.ts'
import { errorCode, isVolumeFull, pathExists, syncDirectory, unlinkIfThere } from '../../platform/files.ts'
import type { Space } from './contract.ts'

const writeBytes = 1024 ** 2

export async function freeSpace(directory: string): Promise<Space> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(directory)
  return {
    availableBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    availableFiles: files === 0 ? null : ffree,
  }
}

/** Whose ballast is being written: a part bears its name. */
export type BallastOwner = { readonly epoch: string; readonly worker: string }

/** True when the ballast is there. It is made only where it leaves at least as much free as it takes. */
export async function ensureBallast(directory: string, { epoch, worker }: BallastOwner): Promise<boolean> {
  const path = join(directory, 'ballast')
  await dropBallastParts(directory, epoch)
  if (await hasBallast(path)) return true
  const { availableBytes } = await freeSpace(directory)
  if (availableBytes < 2 * limits.ballastBytes) return false
  const part = `${path}.${epoch}-${worker}`
  try {
    await writeRandom(part)
    await rename(part, path)
    await syncDirectory(directory)
    return true
  } catch (error) {
    await unlinkIfThere(part)
    // Somebody else took the room meanwhile.
    if (isVolumeFull(error)) return false
    throw error
  }
}

export async function releaseBallast(directory: string): Promise<void> {
  const path = join(directory, 'ballast')
  if (!(await pathExists(path))) return
  await unlinkIfThere(path)
  await syncDirectory(directory)
}

/** What servers that were killed had begun; of `epoch` none, which runs. Its room is free when this resolves. */
export async function dropBallastParts(directory: string, epoch: string | null = null): Promise<void> {
  const names = await readdir(directory)
  const isAbandoned = (name: string) =>
    name.startsWith('ballast.') && (epoch === null || !name.startsWith(`ballast.${epoch}-`))
  const abandoned = names.filter(isAbandoned)
  for (const name of abandoned) await unlinkIfThere(join(directory, name))
  if (abandoned.length > 0) await syncDirectory(directory)
}

async function hasBallast(path: string): Promise<boolean> {
  try {
    return (await stat(path)).size === limits.ballastBytes
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

// Random bytes: a file system that compresses, or finds copies, would keep no room for zeros.
async function writeRandom(path: string): Promise<void> {
  const handle = await open(path, 'w', 0o600)
  try {
    for (let written = 0; written < limits.ballastBytes; written += writeBytes) {
      await handle.writeFile(randomBytes(writeBytes))
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}
