/** Carries the bodies that a store's rows name from one folder to another, and drops there what they do not name. */
import { unreachable } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { BodyFolder } from './bodies/body-folder.ts'
import type { BodyInspector } from './bodies/inspect.ts'
import { type OwnedBody, ownedBodies, walkOwners } from './body-owners.ts'
import { CorruptRecordError } from './fields.ts'
import { garbageKey } from './keys.ts'
import type { KeyValueReader } from './kv/contract.ts'
import { readCrcs } from './list-rows.ts'
import type { VersionRecord } from './records.ts'
import { bodyProblem, contentProblem, problemOf } from './verify-content.ts'
import { strays } from './verify-references.ts'

export type CopiedBodies = {
  copiedCount: number
  copiedBytes: number
  keptCount: number
  /** Bodies that were there, damaged: what they were is there again. */
  mendedCount: number
  problemCount: number
}

/** What is asked of a body that the target has already. */
export type HeldCheck =
  | { readonly kind: 'sizes' }
  /** All bytes of both sides are read. */
  | {
      readonly kind: 'checksums'
      readonly held: Pick<BodyInspector, 'open'>
      readonly onMended: (sentence: string) => void
    }

export type CopyBodies = {
  /** The copy whose rows say which bodies there are. */
  readonly reader: KeyValueReader
  readonly source: Pick<BodyInspector, 'open'>
  readonly target: BodyFolder
  readonly check: HeldCheck
  /** Told of what is damaged in the source; everything else is copied all the same. */
  readonly onProblem: (sentence: string) => void
}

/**
 * Every body of a version or a part is in the target when this resolves, each checked by block and as a whole, or told to
 * `onProblem`, as are locks and inline bytes that the copy has damaged; what was there is kept as `check`
 * says: a damaged body replaces nothing, and is replaced by a whole one alone. Errors: those of the file systems, StoreFailedError.
 */
export async function copyBodies(copy: CopyBodies): Promise<CopiedBodies> {
  const counts = { copiedCount: 0, copiedBytes: 0, keptCount: 0, mendedCount: 0, problemCount: 0 }
  const onProblem = (sentence: string): void => {
    counts.problemCount += 1
    copy.onProblem(sentence)
  }
  const running = new Map<string, Promise<void>>()
  // Copies share bodies: one that was read is not read again. Forgotten when they are too many, which costs time alone.
  const read = new Set<string>()
  const failures: unknown[] = []
  const begin = (body: OwnedBody): void => {
    const done = copyBody({ ...copy, onProblem }, body, counts)
      .catch((error: unknown) => {
        failures.push(error)
      })
      .finally(() => running.delete(body.bodyId))
    running.set(body.bodyId, done)
  }
  for await (const body of heldBodies({ ...copy, onProblem })) {
    if (running.has(body.bodyId) || read.has(body.bodyId)) continue
    if (read.size >= limits.verifyNamesMax) read.clear()
    if (copy.check.kind === 'checksums') read.add(body.bodyId)
    begin(body)
    if (running.size >= limits.bodyCopiesMax) await Promise.race(running.values())
    if (failures.length > 0) break
  }
  await Promise.all(running.values())
  if (failures.length > 0) throw failures[0]
  return counts
}

export type DropUnnamed = {
  readonly reader: KeyValueReader
  readonly backup: Pick<BodyInspector, 'files'>
  readonly target: Pick<BodyFolder, 'remove'>
  readonly onProblem: (problem: string) => void
}

/**
 * Removes the bodies of a backup that no row names any more: the volume has removed them through its gate. None goes while a row
 * cannot be read: it may be what names them.
 */
export async function dropUnnamed({ reader, backup, target, onProblem }: DropUnnamed): Promise<number> {
  let droppedCount = 0
  const refuse = (problem: string): never => {
    throw new CorruptRecordError(problem)
  }
  try {
    // Nothing of a page comes before all owners were read.
    for await (const bodyId of strays(bodyIds(backup), () => ownedBodies(reader, refuse))) {
      await target.remove(bodyId)
      droppedCount += 1
    }
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    onProblem(`bodies that no row names stay: ${error.message}`)
  }
  return droppedCount
}

async function* bodyIds(backup: Pick<BodyInspector, 'files'>): AsyncGenerator<string> {
  for await (const file of backup.files()) if (file.kind === 'body') yield file.bodyId
}

async function copyBody(copy: CopyBodies, body: OwnedBody, counts: CopiedBodies): Promise<void> {
  const { reader, source, target, check, onProblem } = copy
  const isHeld = await target.has(body)
  const damage = isHeld ? await heldProblem(reader, check, body) : null
  if (isHeld && damage === null) {
    counts.keptCount += 1
    // Whole where it is, whatever it is where it came from.
    const problem = check.kind === 'checksums' ? await problemIn(reader, source, body) : null
    return problem === null ? undefined : onProblem(problem)
  }
  const failures: unknown[] = []
  const problem = await problemOf(async () => {
    const range = { startByte: 0, endByteExclusive: body.sizeBytes }
    const crcs = await readCrcs(reader, body, range)
    if (crcs === null) throw new CorruptRecordError(`body ${body.bodyId} has no checksums`)
    await target.write(body, source.open(body, crcs, range)).catch((error: unknown) => {
      // The source's own errors are those of a body: this is the disk of the copy.
      if (!(error instanceof Error && 'code' in error)) throw error
      failures.push(error)
    })
  })
  if (failures.length > 0) throw failures[0]
  if (problem !== null) return onProblem(problem)
  if (damage !== null && check.kind === 'checksums') {
    check.onMended(damage)
    counts.mendedCount += 1
    return
  }
  counts.copiedCount += 1
  counts.copiedBytes += body.sizeBytes
}

/** null: whole, as far as it is looked at. */
async function heldProblem(
  reader: KeyValueReader,
  check: HeldCheck,
  body: OwnedBody,
): Promise<string | null> {
  return check.kind === 'sizes' ? null : problemIn(reader, check.held, body)
}

function problemIn(
  reader: KeyValueReader,
  bodies: Pick<BodyInspector, 'open'>,
  body: OwnedBody,
): Promise<string | null> {
  return bodyProblem({ reader, bodies, onRead: atOnce }, body)
}

/** What versions and running uploads hold; of what waits to be removed nothing. Bodies that are shared come again. */
async function* heldBodies({ reader, source, onProblem }: CopyBodies): AsyncGenerator<OwnedBody> {
  for await (const owned of walkOwners(reader)) {
    switch (owned.kind) {
      case 'version': {
        const problem = await versionProblem({ reader, source }, owned.version)
        if (problem !== null) onProblem(problem)
        break
      }
      case 'body':
        yield owned.body
        break
      case 'part':
        if (await isHeld(reader, owned.uploadId)) yield owned.body
        break
      case 'damaged':
        onProblem(owned.problem)
        break
      default:
        unreachable(owned, 'what has bodies is a version or a part')
    }
  }
}

/** Damage to its lock, or to its bytes where they are rows too. null: whole, as far as the copy's rows are. */
async function versionProblem(
  { reader, source }: Pick<CopyBodies, 'reader' | 'source'>,
  { object, lock }: VersionRecord,
): Promise<string | null> {
  const isInline = object !== null && object.content.storage === 'inline'
  const problem = isInline ? await contentProblem({ reader, bodies: source, onRead: atOnce }, object) : null
  return problem ?? (lock.kind === 'unknown' ? lock.cause : null)
}

/** Copying has no pace either. */
const atOnce = () => Promise.resolve()

/** Of an upload that is over the parts that it keeps are a version's, and the others wait to be removed. */
async function isHeld(reader: KeyValueReader, uploadId: string): Promise<boolean> {
  return (await reader.get(garbageKey(uploadId))) === null
}
