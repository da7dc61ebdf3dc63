/** What must be true of the directory before LMDB maps files in it. */
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileWhole, fileSystemKind, makeDirectory, pathExists } from '../../../platform/files.ts'
import { UnsupportedFileSystemError } from '../contract.ts'
import { readersMax } from './environment.ts'
import { demandWholeFile } from './whole-file.ts'

/**
 * Shared maps and locks of the file are not coherent, or not honoured, on these: two writers could both
 * win. FUSE, and what the kernel serves as FUSE (virtiofs, ntfs-3g): a daemon that has no flush is one that has flushed, says the
 * kernel, and maps, hard links and locks are whatever the daemon makes of them.
 */
const refusedFileSystems = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB 2'],
  [0x00c36400, 'CephFS'],
  [0x01021997, '9p'],
  [0x5346414f, 'AFS'],
  [0x73757245, 'Coda'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x7461636f, 'OCFS2'],
  [0x786f4256, 'VirtualBox shared folders'],
  [0xbacbacbc, 'VMware shared folders'],
  [0x65735546, 'FUSE'],
])

/** Throws UnsupportedFileSystemError for a statfs(2) type on which a shared store would lose data. */
export function assertSupportedFileSystem(kind: number, directory: string): void {
  const name = refusedFileSystems.get(kind)
  if (name === undefined) return
  throw new UnsupportedFileSystemError(
    `${directory} is on ${name}: the store needs a volume that is mounted as a block device ` +
      '(ext4, XFS, ZFS, Btrfs), because file systems of a network or of a user process do not promise memory maps, locks and flushes. ' +
      'Name a folder on such a volume; what lies here already can be copied there with cp -a while nothing uses it',
  )
}

/** Makes the directory, checks its file system and the store's file, if there is one, and allocates the lock file. */
export async function prepareDirectory(directory: string, access: 'readWrite' | 'readOnly'): Promise<void> {
  if (access === 'readWrite') await makeDirectory(directory)
  // Told by its own name: it may be given by a descriptor of what is above it.
  assertSupportedFileSystem(await fileSystemKind(directory), await realpath(directory))
  await demandWholeFile(join(directory, 'data.mdb'), access)
  if (access === 'readWrite') await allocateLockFile(directory)
}

/**
 * LMDB makes its lock file sparse and writes to it through a map: on a full disk the first use of a new
 * reader slot
 * would end the process with SIGBUS. A file of zeros that is already there is initialised in place.
 */
async function allocateLockFile(directory: string): Promise<void> {
  const path = join(directory, 'lock.mdb')
  if (await pathExists(path)) return
  await createFileWhole(path, new Uint8Array((readersMax + 2) * 64))
}
