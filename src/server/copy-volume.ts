/**
 * Backups and restored volumes: both are a volume's two engines in a folder of their own. Bodies come first, the metadata
 * take their place last and in one step; what was broken off is begun again and keeps the bodies that are there.
 */
import { join } from 'node:path'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import {
  createFileWhole,
  FolderFailedError,
  makeDirectory,
  namingFolder,
  pathExists,
  removeFolder,
  syncNameOf,
  unlinkIfThere,
} from '../platform/files.ts'
import { lockServedVolume, lockVolume } from '../platform/volume-lock.ts'
import { type ChainBreak, hasOtherRecord } from '../store/audit-chain.ts'
import { openBodyFolder } from '../store/bodies/body-folder.ts'
import { inspectBodies } from '../store/bodies/inspect.ts'
import { type CopiedBodies, copyBodies, dropUnnamed, type HeldCheck } from '../store/copy-bodies.ts'
import { type FormatStep, formatSteps } from '../store/format-steps.ts'
import { type KeyValue, StoreFailedError } from '../store/kv/contract.ts'
import { copyLmdb, dropLmdb, keepLmdb, moveLmdb } from '../store/kv/lmdb/copy.ts'
import { openLmdb } from '../store/kv/lmdb/lmdb.ts'
import { chainProblems, copiedRowProblems } from '../store/once-rows.ts'
import { upgradeVolume } from '../store/upgrade-volume.ts'
import { unlessDamaged } from '../store/verify-content.ts'
import { readVolume } from '../store/volume.ts'
import { continuesBackup, markBackup, readVolumeCopy, type VolumeCopy } from '../store/volume-copy.ts'
import {
  brokenClaims,
  CopyRefusedError,
  type CopyTarget,
  claimPath,
  demandApart,
  demandOurs,
  demandOursUnlocked,
  hasClaimAlone,
  UnprovenCopyError,
} from './copy-target.ts'
import { hasVolume, kvDirectory } from './open-volume.ts'

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
/** `problemCount`: of the backup that they are of; null: not known. */
export type KeptMetadata = { readonly path: string; readonly problemCount: number | null }
export type MadeBackup = MadeCopy & {
  readonly droppedCount: number
  readonly keptMetadata: KeptMetadata | null
}

/**
 * Copies the volume in `from`, which a server may be writing to, to `to`: an empty folder, or an older backup of the same
 * volume, of which only new bodies are copied; with `checksums` all bytes of both are read, and what is damaged in the backup is
 * replaced where the volume has it whole. Until the metadata are replaced the older backup stays whole; where the volume
 * is damaged, what is replaced stays beside it, in `keptMetadata`, until a whole backup is made. Errors:
 * CopyRefusedError, VolumeLockedError, VolumeFormatError, CorruptRecordError, BodyUnavailableError, and those of the file systems, of the
 * copy's own as FolderFailedError.
 */
export async function backupVolume(
  { from, to, check, onProblem, onMended }: BackupParts,
  clock: Clock,
): Promise<MadeBackup> {
  if (!(await hasVolume(from))) throw new CopyRefusedError(`there is no volume in ${from}`)
  await demandApart(from, to)
  const source = inspectBodies(from)
  const hold = await source.hold()
  if (hold === null)
    throw new CopyRefusedError(`another backup of ${from} runs, or bodies are being removed: try again later`)
  try {
    const volumeId = await idToBackUp(from)
    const admitFinished = async (): Promise<void> => admitOlder(await readBackup(to), { to, volumeId })
    const target = { to, claim: `backup of ${volumeId}\n`, admitFinished }
    return await inFolder(target, async (scratch) => {
      const previous = await readBackup(to)
      const folder = openBodyFolder(to, scratch)
      const scratchKv = join(scratch, 'kv')
      const heldCheck: HeldCheck =
        check === 'sizes' ? { kind: check } : { kind: check, held: inspectBodies(to), onMended }
      const backupMs = clock.wallMs()
      const kept = join(to, 'kept')
      await copyLmdb(kvDirectory(from), scratchKv)
      const { made, isWhole } = await withStore({ directory: scratchKv, readOnly: false }, async (kv) => {
        await demandContinued(kv, { from, to, previous })
        const counts = await copyBodies({ reader: kv, source, target: folder, check: heldCheck, onProblem })
        await hold.release()
        const rows = await rowDamage(
          kv,
          onProblem,
          previous === null ? null : { kept, older: kvDirectory(to) },
        )
        const problemCount = counts.problemCount + rows.problemCount
        const copy = await markBackup(kv, { backupMs, problemCount })
        return {
          made: { ...counts, problemCount, volumeId, copy },
          isWhole: problemCount === rows.lastingCount,
        }
      })
      if (!isWhole && previous !== null) await keepLmdb(kvDirectory(to), kept)
      await moveLmdb(scratchKv, kvDirectory(to))
      // What a damaged row names is not known: then everything stays, and so do the rows that were replaced first.
      if (!isWhole) return { ...made, droppedCount: 0, keptMetadata: await keptIn(kept) }
      await dropLmdb(kept)
      const droppedCount = await withStore({ directory: kvDirectory(to), readOnly: true }, (kv) =>
        dropUnnamed({ reader: kv, backup: inspectBodies(to), target: folder, onProblem }),
      )
      return { ...made, droppedCount, keptMetadata: null }
    })
  } finally {
    await hold.release()
  }
}

/** What nobody reads until somebody needs it may be damaged itself: then nothing is known of it. */
async function keptIn(path: string): Promise<KeptMetadata | null> {
  if (!(await pathExists(path))) return null
  const copy = await unlessDamaged(() => withStore({ directory: path, readOnly: true }, readVolumeCopy))
  return { path, problemCount: copy.kind === 'whole' ? (copy.value?.problemCount ?? null) : null }
}

export type RestoreParts = Folders & {
  /** Makes the copied metadata those of a restored volume; nothing is in its place before this resolved. */
  readonly prepare: (kv: KeyValue, backup: Backup) => Promise<void>
  /** Of formats; left out: this release's. */
  readonly steps?: readonly FormatStep[]
}

/**
 * Makes a volume in `to`, which has none, of the backup in `from`. Broken off, it goes on when it is asked for again with
 * the same backup. Errors: as backupVolume; UnprovenCopyError; what `prepare` throws.
 */
export async function restoreVolume(parts: RestoreParts): Promise<MadeCopy> {
  const { from, to, prepare, onProblem, steps = formatSteps } = parts
  if (!(await hasVolume(from))) throw new CopyRefusedError(`there is no finished backup in ${from}`)
  await demandApart(from, to)
  const lock = await lockServedVolume(from)
  try {
    const backup = await readBackup(from)
    assert(backup !== null, 'a folder with a volume has a backup or is refused')
    const admitFinished = async (): Promise<void> => {
      throw new CopyRefusedError(`there is a volume in ${to} already: a restore never replaces one`)
    }
    if (await hasVolume(to)) await admitFinished()
    const claim = `restore of ${backup.volumeId} ${backup.copy.auditHash}\n`
    return await inFolder({ to, claim, admitFinished }, async (scratch) => {
      const scratchKv = join(scratch, 'kv')
      await copyLmdb(kvDirectory(from), scratchKv)
      const made = await withStore({ directory: scratchKv, readOnly: false }, async (kv) => {
        const target = openBodyFolder(to, scratch)
        const rows = await rowDamage(kv, onProblem, null)
        // What is written from here on has this release's form: a release that does not know it must not open the volume.
        await upgradeVolume(kv, { steps, log: silentLog })
        await prepare(kv, backup)
        const source = inspectBodies(from)
        const counts = await copyBodies({ reader: kv, source, target, check: { kind: 'sizes' }, onProblem })
        return { ...counts, ...backup, problemCount: counts.problemCount + rows.problemCount }
      })
      await moveLmdb(scratchKv, kvDirectory(to)).catch(async (error: unknown) => {
        throw (await hasVolume(to)) ? unproven(to, error) : error
      })
      return made
    })
  } finally {
    await lock.release()
  }
}

/** No other restore may take its place: a server may have been started on it meanwhile. */
function unproven(to: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : 'no reason'
  return new UnprovenCopyError(
    `the volume is in ${to}, but its name could not be flushed (${reason}): a power cut may take it away. Empty the folder and ` +
      'restore it again',
    { cause },
  )
}

type RowDamage = {
  problemCount: number
  /** Of those, the breaks of the audit chain that no older backup is without: a chain is never mended, so nothing waits for it. */
  lastingCount: number
}

/** Tells what is damaged of the copied rows that name no bodies. Older backups: the metadata that are replaced, and those kept. */
async function rowDamage(
  kv: KeyValue,
  onProblem: (sentence: string) => void,
  backups: { readonly kept: string; readonly older: string } | null,
): Promise<RowDamage> {
  const damage = { problemCount: 0, lastingCount: 0 }
  for await (const sentence of copiedRowProblems(kv)) {
    damage.problemCount += 1
    onProblem(sentence)
  }
  for await (const { sentence, found } of chainProblems(kv)) {
    damage.problemCount += 1
    onProblem(sentence)
    if (found !== null && !(await isBetterIn(backups, kv, found))) damage.lastingCount += 1
  }
  return damage
}

async function isBetterIn(
  backups: { readonly kept: string; readonly older: string } | null,
  kv: KeyValue,
  { sequence }: ChainBreak,
): Promise<boolean> {
  if (backups === null) return false
  const directory = (await pathExists(backups.kept)) ? backups.kept : backups.older
  return withStore({ directory, readOnly: true }, (older) => hasOtherRecord(older, kv, sequence))
}

/**
 * Alone in the folder, which is looked at before it is touched, with an empty scratch folder. That is gone afterwards, as is the
 * claim once something was finished, or where nothing else was made. Errors: what `work` throws; FolderFailedError of the folder's disk.
 */
async function inFolder<Made>(target: CopyTarget, work: (scratch: string) => Promise<Made>): Promise<Made> {
  const { to, claim } = target
  return namingFolder(to, async () => {
    await demandOursUnlocked(target)
    const lock = await lockVolume(to)
    try {
      // Somebody may have been here before the lock was ours.
      const found = await demandOurs(target)
      await syncNameOf(to)
      for (const path of await brokenClaims(to)) await unlinkIfThere(path)
      if (found === 'unfinished') await createFileWhole(claimPath(to), Buffer.from(claim))
      return await inScratch(to, work)
    } finally {
      await lock.release()
    }
  })
}

async function inScratch<Made>(to: string, work: (scratch: string) => Promise<Made>): Promise<Made> {
  const scratch = join(to, 'copying')
  try {
    await removeFolder(scratch)
    await makeDirectory(scratch)
    const made = await work(scratch)
    await unlinkIfThere(claimPath(to))
    await removeFolder(scratch)
    return made
  } catch (error) {
    // Of a disk that takes nothing any more the first error is the one to tell; what stays is begun again.
    await leave(to, scratch).catch(() => {})
    throw error
  }
}

async function leave(to: string, scratch: string): Promise<void> {
  await removeFolder(scratch)
  if (await hasClaimAlone(to)) await unlinkIfThere(claimPath(to))
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

async function idToBackUp(from: string): Promise<string> {
  return withStore({ directory: kvDirectory(from), readOnly: true }, async (kv) => {
    const copy = await readVolumeCopy(kv)
    if (copy?.kind === 'backup')
      throw new CopyRefusedError(`${from} is itself a backup: copy the folder, while no backup writes to it`)
    // It would take the place of the backup that it was made of, and the volume itself would then be refused as another one.
    if (copy?.kind === 'restored')
      throw new CopyRefusedError(
        `the volume in ${from} was restored from a backup, and root has not accepted it: keep that backup, or accept the ` +
          'volume first (holdfast admin accept-restore)',
      )
    return (await readVolume(kv)).volumeId
  })
}

function admitOlder(
  previous: Backup | null,
  { to, volumeId }: { readonly to: string; readonly volumeId: string },
): void {
  if (previous === null || previous.volumeId === volumeId) return
  throw new CopyRefusedError(
    `${to} has a backup of another volume, ${previous.volumeId}: choose another folder`,
  )
}

type Continuation = Pick<Folders, 'from' | 'to'> & { readonly previous: Backup | null }

/** Of this volume as it was before, no backup replaces the one that is there. */
async function demandContinued(kv: KeyValue, { from, to, previous }: Continuation): Promise<void> {
  if (previous === null || (await continuesBackup(kv, previous.copy))) return
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
  } catch (error) {
    throw error instanceof StoreFailedError ? new FolderFailedError(place.directory, innermost(error)) : error
  } finally {
    await kv.close()
  }
}

/** What the machine said. */
function innermost(error: Error): Error {
  return error.cause instanceof Error ? innermost(error.cause) : error
}
