/**
 * A volume whose power can be cut: ext4 in an image that lies on XFS with shared blocks. A clone of the image is one moment
 * of the disk: what the server wrote and never flushed is still in the page cache, so not in it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './processes.ts'

export type PowerCutVolume = {
  /** For a server's data; it stays the same over every cut. */
  readonly directory: string
  /** The moment of the cut. Blocks this process, so that nobody hears an answer during it. */
  readonly cut: () => void
  /** Once no process uses the volume: the disk as the cut left it takes its place. */
  readonly restore: () => Promise<void>
  readonly remove: () => Promise<void>
}

/** Sparse; large enough that the server takes new data. */
const imageBytes = 6 * 1024 ** 3
const hostBytes = 16 * 1024 ** 3
export type CutFileSystem = 'ext4' | 'xfs'

/**
 * ext4: names reach the disk by flushes alone, not because it commits its journal every few seconds; but the flush of any folder
 * takes along the names in all others. xfs: a flush of a folder is one of that folder; its log is written every half minute.
 */
const mountOptions: Readonly<Record<CutFileSystem, string>> = { ext4: 'loop,commit=600', xfs: 'loop,nouuid' }
const makeFileSystem: Readonly<Record<CutFileSystem, readonly [string, readonly string[]]>> = {
  ext4: ['mkfs.ext4', ['-q', '-E', 'lazy_itable_init=1,lazy_journal_init=1']],
  xfs: ['mkfs.xfs', ['-q']],
}

/** Errors: what is missing on this machine: root, loop devices, xfsprogs, e2fsprogs. */
export async function preparePowerCutVolume(fileSystem: CutFileSystem = 'ext4'): Promise<PowerCutVolume> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-power-'))
  const host = join(directory, 'host')
  const mounted = join(directory, 'volume')
  const hostImage = join(directory, 'host.img')
  const image = join(host, 'volume.img')
  const clone = join(host, 'clone.img')
  mkdirSync(host)
  mkdirSync(mounted)
  run('truncate', ['-s', String(hostBytes), hostImage])
  run('mkfs.xfs', ['-q', '-m', 'reflink=1', hostImage])
  run('mount', ['-o', 'loop', hostImage, host])
  run('truncate', ['-s', String(imageBytes), image])
  const [make, options] = makeFileSystem[fileSystem]
  run(make, [...options, image])
  const mount = () => run('mount', ['-o', mountOptions[fileSystem], image, mounted])
  mount()
  return {
    directory: join(mounted, 'data'),
    cut: () => run('cp', ['--reflink=always', image, clone]),
    restore: async () => {
      await unmount(mounted)
      renameSync(clone, image)
      mount()
    },
    remove: async () => {
      await unmount(mounted)
      await unmount(host)
      rmSync(directory, { recursive: true })
    },
  }
}

export function run(command: string, parameters: readonly string[]): void {
  execFileSync(command, parameters, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Waits for killed processes to let go of it. */
export function unmount(path: string): Promise<void> {
  return until(`${path} is unmounted`, () => spawnSync('umount', [path], { stdio: 'ignore' }).status === 0)
}
