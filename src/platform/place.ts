/**
 * The folder of a volume, held by a descriptor: what its path leads to may change while a server runs (unmounted, covered by
 * another mount, moved), and what is written must lie beside the rows that name it. See docs/decisions/0051-a-volume-that-takes-no-writes.md.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, statSync } from 'node:fs'

export type Place = {
  /** Leads to the folder that was opened, whatever is at its path by now; to be put before the names in it. */
  readonly root: string
  /** Of device and inode: the same for every process that opened this folder. */
  readonly identity: string
  /** `path`: the system does not show descriptors as files, so `root` is the path again. */
  readonly heldBy: 'descriptor' | 'path'
  /** False: another folder, or none, is at the path now. Synchronous: some microseconds, for a look before each write. */
  isInPlace(): boolean
  /** From here on `root` may lead anywhere. May be called again. */
  close(): void
}

/** `descriptors`: where the kernel shows them, for tests. Errors: those of opening a folder. */
export function openPlace(path: string, descriptors = '/proc/self/fd'): Place {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  const identity = textOf(fstatSync(descriptor, { bigint: true }))
  const through = `${descriptors}/${descriptor}`
  const isShown = identityAt(through) === identity
  let isOpen = true
  return {
    root: isShown ? through : path,
    identity,
    heldBy: isShown ? 'descriptor' : 'path',
    isInPlace: () => identityAt(path) === identity,
    close: () => {
      // Its number may be another file's by now.
      if (isOpen) closeSync(descriptor)
      isOpen = false
    },
  }
}

/** null: nothing is there that can be looked at. */
function identityAt(path: string): string | null {
  try {
    return textOf(statSync(path, { bigint: true }))
  } catch {
    return null
  }
}

function textOf({ dev, ino }: BigIntStats): string {
  return `${dev} ${ino}`
}
