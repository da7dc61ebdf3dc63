/**
 * What a nearly full disk may still take. New data is refused early, so that deletes and lock extensions
 * still find room; should others fill the disk nevertheless, the ballast is given up for them.
 */
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { NoRoomError, volumeFull } from '../lib/read-only.ts'
import type { Bodies, Space } from './bodies/contract.ts'
import type { CommitRoom } from './kv/contract.ts'

/** New data was refused for want of space: S3's 507. Nothing was written. */
export class StorageFullError extends Error {
  override readonly name = 'StorageFullError'
}

export type FreeSpaceOptions = {
  readonly bodies: Pick<Bodies, 'freeSpace' | 'ensureBallast' | 'releaseBallast'>
  readonly clock: Clock
}

export type VolumeDisk = {
  readonly freeSpace: () => Promise<Space>
  readonly releaseBallast: () => Promise<void>
}

export type CommitRoomOptions = { readonly disk: VolumeDisk; readonly clock: Clock }

export interface FreeSpaceGuard {
  /** null: new data of every size is welcome; else the reason, for people. At most limits.freeSpaceProbeMsMax old. */
  refusal(): Promise<string | null>
  /** Before new data of `sizeBytes` (0 when not known) is staged. Errors: StorageFullError. */
  admit(sizeBytes: number): Promise<void>
  /**
   * With each chunk of what was admitted, before it is written: others were admitted too. Never waits: it begins the looks whose answers the
   * next chunks have. Throws StorageFullError when less than the reserve was free at the last one.
   */
  arrived(byteCount: number): void
  /** Looks at the disk now, and gives up or restores the ballast. Call it every few seconds; while one is under way it is joined. */
  tend(): Promise<void>
}

export function createFreeSpaceGuard({ bodies, clock }: FreeSpaceOptions): FreeSpaceGuard {
  let probed: { readonly space: Space; readonly atMs: number } | null = null
  let arrivedBytes = 0
  const probe = async (): Promise<Space> => {
    arrivedBytes = 0
    const space = await bodies.freeSpace()
    probed = { space, atMs: clock.uptimeMs() }
    return space
  }
  // One look serves all who wait for it.
  let probing: Promise<Space> | null = null
  const look = (): Promise<Space> => {
    probing ??= probe().finally(() => {
      probing = null
    })
    return probing
  }
  const isStale = (): boolean =>
    probed === null ||
    clock.uptimeMs() - probed.atMs >= limits.freeSpaceProbeMsMax ||
    arrivedBytes >= limits.freeSpaceProbeBytesMax
  const recent = async (): Promise<Space> => (isStale() || probed === null ? look() : probed.space)
  const tendOnce = async (): Promise<void> => {
    const space = await probe()
    switch (ballastFate(space)) {
      case 'release':
        return bodies.releaseBallast()
      case 'restore':
        await bodies.ensureBallast()
        return
      case 'leave':
        return
    }
  }
  // On a slow disk the ballast takes longer to write than the next call waits: two would write one part.
  let tending: Promise<void> | null = null
  return {
    async refusal() {
      const space = await recent()
      if (!hasRoomForCommit(space)) return noRoomText(space)
      if (space.availableBytes < reserveBytes(space)) return refusalText(space)
      return hasFewFiles(space) ? fewFilesText(space) : null
    },
    async admit(sizeBytes) {
      const space = await recent()
      // The other refusal says that metadata go on.
      if (!hasRoomForCommit(space)) throw new NoRoomError(volumeFull)
      if (space.availableBytes - sizeBytes < reserveBytes(space))
        throw new StorageFullError(refusalText(space))
    },
    arrived(byteCount) {
      arrivedBytes += byteCount
      // What hinders the look hinders the write too, which tells.
      if (isStale()) look().catch(() => {})
      if (probed !== null && probed.space.availableBytes < reserveBytes(probed.space))
        throw new StorageFullError(refusalText(probed.space))
    },
    tend() {
      tending ??= tendOnce().finally(() => {
        tending = null
      })
      return tending
    },
  }
}

/** For the engine of a volume that is written: where there is no room for a commit the ballast is given up for it. */
export function createCommitRoom({ disk, clock }: CommitRoomOptions): CommitRoom {
  let known: { readonly hasRoom: boolean; readonly atMs: number } | null = null
  const look = async (): Promise<boolean> => {
    const hasRoom = await makeRoom(disk)
    known = { hasRoom, atMs: clock.uptimeMs() }
    return hasRoom
  }
  // One look serves all who wait for it.
  let looking: Promise<boolean> | null = null
  return {
    recent() {
      const ageMs = known === null ? limits.freeSpaceProbeMsMax : clock.uptimeMs() - known.atMs
      // Begun early, so that under load no commit has to wait for it.
      if (ageMs >= limits.freeSpaceProbeMsMax / 2) {
        looking ??= look().finally(() => {
          looking = null
        })
      }
      return known !== null && ageMs < limits.freeSpaceProbeMsMax ? known.hasRoom : (looking ?? look())
    },
    look,
  }
}

/** Never rejects. */
async function makeRoom({ freeSpace, releaseBallast }: VolumeDisk): Promise<boolean> {
  try {
    if (hasRoomForCommit(await freeSpace())) return true
  } catch {
    // What is wrong with a disk that cannot be looked at, the commit itself will tell.
    return true
  }
  try {
    await releaseBallast()
    return hasRoomForCommit(await freeSpace())
  } catch {
    return false
  }
}

/** Below this much free space new data is refused. */
export function reserveBytes({ totalBytes }: Space): number {
  return Math.max(Math.ceil(totalBytes * limits.freeSpaceFractionMin), limits.freeSpaceBytesMin)
}

/** Without it nothing is written at all: LMDB would meet the end of the disk in the middle of a commit. */
export function hasRoomForCommit({ availableBytes }: Space): boolean {
  return availableBytes >= limits.commitFreeBytesMin
}

/** For a server that met the end of the disk to be started again. More than a start needs, so that it does not swing. */
export function hasRoomAgain({ availableBytes }: Space): boolean {
  return availableBytes >= limits.commitFreeBytesMin + limits.ballastBytes
}

/** Between giving up and restoring lies more than the ballast itself, so that it does not swing. */
export function ballastFate(space: Space): 'release' | 'restore' | 'leave' {
  if (space.availableBytes < limits.ballastBytes) return 'release'
  return space.availableBytes >= reserveBytes(space) + limits.ballastBytes ? 'restore' : 'leave'
}

/** A body in a file needs one; smaller ones, deletes and locks need none, so they are not refused. */
function hasFewFiles({ availableFiles }: Space): boolean {
  return availableFiles !== null && availableFiles < limits.freeFilesMin
}

function fewFilesText({ availableFiles }: Space): string {
  return (
    `the volume has room for ${availableFiles} more files (inodes), ${limits.freeFilesMin} is too few: ` +
    'objects that need a file are refused when there is none'
  )
}

function noRoomText({ availableBytes }: Space): string {
  const mebibyte = 1024 ** 2
  return `${volumeFull} (${Math.floor(availableBytes / mebibyte)} MiB free; ${limits.commitFreeBytesMin / mebibyte} MiB are needed)`
}

function refusalText(space: Space): string {
  const mebibyte = 1024 ** 2
  const available = Math.floor(space.availableBytes / mebibyte)
  const reserve = Math.ceil(reserveBytes(space) / mebibyte)
  return `the volume has ${available} MiB free; new data is refused below ${reserve} MiB`
}
