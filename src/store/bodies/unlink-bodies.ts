/**
 * Unlinks bodies of a volume that is opened for reading only, because it has no room for more. For who has the volume's lock alone;
 * what is nobody's, the caller knows.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { VolumeAwayError } from '../../lib/read-only.ts'
import { ifThere, unlinkIfThere } from '../../platform/files.ts'
import { shardOf } from './body-id.ts'
import type { Bodies } from './contract.ts'
import { DirectorySyncs } from './directory-syncs.ts'
import { beginRemovals } from './removals.ts'

export type UnlinkOptions = {
  readonly directory: string
  readonly isInPlace: () => boolean
  /** After each body, its size once it gave that up durably. */
  readonly onRemoved: (sizeBytes: number) => Promise<void>
}

/** Errors: those of the file system; VolumeAwayError. */
export function unlinkBodies({
  directory,
  isInPlace,
  onRemoved,
}: UnlinkOptions): Pick<Bodies, 'remove' | 'beginRemovals'> {
  const syncs = new DirectorySyncs()
  return {
    beginRemovals: () => beginRemovals(directory),
    remove: async (bodyId) => {
      const shard = join(directory, 'bodies', ...shardOf(bodyId))
      const path = join(shard, bodyId)
      const found = await ifThere(stat(path))
      if (found === null) return
      if (!isInPlace()) throw new VolumeAwayError()
      await unlinkIfThere(path)
      await syncs.sync(shard)
      // With a name in a stage too, its bytes wait for the recovery.
      if (found.nlink === 1) await onRemoved(found.size)
    },
  }
}
