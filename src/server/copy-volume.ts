/**
 * Backups and restored volumes: both are a volume's two engines in a folder of their own. Bodies come first, the metadata
 * take their place last and in one step; what was broken off is begun again and keeps the bodies that are there.
 */
import { readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { createFileWhole, makeDirectory, pathExists, removeFolder, syncNameOf } from '../platform/files.ts'
import { lockServedVolume, lockVolume } from '../platform/volume-lock.ts'
import { openBodyFolder } from '../store/bodies/body-folder.ts'
import { inspectBodies } from '../store/bodies/inspect.ts'
import { type CopiedBodies, copyBodies, dropUnnamed, type HeldCheck } from '../store/copy-bodies.ts'
import type { KeyValue } from '../store/kv/contract.ts'
import { copyLmdb, keepLmdb, moveLmdb } from '../store/kv/lmdb/copy.ts'
import { openLmdb } from '../store/kv/lmdb/lmdb.ts'
import { readVolume } from '../store/volume.ts'
import { continuesBackup, markBackup, readVolumeCopy, type VolumeCopy } from '../store/volume-copy.ts'
import { hasVolume, kvDirectory } from './open-volume.ts'

/** Why nothing was copied: a sentence for the person who asked. */
export class CopyRefusedError extends Error {
  override readonly name = 'CopyRefusedError'
}

export type Folders = {
  readonly from: string
  readonly to: string
  readonly onProblem: (sentence: string) => void
}

export type BackupParts = Folders & {
  /** What is done to bodies that the backup has already. */
  readonly check: 'sizes' | 'checksums'
  /** Told of what was damaged in the backup, and is replaced by what the volume has. */
  readonly onMended: (sentence: string) => void
}

export type MadeCopy = CopiedBodies & Backup
export type MadeBackup = MadeCopy & { readonly droppedCount: number; readonly keptMetadata: string | null }

/**
 * Copies the volume in `from`, which a server may be writing to, to `to`: an empty folder, or an older backup of the same
 * volume, of which only new bodies are copied; with `checksums` all bytes of both are read, and what is damaged in the backup is
 * replaced where the volume has it whole. Until the metadata are replaced the older backup stays whole; where the volume
 * is damaged, what is replaced stays beside it, in `keptMetadata`, until a whole backup is made. Errors:
 * CopyRefusedError, VolumeLockedError, VolumeFormatError, CorruptRecordError, those of the file systems.
 */
export async function backupVolume(
  { from, to, check, onProblem, onMended }: BackupParts,
  clock: Clock,
): Promise<MadeBackup> {
  if (!(await hasVolume(from))) throw new CopyRefusedError(`there is no volume in ${from}`)
  return inFolder({ from, to }, async (scratch) => {
    const previous = await readBackup(to)
    const source = inspectBodies(from)
    const target = openBodyFolder(to, scratch)
    const scratchKv = join(scratch, 'kv')
    const heldCheck: HeldCheck =
      check === 'sizes' ? { kind: check } : { kind: check, held: inspectBodies(to), onMended }
    const hold = await source.hold()
    if (hold === null)
      throw new CopyRefusedError(
        `another backup of ${from} runs, or bodies are being removed: try again later`,
      )
    let made: MadeCopy
    try {
      await copyLmdb(kvDirectory(from), scratchKv)
      made = await withStore({ directory: scratchKv, readOnly: false }, async (kv) => {
        await admit(kv, { from, to, previous })
        const { volumeId } = await readVolume(kv)
        const copy = await markBackup(kv, clock.wallMs())
        const counts = await copyBodies({ reader: kv, source, target, check: heldCheck, onProblem })
        return { ...counts, volumeId, copy }
      })
    } finally {
      await hold.release()
    }
    const kept = join(to, 'kept')
    const isWhole = made.problemCount === 0
    if (!isWhole && previous !== null) await keepLmdb(kvDirectory(to), kept)
    await moveLmdb(scratchKv, kvDirectory(to))
    // What a damaged row names is not known: then everything stays, and so do the rows that were replaced first.
    if (!isWhole) return { ...made, droppedCount: 0, keptMetadata: (await pathExists(kept)) ? kept : null }
    await removeFolder(kept)
    const droppedCount = await withStore({ directory: kvDirectory(to), readOnly: true }, (kv) =>
      dropUnnamed({ reader: kv, backup: inspectBodies(to), target, onProblem }),
    )
    return { ...made, droppedCount, keptMetadata: null }
  })
}

export type RestoreParts = Folders & {
  /** Makes the copied metadata those of a restored volume; nothing is in its place before this resolved. */
  readonly prepare: (kv: KeyValue, backup: Backup) => Promise<void>
}

/**
 * Makes a volume in `to`, which has none, of the backup in `from`. Broken off, it goes on when it is asked for again with
 * the same backup. Errors: as backupVolume; what `prepare` throws.
 */
export async function restoreVolume({ from, to, prepare, onProblem }: RestoreParts): Promise<MadeCopy> {
  if (!(await hasVolume(from))) throw new CopyRefusedError(`there is no finished backup in ${from}`)
  const lock = await lockServedVolume(from)
  try {
    return await inFolder({ from, to }, async (scratch) => {
      const backup = await readBackup(from)
      assert(backup !== null, 'a folder with a volume has a backup or is refused')
      if (await hasVolume(to))
        throw new CopyRefusedError(`there is a volume in ${to} already: a restore never replaces one`)
      await claim(to, `restore of ${backup.volumeId} ${backup.copy.auditHash}\n`)
      const scratchKv = join(scratch, 'kv')
      await copyLmdb(kvDirectory(from), scratchKv)
      const made = await withStore({ directory: scratchKv, readOnly: false }, async (kv) => {
        const target = openBodyFolder(to, scratch)
        await prepare(kv, backup)
        const source = inspectBodies(from)
        const counts = await copyBodies({ reader: kv, source, target, check: { kind: 'sizes' }, onProblem })
        return { ...counts, ...backup }
      })
      await moveLmdb(scratchKv, kvDirectory(to))
      return made
    })
  } finally {
    await lock.release()
  }
}

/** Alone in `to`, with an empty scratch folder that is gone afterwards, as is the claim: something was finished. */
async function inFolder<Made>(
  { from, to }: Pick<Folders, 'from' | 'to'>,
  work: (scratch: string) => Promise<Made>,
): Promise<Made> {
  const lock = await lockVolume(to)
  try {
    if ((await realpath(from)) === (await realpath(to)))
      throw new CopyRefusedError(`${to} is the folder that is to be copied: choose another one`)
    await syncNameOf(to)
    const scratch = join(to, 'copying')
    if (!(await pathExists(claimPath(to))) && !(await hasVolume(to)) && !(await isScratch(scratch)))
      throw new CopyRefusedError(`${scratch} is not what a copy left: choose an empty folder`)
    await removeFolder(scratch)
    await makeDirectory(scratch)
    try {
      const made = await work(scratch)
      await removeFolder(claimPath(to))
      return made
    } finally {
      await removeFolder(scratch)
    }
  } finally {
    await lock.release()
  }
}

/** Before it is claimed a folder has at most the copy of the metadata. */
async function isScratch(path: string): Promise<boolean> {
  return !(await pathExists(path)) || (await readdir(path)).every((name) => name === 'kv')
}

/** A folder without metadata may have the bodies of a copy that was broken off: of this one, or of something else. */
async function claim(to: string, text: string): Promise<void> {
  const path = claimPath(to)
  if (!(await pathExists(path)) && (await pathExists(join(to, 'bodies'))))
    throw new CopyRefusedError(`${to} has bodies but no volume: choose an empty folder`)
  await createFileWhole(path, Buffer.from(text))
  if ((await readFile(path, 'utf8')) !== text)
    throw new CopyRefusedError(`${to} has what is left of another copy: empty it, or choose another folder`)
}

function claimPath(to: string): string {
  return join(to, 'copying.txt')
}

export type Backup = { readonly volumeId: string; readonly copy: VolumeCopy }

/** null: there is none, or it was never finished. */
async function readBackup(directory: string): Promise<Backup | null> {
  if (!(await hasVolume(directory))) return null
  return withStore({ directory: kvDirectory(directory), readOnly: true }, async (kv) => {
    const copy = await readVolumeCopy(kv)
    if (copy?.kind !== 'backup') throw new CopyRefusedError(`the volume in ${directory} is not a backup`)
    return { volumeId: (await readVolume(kv)).volumeId, copy }
  })
}

type Admission = Pick<Folders, 'from' | 'to'> & { readonly previous: Backup | null }

/** Of another volume, or of this one as it was before, no backup replaces the one that is there. */
async function admit(kv: KeyValue, { from, to, previous }: Admission): Promise<void> {
  const { volumeId } = await readVolume(kv)
  if ((await readVolumeCopy(kv))?.kind === 'backup')
    throw new CopyRefusedError(`${from} is itself a backup: copy the folder, while no backup writes to it`)
  if (previous === null) return claim(to, `backup of ${volumeId}\n`)
  if (previous.volumeId !== volumeId)
    throw new CopyRefusedError(
      `${to} has a backup of another volume, ${previous.volumeId}: choose another folder`,
    )
  if (await continuesBackup(kv, previous.copy)) return
  throw new CopyRefusedError(
    `the backup in ${to} has audit record ${previous.copy.auditSequence}, which ${from} does not have: the volume is an ` +
      'older or another state of it. Choose another folder, and keep this one',
  )
}

type StorePlace = { readonly directory: string; readonly readOnly: boolean }

async function withStore<Answer>(
  place: StorePlace,
  work: (kv: KeyValue) => Promise<Answer>,
): Promise<Answer> {
  const kv = await openLmdb(place)
  try {
    return await work(kv)
  } finally {
    await kv.close()
  }
}
