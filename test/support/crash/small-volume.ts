/** A file system of its own for a server's data, small enough to fill: ext4 in an image. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, unmount } from './power-cut.ts'

export type SmallVolume = {
  readonly directory: string
  /** Others take room until so much is left. */
  readonly fill: (leftBytes: number) => void
  /** What `fill` took is free again. */
  readonly empty: () => void
  readonly remove: () => Promise<void>
}

/** Errors: no root, no loop devices. `inodeCount`: files and folders that fit on it; plenty if left out. */
export function prepareSmallVolume(options: {
  readonly sizeBytes: number
  readonly inodeCount?: number
}): SmallVolume {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-small-'))
  const image = join(directory, 'volume.img')
  const mounted = join(directory, 'volume')
  const filler = join(mounted, 'filler')
  const inodes = options.inodeCount === undefined ? [] : ['-N', String(options.inodeCount)]
  mkdirSync(mounted)
  run('truncate', ['-s', String(options.sizeBytes), image])
  // No blocks kept back for root, as which the server runs here.
  run('mkfs.ext4', ['-q', '-m', '0', ...inodes, image])
  run('mount', ['-o', 'loop', image, mounted])
  return {
    directory: join(mounted, 'data'),
    fill: (leftBytes) => {
      const { bavail, bsize } = statfsSync(mounted)
      run('fallocate', ['-l', String(bavail * bsize - leftBytes), filler])
    },
    empty: () => rmSync(filler),
    remove: async () => {
      await unmount(mounted)
      rmSync(directory, { recursive: true })
    },
  }
}
