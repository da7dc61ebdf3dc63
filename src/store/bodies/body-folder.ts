/**
 * The bodies of a backup, or of a volume that is being restored: the same folders as a volume's own, filled by one
 * process while no server has them. A body gets its name when it is whole and on the disk, so what was broken off goes on.
 */
import { createHash } from 'node:crypto'
import { rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { limits } from '../../lib/limits.ts'
import { ifThere, makeDirectory, unlinkIfThere } from '../../platform/files.ts'
import { shardOf } from './body-id.ts'
import { BufferPool } from './buffer-pool.ts'
import { BodyCorruptError, type BodyReader, type BodyReference } from './contract.ts'
import { DirectorySyncs } from './directory-syncs.ts'
import { StageFile } from './stage-file.ts'

/** Errors: those of the file system, e.g. ENOSPC. */
export type BodyFolder = {
  /** Whether the body is there, with its size: its bytes are not looked at. When it is, its name is durable, whoever gave it. */
  has(reference: BodyReference): Promise<boolean>
  /** Durable, under its name, when it resolves. Errors: BodyCorruptError for another SHA-256; those of reading. */
  write(body: BodyReference & { readonly sha256: string }, bytes: BodyReader): Promise<void>
  /** Of a body that no volume of this folder has any more. Durable when it resolves. */
  remove(bodyId: string): Promise<void>
}

/** `scratch`: an empty folder of the same file system. */
export function openBodyFolder(directory: string, scratch: string): BodyFolder {
  const pool = new BufferPool(limits.bodyWriteBytes)
  const syncs = new DirectorySyncs()
  const settled = new Map<string, Promise<void>>()
  const once = (path: string, work: () => Promise<void>): Promise<void> => {
    const done = settled.get(path) ?? work()
    settled.set(path, done)
    return done
  }
  const bodies = join(directory, 'bodies')
  /** A copy that was broken off may have made any of these folders, and named bodies in them, and flushed no name. */
  const settle = async (shard: string): Promise<void> => {
    await makeDirectory(shard)
    for (const path of [directory, bodies, dirname(shard)]) await once(path, () => syncs.sync(path))
    await syncs.sync(shard)
  }
  const pathOf = (bodyId: string) => join(bodies, ...shardOf(bodyId), bodyId)
  return {
    async has({ bodyId, sizeBytes }) {
      const path = pathOf(bodyId)
      const isThere = (await sizeOf(path)) === sizeBytes
      if (isThere) await once(dirname(path), () => settle(dirname(path)))
      return isThere
    },
    async write({ bodyId, sha256 }, bytes) {
      const path = pathOf(bodyId)
      const shard = dirname(path)
      await once(shard, () => settle(shard))
      const file = await StageFile.create(join(scratch, bodyId), pool)
      try {
        await fill(file, bytes, { bodyId, sha256 })
      } catch (error) {
        await unlinkIfThere(file.path)
        throw error
      }
      await rename(file.path, path)
      await syncs.sync(shard)
    },
    async remove(bodyId) {
      const path = pathOf(bodyId)
      await unlinkIfThere(path)
      await syncs.sync(dirname(path))
    },
  }
}

/** null: there is no such file. */
async function sizeOf(path: string): Promise<number | null> {
  return (await ifThere(stat(path)))?.size ?? null
}

async function fill(
  file: StageFile,
  bytes: BodyReader,
  { bodyId, sha256 }: { readonly bodyId: string; readonly sha256: string },
): Promise<void> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of bytes) {
      hash.update(chunk)
      await file.add(chunk)
      bytes.recycle(chunk)
    }
    if (hash.digest('hex') !== sha256) throw new BodyCorruptError(`body ${bodyId} has another SHA-256`)
    await file.end()
    await file.flush()
  } finally {
    await file.close()
  }
}
