/**
 * The bodies of a backup, or of a volume that is being restored: the same folders as a volume's own, filled by one
 * process while no server has them. A body gets its name when it is whole and on the disk, so what was broken off goes on.
 */
import { createHash } from 'node:crypto'
import { rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { limits } from '../../lib/limits.ts'
import { errorCode, makeDirectory, unlinkIfThere } from '../../platform/files.ts'
import { shardOf } from './body-id.ts'
import { BufferPool } from './buffer-pool.ts'
import { BodyCorruptError, type BodyReader, type BodyReference } from './contract.ts'
import { DirectorySyncs } from './directory-syncs.ts'
import { StageFile } from './stage-file.ts'

/** Errors: those of the file system, e.g. ENOSPC. */
export type BodyFolder = {
  /** Whether the body is there, with its size. */
  has(reference: BodyReference): Promise<boolean>
  /** Durable, under its name, when it resolves. Errors: BodyCorruptError for another SHA-256; those of reading. */
  write(body: BodyReference & { readonly sha256: string }, bytes: BodyReader): Promise<void>
  /** Of a body that no volume of this folder has any more. Durable when it resolves. */
  remove(bodyId: string): Promise<void>
}

/** `scratch`: an empty folder of the same file system. */
export function openBodyFolder(directory: string, scratch: string): BodyFolder {
  const pool = new BufferPool({ sizeBytes: limits.bodyWriteBytes, keptMax: limits.bodyBuffersKeptMax })
  const syncs = new DirectorySyncs()
  const shards = new Map<string, Promise<void>>()
  const pathOf = (bodyId: string) => join(directory, 'bodies', ...shardOf(bodyId), bodyId)
  return {
    async has({ bodyId, sizeBytes }) {
      try {
        return (await stat(pathOf(bodyId))).size === sizeBytes
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return false
        throw error
      }
    },
    async write({ bodyId, sha256 }, bytes) {
      const path = pathOf(bodyId)
      const shard = dirname(path)
      const made = shards.get(shard) ?? makeDirectory(shard)
      shards.set(shard, made)
      await made
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
