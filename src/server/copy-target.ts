/**
 * The folder that a copy is made in. Before anything in it is touched it is looked at: what is there must be nothing, or what
 * copies make. Who names the wrong folder is told what is in it, and finds it as it was.
 */
import type { Dirent } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ifThere } from '../platform/files.ts'
import { tryShareVolume, VolumeLockedError } from '../platform/volume-lock.ts'
import { hasVolume } from './open-volume.ts'

/** Why nothing was copied: a sentence for the person who asked. */
export class CopyRefusedError extends Error {
  override readonly name = 'CopyRefusedError'
}

/** A volume was made, and a power cut may take it away: a sentence for the person who asked. */
export class UnprovenCopyError extends Error {
  override readonly name = 'UnprovenCopyError'
}

export type CopyTarget = {
  readonly to: string
  /** Says whose copy is made here, until one is finished: a broken-off one goes on only for the same. */
  readonly claim: string
  /** Throws for a finished copy that is not to be replaced by this one. Reads, nothing else. */
  readonly admitFinished: () => Promise<void>
}

type Known = {
  readonly name: RegExp
  readonly kind: 'file' | 'folder'
  /** Left out: nothing in it is removed but bodies by their ids, so it is not looked into. */
  readonly inside?: readonly Known[]
}

const claimName = /^copying\.txt$/
/** Of a claim that was broken off. */
const claimPart = /^copying\.txt\.[0-9a-f]{16}$/
const unclaimed: readonly Known[] = [
  // The root of a file system has it, and a backup may have one of its own. Nothing of ours goes there.
  { name: /^lost\+found$/, kind: 'folder' },
  { name: /^lock$/, kind: 'file' },
  { name: claimPart, kind: 'file' },
]
const store: readonly Known[] = [
  { name: /^data\.mdb$/, kind: 'file' },
  { name: /^lock\.mdb(\.[0-9a-f]{16})?$/, kind: 'file' },
]
const scratch: readonly Known[] = [
  { name: /^kv$/, kind: 'folder', inside: store },
  { name: /^[0-9a-f]{32}$/, kind: 'file' },
]
const claimed: readonly Known[] = [
  ...unclaimed,
  { name: claimName, kind: 'file' },
  { name: /^copying$/, kind: 'folder', inside: scratch },
  { name: /^bodies$/, kind: 'folder' },
  { name: /^kv$/, kind: 'folder', inside: store },
]
const finished: readonly Known[] = [
  ...claimed,
  { name: /^kept$/, kind: 'folder', inside: store },
  { name: /^removals\.lock$/, kind: 'file' },
]

export function claimPath(to: string): string {
  return join(to, 'copying.txt')
}

/** Whether the claim is there, and nothing else that a copy made but its lock. */
export async function hasClaimAlone(to: string): Promise<boolean> {
  const names = (await entriesOf(to)).map(({ name }) => name)
  const isAlone = names.every(
    (name) => claimName.test(name) || unclaimed.some((known) => known.name.test(name)),
  )
  return isAlone && names.some((name) => claimName.test(name))
}

/** Parts of claims that were broken off, by their paths. */
export async function brokenClaims(to: string): Promise<readonly string[]> {
  return (await entriesOf(to)).filter(({ name }) => claimPart.test(name)).map(({ name }) => join(to, name))
}

/** Throws CopyRefusedError where one folder is the other, or is in it, by whatever names. Changes nothing. */
export async function demandApart(from: string, to: string): Promise<void> {
  const [source, target] = await Promise.all([placeOf(from), placeOf(to)])
  const [sourceId] = source.line
  const [targetId] = target.line
  if (target.isThere && sourceId === targetId)
    throw new CopyRefusedError(`${to} is the folder that is to be copied: choose another one`)
  if (sourceId !== undefined && target.line.includes(sourceId))
    throw new CopyRefusedError(`${to} is inside of ${from}, which is to be copied: choose another folder`)
  if (target.isThere && targetId !== undefined && source.line.includes(targetId))
    throw new CopyRefusedError(`${from}, which is to be copied, is inside of ${to}: choose another folder`)
}

/** As `demandOurs`, before the folder is locked. Errors: also VolumeLockedError where somebody has it. */
export async function demandOursUnlocked(target: CopyTarget): Promise<void> {
  const { to } = target
  await demandNames(target)
  if (!(await hasVolume(to))) return
  const share = await tryShareVolume(to)
  if (share === null)
    throw new VolumeLockedError(`${to} is in use by another holdfast process: stop it first`)
  try {
    await target.admitFinished()
  } finally {
    await share.release()
  }
}

/** Throws CopyRefusedError, and what `admitFinished` throws, unless the copy may be made in the folder. Changes nothing. */
export async function demandOurs(target: CopyTarget): Promise<'unfinished' | 'finished'> {
  await demandNames(target)
  if (!(await hasVolume(target.to))) return 'unfinished'
  await target.admitFinished()
  return 'finished'
}

async function demandNames(target: CopyTarget): Promise<void> {
  const { to } = target
  const names = (await entriesOf(to)).map(({ name }) => name)
  const hasClaim = names.some((name) => claimName.test(name))
  const isFinished = await hasVolume(to)
  const foreign = await foreignIn(to, '', isFinished ? finished : hasClaim ? claimed : unclaimed)
  if (foreign.length > 0) refuse(to, foreign)
  for (const name of names) await demandText(target, name)
  // Where nothing else vouches for it the lock must do so itself.
  if (isFinished || hasClaim || !names.includes('lock')) return
  if (!/^(process \d+\n)?$/.test(await beginningOf(join(to, 'lock')))) refuse(to, ['lock'])
}

async function demandText({ to, claim }: CopyTarget, name: string): Promise<void> {
  if (claimName.test(name) && (await beginningOf(join(to, name))) !== claim)
    throw new CopyRefusedError(`${to} has what is left of another copy: empty it, or choose another folder`)
  if (claimPart.test(name) && !claim.startsWith(await beginningOf(join(to, name)))) refuse(to, [name])
}

/** More than a lock or a claim has. */
async function beginningOf(path: string): Promise<string> {
  const handle = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

function refuse(to: string, foreign: readonly string[]): never {
  const shown = foreign.slice(0, 3).map((path) => JSON.stringify(path))
  const others = foreign.length > shown.length ? ` and ${foreign.length - shown.length} more` : ''
  throw new CopyRefusedError(
    `${to} has ${shown.join(', ')}${others}, which no copy of this volume left there: choose an empty folder. Nothing was changed`,
  )
}

/** A link is nothing of ours, whatever its name. */
async function foreignIn(to: string, folder: string, known: readonly Known[]): Promise<readonly string[]> {
  const foreign: string[] = []
  for (const entry of await entriesOf(join(to, folder))) {
    const path = join(folder, entry.name)
    const found = known.find(({ name }) => name.test(entry.name))
    const isKind = found?.kind === 'folder' ? entry.isDirectory() : entry.isFile()
    if (found === undefined || !isKind) foreign.push(path)
    else if (found.inside !== undefined) foreign.push(...(await foreignIn(to, path, found.inside)))
  }
  return foreign.toSorted()
}

async function entriesOf(path: string): Promise<readonly Dirent[]> {
  return (await ifThere(readdir(path, { withFileTypes: true }))) ?? []
}

type Place = {
  /** Identities of the folder, or of the nearest one above that is there, and of all that it is in. */
  readonly line: readonly string[]
  readonly isThere: boolean
}

async function placeOf(path: string): Promise<Place> {
  let folder = resolve(path)
  let real = await ifThere(realpath(folder))
  const isThere = real !== null
  while (real === null) {
    folder = dirname(folder)
    real = await ifThere(realpath(folder))
  }
  const line: string[] = []
  for (;;) {
    const { dev, ino } = await stat(real, { bigint: true })
    line.push(`${dev}:${ino}`)
    if (dirname(real) === real) return { line, isThere }
    real = dirname(real)
  }
}
