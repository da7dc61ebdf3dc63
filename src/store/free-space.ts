/**
 * What a nearly full disk may still take. New data is refused early, so that deletes and lock extensions
 * still find room; should others fill the disk nevertheless, the ballast is given up for them.
 */
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Bodies, Space } from './bodies/contract.ts'

/** New data was refused for want of space: S3's 507. Nothing was written. */
export class StorageFullError extends Error {
  override readonly name = 'StorageFullError'
}

export type FreeSpaceOptions = {
  readonly bodies: Pick<Bodies, 'freeSpace' | 'ensureBallast' | 'releaseBallast'>
  readonly clock: Clock
}

export interface FreeSpaceGuard {
  /** null: new data of every size is welcome; else the reason, for people. At most limits.freeSpaceProbeMsMax old. */
  refusal(): Promise<string | null>
  /** Before new data of `sizeBytes` (0 when not known) is staged. Errors: StorageFullError. */
  admit(sizeBytes: number): Promise<void>
  /** Looks at the disk now, and gives up or restores the ballast. Call it every few seconds; while one is under way it is joined. */
  tend(): Promise<void>
}

export function createFreeSpaceGuard({ bodies, clock }: FreeSpaceOptions): FreeSpaceGuard {
  let probed: { readonly space: Space; readonly atMs: number } | null = null
  const probe = async (): Promise<Space> => {
    const space = await bodies.freeSpace()
    probed = { space, atMs: clock.uptimeMs() }
    return space
  }
  // One look serves all who wait for it.
  let probing: Promise<Space> | null = null
  const recent = async (): Promise<Space> => {
    const isRecent = probed !== null && clock.uptimeMs() - probed.atMs < limits.freeSpaceProbeMsMax
    if (isRecent && probed !== null) return probed.space
    probing ??= probe().finally(() => {
      probing = null
    })
    return probing
  }
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
      if (space.availableBytes < reserveBytes(space)) return refusalText(space)
      return hasFewFiles(space) ? fewFilesText(space) : null
    },
    async admit(sizeBytes) {
      const space = await recent()
      if (space.availableBytes - sizeBytes < reserveBytes(space))
        throw new StorageFullError(refusalText(space))
    },
    tend() {
      tending ??= tendOnce().finally(() => {
        tending = null
      })
      return tending
    },
  }
}

/** Below this much free space new data is refused. */
export function reserveBytes({ totalBytes }: Space): number {
  return Math.max(Math.ceil(totalBytes * limits.freeSpaceFractionMin), limits.freeSpaceBytesMin)
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

function refusalText(space: Space): string {
  const mebibyte = 1024 ** 2
  const available = Math.floor(space.availableBytes / mebibyte)
  const reserve = Math.ceil(reserveBytes(space) / mebibyte)
  return `the volume has ${available} MiB free; new data is refused below ${reserve} MiB`
}
