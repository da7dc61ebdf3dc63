/** A file system of its own for a server's data, small enough to fill: ext4 in an image. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { run, unmount } from './power-cut.ts'

export type SmallVolume = {
  readonly directory: string
  /** Others take room until so much is left; more of it when called again. */
  readonly fill: (leftBytes: number) => void
  /** Others take room until nothing is left. */
  readonly fillWhole: () => void
  /** Others take all inodes. */
  readonly takeInodes: () => void
  /** What others took is free again. */
  readonly empty: () => void
  /** The kernel is told of an error: from now on the file system takes no writes. */
  readonly turnReadOnly: () => void
  /** Once no process uses it: checked, repaired and mounted again. */
  readonly mend: () => Promise<void>
  readonly remove: () => Promise<void>
}

/** To the last block, which `fallocate` would need some of for itself. */
function writeUntilFull(path: string): void {
  const block = Buffer.alloc(4096, 1)
  const descriptor = openSync(path, 'a')
  try {
    for (;;) writeSync(descriptor, block)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Errors: no root, no loop devices. `inodeCount`: files and folders that fit on it; plenty if left out. */
export function prepareSmallVolume(options: {
  readonly sizeBytes: number
  readonly inodeCount?: number
}): SmallVolume {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-small-'))
  const image = join(directory, 'volume.img')
  const mounted = join(directory, 'volume')
  const others = join(mounted, 'others')
  const filler = join(others, 'filler')
  const inodes = options.inodeCount === undefined ? [] : ['-N', String(options.inodeCount)]
  mkdirSync(mounted)
  run('truncate', ['-s', String(options.sizeBytes), image])
  // No blocks kept back for root, as which the server runs here.
  run('mkfs.ext4', ['-q', '-m', '0', ...inodes, image])
  const mount = () => run('mount', ['-o', 'loop,errors=remount-ro', image, mounted])
  mount()
  const fill = (leftBytes: number): void => {
    const { bavail, bsize } = statfsSync(mounted)
    const moreBytes = bavail * bsize - leftBytes
    if (moreBytes <= 0) return
    mkdirSync(others, { recursive: true })
    const { size = 0 } = statSync(filler, { throwIfNoEntry: false }) ?? {}
    run('fallocate', ['-l', String(size + moreBytes), filler])
  }
  return {
    directory: join(mounted, 'data'),
    fill,
    fillWhole: () => {
      fill(1024 ** 2)
      writeUntilFull(join(others, 'rest'))
    },
    takeInodes: () => {
      mkdirSync(others)
      for (let index = 0; statfsSync(others).ffree > 0; index += 1) mkdirSync(join(others, String(index)))
    },
    empty: () => rmSync(others, { recursive: true }),
    turnReadOnly: () => {
      const device = execFileSync('findmnt', ['-no', 'SOURCE', mounted], { encoding: 'utf8' })
      writeFileSync(`/sys/fs/ext4/${basename(device.trim())}/trigger_fs_error`, 'a test')
    },
    mend: async () => {
      await unmount(mounted)
      // 1: errors were corrected.
      const { status } = spawnSync('e2fsck', ['-f', '-y', image], { stdio: 'ignore' })
      if (status !== 0 && status !== 1) throw new Error(`e2fsck ended with ${status}`)
      mount()
    },
    remove: async () => {
      await unmount(mounted)
      rmSync(directory, { recursive: true })
    },
  }
}
