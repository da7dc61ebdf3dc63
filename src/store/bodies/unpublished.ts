/**
 * Bodies that were staged and never published: files with no name but that in their stage. No row names them, for one is committed only after
 * the second name. Where they fill the volume there is no room to begin an epoch, and so none to recover: they go before it.
 */
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, syncDirectory, unlinkIfThere } from '../../platform/files.ts'
import { isBodyId } from './body-id.ts'

export type UnpublishedOptions = {
  readonly directory: string
  readonly isInPlace: () => boolean
  /** What is, stays, however many names it has. */
  readonly isReferenced: (bodyId: string) => Promise<boolean>
}

/**
 * Of all stages: the caller holds the volume's lock alone, and no epoch runs. A worker that outlived its server finds nothing to
 * publish. Returns how many bytes went, durably. Errors: those of the file system.
 */
export async function removeUnpublished({
  directory,
  isInPlace,
  isReferenced,
}: UnpublishedOptions): Promise<number> {
  let removedBytes = 0
  for await (const stage of stagesIn(join(directory, 'stage'))) {
    for await (const { name } of await opendir(stage)) {
      if (!isBodyId(name) || !isInPlace() || (await isReferenced(name))) continue
      const path = join(stage, name)
      const { nlink, size } = await stat(path)
      if (nlink !== 1) continue
      await unlinkIfThere(path)
      removedBytes += size
    }
    // The room of a name that went may be free only when that is durable.
    await syncDirectory(stage)
  }
  return removedBytes
}

async function* stagesIn(path: string): AsyncGenerator<string> {
  try {
    for await (const entry of await opendir(path)) if (entry.isDirectory()) yield join(path, entry.name)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}
