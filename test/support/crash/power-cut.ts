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
/** Names reach the disk by flushes alone, not because ext4 commits its journal every few seconds. */
const mountOptions = 'loop,commit=600'

/** Errors: what is missing on this machine: root, loop devices, xfsprogs, e2fsprogs. */
export async function preparePowerCutVolume(): Promise<PowerCutVolume> {
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
  run('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=1,lazy_journal_init=1', image])
  run('mount', ['-o', mountOptions, image, mounted])
  return {
    directory: join(mounted, 'data'),
    cut: () => run('cp', ['--reflink=always', image, clone]),
    restore: async () => {
      await unmount(mounted)
      renameSync(clone, image)
      run('mount', ['-o', mountOptions, image, mounted])
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
