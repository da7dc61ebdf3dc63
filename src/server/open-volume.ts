/** Opens the volume's two engines in its directory, for the process that owns it and for its workers. */
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import {
  NoRoomError,
  type VolumeAccess,
  VolumeReadOnlyError,
  volumeFull,
  type WritesRefused,
  writesRefused,
} from '../lib/read-only.ts'
import { fileSize, isVolumeFull, makeDirectory, pathExists } from '../platform/files.ts'
import { openPlace, type Place } from '../platform/place.ts'
import type { VolumeLock } from '../platform/volume-lock.ts'
import { openBodies } from '../store/bodies/bodies.ts'
import { type BodyInspector, hasBodies, inspectBodies } from '../store/bodies/inspect.ts'
import { dropBallastParts, freeSpace, releaseBallast } from '../store/bodies/space.ts'
import { CorruptRecordError } from '../store/fields.ts'
import { formatSteps } from '../store/format-steps.ts'
import { createCommitRoom, hasRoomAgain } from '../store/free-space.ts'
import type { CommitRoom, KeyValue } from '../store/kv/contract.ts'
import { openLmdb, openServedLmdb } from '../store/kv/lmdb/lmdb.ts'
import { withTransact } from '../store/kv/with-transact.ts'
import { onceProblems } from '../store/once-rows.ts'
import { openStore } from '../store/open-store.ts'
import { placedKeyValue } from '../store/placed.ts'
import { recoverRoom, recoverStages } from '../store/recover.ts'
import type { MasterKey } from '../store/sealed-secret.ts'
import type { Store } from '../store/store.ts'
import { type UpgradeOptions, upgradeVolume } from '../store/upgrade-volume.ts'
import { unlessDamaged } from '../store/verify-content.ts'
import {
  beginServerEpoch,
  endServerEpoch,
  fencedKeyValue,
  hasIdentity,
  openVolume,
  readServerEpoch,
  readVolume,
} from '../store/volume.ts'
import { readVolumeCopy, VolumeIsBackupError } from '../store/volume-copy.ts'
import type { StoreMeasures } from './measured-store.ts'

export type VolumeParts = {
  readonly directory: string
  readonly clock: Clock
  readonly log: Log
  /** Told once, when the volume is found to take no writes until it is opened anew; reads go on. */
  readonly onRefused?: (why: WritesRefused) => void
}

export type VolumeOwner = {
  readonly store: Store
  readonly access: VolumeAccess
  readonly epoch: number
  /** The disk failed a removal, in recovery or of garbage: nothing more is removed until the next start. */
  readonly hasFailedRemoval: () => boolean
  /** The folder that is open, for workers to open the same. */
  readonly place: Pick<Place, 'root' | 'identity' | 'isInPlace'>
  /** Marks the epoch as cleanly closed; call it when no worker is left. */
  readonly close: () => Promise<void>
}

/** `recoverRoom`: of recover.ts; for who has the lock alone, before anything is served. */
type ReadOnlyOwner = VolumeOwner & { readonly recoverRoom: () => Promise<boolean> }

type OwnerVolumeParts = VolumeParts & {
  /** Of formats; left out: this release's. */
  readonly upgrade?: Pick<UpgradeOptions, 'steps' | 'rowsPerTransaction'>
  /** The only volume that may be there; null or left out: any, and where there is none a new one is made. */
  readonly volumeId?: string | null
  /** Taken already: what is opened is the folder that it is in. Left out: the volume is nobody else's, as in tests. */
  readonly lock?: Pick<VolumeLock, 'isIn'>
}

/**
 * Supervisor: as openVolumeOwner where the volume can be written, also by giving up the ballast, what earlier servers staged and
 * never stored, and garbage; else as openReadOnlyOwner. `locked` is how the volume's lock was taken.
 */
export async function openOwner(
  parts: OwnerVolumeParts,
  locked: 'readWrite' | 'readOnly',
): Promise<VolumeOwner> {
  if (locked === 'readOnly') return openReadOnlyOwner(parts, 'readOnly')
  try {
    return await openVolumeOwner(parts)
  } catch (error) {
    if (!isForWantOfRoom(error) || !(await hasVolume(parts.directory))) throw error
    const owner = await openReadOnlyOwner(parts, 'full')
    if (!(await owner.recoverRoom())) return owner
    await owner.close()
    return openOwner(parts, locked)
  }
}

/** Not after a commit that failed: the store is then opened again by another process, at the next start. */
function isForWantOfRoom(error: unknown): boolean {
  return error instanceof NoRoomError || isVolumeFull(error)
}

/**
 * Supervisor on a volume that takes no writes: what is there is read as it lies, under the epoch of the last server that
 * wrote; whoever has the volume's lock keeps others from beginning one. Nothing is recovered, and nothing written. Errors: as
 * openVolumeOwner.
 */
async function openReadOnlyOwner(parts: OwnerVolumeParts, access: WritesRefused): Promise<ReadOnlyOwner> {
  const { directory, volumeId = null, clock, log } = parts
  await demandVolume(directory, volumeId)
  const { kv, place } = await openTogether(parts, {
    demand: (opened) => demandLocked(parts, opened),
    open: ({ root }) => openReadOnlyKeyValue(root, access),
  })
  try {
    if (volumeId !== null) await demandIdentity(kv, directory, volumeId)
    const volume = await readVolume(kv)
    await refuseBackup(kv, directory)
    await tellDamage(kv, log)
    const last = await unlessDamaged(() => readServerEpoch(kv))
    const epoch = last.kind === 'whole' ? (last.value?.epoch ?? 0) : 0
    const own = { epoch: String(epoch), worker: 'supervisor', access }
    const bodies = await openBodies({ ...bodiesOf(place), clock, ...own })
    log.info({ volumeId: volume.volumeId, epoch, access }, 'volume opened for reading only')
    const store = openStore({ kv, bodies, clock, log, volume, masterKey: null })
    return {
      store,
      access,
      epoch,
      place,
      hasFailedRemoval: () => false,
      recoverRoom: () => {
        const hasRoom = async () => hasRoomAgain(await freeSpace(place.root))
        return recoverRoom({ ...bodiesOf(place), kv, log, hasRoom })
      },
      close: () => store.close(),
    }
  } catch (error) {
    await kv.close()
    throw error
  }
}

/**
 * Supervisor: identity, a new epoch (from here on no older server commits anything), the upgrade of an older volume's rows, recovery
 * of stages. Errors: CorruptRecordError for bodies without a volume, WrongVolumeError, VolumeFormatError, VolumeIsBackupError,
 * UnsupportedFileSystemError; NoRoomError: there is no room for that, also without the ballast, and nothing was made.
 */
export async function openVolumeOwner(parts: OwnerVolumeParts): Promise<VolumeOwner> {
  const { directory, volumeId = null, clock, log, onRefused = () => {} } = parts
  const upgrade = parts.upgrade ?? { steps: formatSteps }
  await demandVolume(directory, volumeId)
  if (!(await pathExists(directory))) await makeDirectory(directory)
  const { kv, place, room } = await openTogether(parts, {
    demand: async (opened) => {
      await demandLocked(parts, opened)
      if (!(await hasRows(opened.root))) await refuseBodies(opened, directory)
    },
    open: async ({ root }, commitRoom) => {
      await dropParts(root, log)
      if (!(await commitRoom.recent())) throw new NoRoomError(volumeFull)
      return openLmdb({ directory: kvDirectory(root), reads: 'scattered', onRefused, room: commitRoom })
    },
  })
  try {
    if (volumeId !== null) await demandIdentity(kv, directory, volumeId)
    if (!(await hasIdentity(kv))) await refuseBodies(place, directory)
    const found = await openVolume(kv, clock, upgrade.steps)
    await refuseBackup(kv, directory)
    await tellDamage(kv, log)
    const { epoch, previous } = await beginServerEpoch(kv)
    const format = await upgradeVolume(fencedKeyValue(kv, epoch), { ...upgrade, log })
    const volume = { ...found, format }
    const own = { epoch: String(epoch), worker: 'supervisor' } as const
    const bodies = await openBodies({ ...bodiesOf(place), clock, ...own })
    const recovered = await recoverStages({ kv, bodies, log })
    log.info({ volumeId: volume.volumeId, epoch, previous, ...recovered }, 'volume opened')
    const fenced = fencedKeyValue(kv, epoch)
    const store = openStore({ kv: fenced, bodies, clock, log, volume, masterKey: null, room })
    return {
      store,
      access: 'readWrite',
      epoch,
      place,
      hasFailedRemoval: () => bodies.failure() !== null,
      close: async () => {
        try {
          await endServerEpoch(kv, epoch)
        } catch (error) {
          // The next start recovers, as after a crash.
          if (!isOfVolume(error)) throw error
        }
        await store.close()
      },
    }
  } catch (error) {
    await kv.close()
    throw error
  }
}

/** What a start after it brings in order again. */
function isOfVolume(error: unknown): boolean {
  return (
    error instanceof VolumeReadOnlyError ||
    error instanceof NoRoomError ||
    error instanceof CorruptRecordError
  )
}

/** Before the ballast itself is asked for its room. Whoever still wrote one finds that it is gone, and leaves it at that. */
async function dropParts(root: string, log: Log): Promise<void> {
  try {
    await dropBallastParts(root)
  } catch (error) {
    log.error({ error }, 'unfinished ballast could not be removed')
  }
}

type Opened = { readonly kv: KeyValue; readonly place: Place; readonly room: CommitRoom }
type Opening = {
  readonly demand: (place: Place) => Promise<void>
  readonly open: (place: Place, room: CommitRoom) => Promise<KeyValue>
}

/** One folder for rows and bodies, as long as they are open: whoever gets it closes it with the store. */
async function openTogether(
  { directory, clock }: Pick<VolumeParts, 'directory' | 'clock'>,
  { demand, open }: Opening,
): Promise<Opened> {
  const place = openPlace(directory)
  const room = commitRoomOf(place, clock)
  try {
    await demand(place)
    const kv = placedKeyValue(await open(place, room), place.isInPlace)
    const close = async () => {
      await kv.close()
      place.close()
    }
    return { kv: { ...kv, close }, place, room }
  } catch (error) {
    place.close()
    throw error
  }
}

function bodiesOf({ root, isInPlace }: Place) {
  return { directory: root, isInPlace }
}

async function demandLocked({ directory, lock, log }: OwnerVolumeParts, place: Place): Promise<void> {
  if (place.heldBy === 'path')
    log.warn({ directory }, '/proc is not mounted: the folder is only looked at before each write')
  if (lock === undefined || (await lock.isIn(place.root))) return
  throw new WrongVolumeError(`${directory} became another folder while it was opened`)
}

/** Nothing of it keeps the volume from being opened; what depends on it denies. */
async function tellDamage(kv: KeyValue, log: Log): Promise<void> {
  for (const problem of await onceProblems(kv)) log.error({ problem }, 'the volume is damaged')
}

/** Errors: WrongVolumeError where `volumeId` is not null and no volume is in the directory. Makes nothing. */
export async function demandVolume(directory: string, volumeId: string | null): Promise<void> {
  if (volumeId === null || (await hasVolume(directory))) return
  throw new WrongVolumeError(
    `there is no volume in ${directory}, and --volume-id names ${volumeId}: is it mounted? Nothing was made there`,
  )
}

async function demandIdentity(kv: KeyValue, directory: string, volumeId: string): Promise<void> {
  const found = await readVolume(kv)
  if (found.volumeId === volumeId) return
  throw new WrongVolumeError(`${directory} has volume ${found.volumeId}, and --volume-id names ${volumeId}`)
}

/** A file of no bytes is what is left of one that was being written when the machine stopped. */
async function hasRows(root: string): Promise<boolean> {
  return (await hasVolume(root)) && (await fileSize(storeFile(root))) > 0
}

/** Bodies that no row names were somebody's: a volume that lost its rows is not a new one. */
async function refuseBodies({ root }: Place, directory: string): Promise<void> {
  if (!(await hasBodies(root))) return
  throw new CorruptRecordError(
    `${directory} has bodies but no volume: its metadata (kv/data.mdb) are gone. Nothing was made there; restore a backup into an empty folder`,
  )
}

/** What is served changes: a backup would be none any more. */
async function refuseBackup(kv: KeyValue, directory: string): Promise<void> {
  const copy = await readVolumeCopy(kv)
  if (copy?.kind !== 'backup') return
  throw new VolumeIsBackupError(
    `${directory} is a backup: make a volume of it first (holdfast restore --from ${directory} --data DIR)`,
  )
}

/** What is in the directory is not the volume that the server serves. Nothing was made or changed there. */
class WrongVolumeError extends Error {
  override readonly name = 'WrongVolumeError'
}

type WorkerVolumeParts = VolumeParts & {
  readonly epoch: number
  readonly access: VolumeAccess
  /** The supervisor's. */
  readonly volumeId: string
  /** Of its folder: a copy of the volume has the same id. */
  readonly placeIdentity: string
  readonly worker: string
  readonly measures: StoreMeasures
  readonly masterKey: MasterKey | null
}

/** Worker: the store for the running epoch. Errors: WrongVolumeError. */
export async function openWorkerStore({
  directory,
  epoch,
  access,
  volumeId,
  placeIdentity,
  worker,
  clock,
  log,
  onRefused = () => {},
  measures,
  masterKey,
}: WorkerVolumeParts): Promise<Store> {
  // To open it would make an empty one.
  if (!(await hasVolume(directory))) throw new WrongVolumeError(`there is no volume in ${directory}`)
  const { kv, place, room } = await openTogether(
    { directory, clock },
    {
      demand: async ({ identity }) => {
        if (identity !== placeIdentity)
          throw new WrongVolumeError(`${directory} is not the volume that this server opened`)
      },
      open: ({ root }, commitRoom) =>
        access === 'readWrite'
          ? openServedLmdb({ directory: kvDirectory(root), onRefused, room: commitRoom })
          : openReadOnlyKeyValue(root, access),
    },
  )
  try {
    const volume = await readVolume(kv)
    if (volume.volumeId !== volumeId)
      throw new WrongVolumeError(`${directory} has volume ${volume.volumeId}, this server serves ${volumeId}`)
    const bodies = await openBodies({ ...bodiesOf(place), epoch: String(epoch), worker, clock, access })
    const fenced = measures.keyValue(fencedKeyValue(kv, epoch))
    return openStore({ kv: fenced, bodies, clock, log, volume, onDenied: measures.denied, masterKey, room })
  } catch (error) {
    await kv.close()
    throw error
  }
}

/** Refuses every transaction, also once the volume takes writes: a fence that no epoch has to be written for. */
async function openReadOnlyKeyValue(directory: string, why: WritesRefused): Promise<KeyValue> {
  const kv = await openLmdb({ directory: kvDirectory(directory), readOnly: true, reads: 'scattered' })
  return withTransact(kv, () => Promise.reject(writesRefused(why)))
}

/** For tools that change nothing; the caller holds the volume's lock. */
export type OfflineVolume = {
  readonly kv: KeyValue
  readonly bodies: BodyInspector
  readonly close: () => Promise<void>
}

/** Opens a volume that is there for reading; makes nothing. Errors: UnsupportedFileSystemError. */
export async function openOfflineVolume(directory: string): Promise<OfflineVolume> {
  const kv = await openLmdb({ directory: kvDirectory(directory), readOnly: true })
  return { kv, bodies: inspectBodies(directory), close: () => kv.close() }
}

/** Of the disk that the open folder is on: another may be at its path. What is not in its place keeps its ballast. */
function commitRoomOf({ root, isInPlace }: Place, clock: Clock): CommitRoom {
  const disk = {
    freeSpace: () => freeSpace(root),
    releaseBallast: async () => {
      if (isInPlace()) await releaseBallast(root)
    },
  }
  return createCommitRoom({ disk, clock })
}

/** Whether a volume was ever made in the directory. */
export function hasVolume(directory: string): Promise<boolean> {
  return pathExists(storeFile(directory))
}

function storeFile(directory: string): string {
  return join(kvDirectory(directory), 'data.mdb')
}

export function kvDirectory(directory: string): string {
  return join(directory, 'kv')
}
