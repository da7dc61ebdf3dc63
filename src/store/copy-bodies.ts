/** Carries the bodies that a store's rows name from one folder to another, and drops there what they do not name. */
import { limits } from '../lib/limits.ts'
import type { BodyFolder } from './bodies/body-folder.ts'
import type { BodyInspector } from './bodies/inspect.ts'
import { decodePart, decodeVersion } from './codec.ts'
import { CorruptRecordError } from './fields.ts'
import { garbageKey, parsePartKey, tablePrefix } from './keys.ts'
import type { Entry, KeyValueReader } from './kv/contract.ts'
import { type FileBody, listChunkCount, readCrcs, readListChunk } from './list-rows.ts'
import { walk } from './stats.ts'
import { contentProblem, problemOf } from './verify-content.ts'
import { ownedBodies, strays } from './verify-references.ts'

export type CopiedBodies = {
  copiedCount: number
  copiedBytes: number
  keptCount: number
  problemCount: number
}

export type CopyBodies = {
  /** The copy whose rows say which bodies there are. */
  readonly reader: KeyValueReader
  readonly source: Pick<BodyInspector, 'open'>
  readonly target: BodyFolder
  /** Told of what is damaged in the source; everything else is copied all the same. */
  readonly onProblem: (sentence: string) => void
}

type Body = Pick<FileBody, 'bodyId' | 'sizeBytes' | 'sha256'>

/**
 * Every body of a version or a part is in the target when this resolves, each checked by block and as a whole, or told to
 * `onProblem`, as are locks and inline bytes that the copy has damaged; what was there with its size is kept. Errors: those of the file systems, StoreFailedError.
 */
export async function copyBodies(copy: CopyBodies): Promise<CopiedBodies> {
  const counts = { copiedCount: 0, copiedBytes: 0, keptCount: 0, problemCount: 0 }
  const onProblem = (sentence: string): void => {
    counts.problemCount += 1
    copy.onProblem(sentence)
  }
  const running = new Map<string, Promise<void>>()
  const failures: unknown[] = []
  const begin = (body: Body): void => {
    const done = copyBody({ ...copy, onProblem }, body, counts)
      .catch((error: unknown) => {
        failures.push(error)
      })
      .finally(() => running.delete(body.bodyId))
    running.set(body.bodyId, done)
  }
  for await (const body of heldBodies({ ...copy, onProblem })) {
    // Copies share bodies: the one that is under way is the other's too.
    if (running.has(body.bodyId)) continue
    begin(body)
    if (running.size >= limits.bodyCopiesMax) await Promise.race(running.values())
    if (failures.length > 0) break
  }
  await Promise.all(running.values())
  if (failures.length > 0) throw failures[0]
  return counts
}

/** Removes the bodies of a backup that no row names any more: the volume has removed them through its gate. */
export async function dropUnnamed(
  reader: KeyValueReader,
  backup: Pick<BodyInspector, 'files'>,
  target: Pick<BodyFolder, 'remove'>,
): Promise<number> {
  let droppedCount = 0
  for await (const bodyId of strays(bodyIds(backup), () => ownedBodies(reader))) {
    await target.remove(bodyId)
    droppedCount += 1
  }
  return droppedCount
}

async function* bodyIds(backup: Pick<BodyInspector, 'files'>): AsyncGenerator<string> {
  for await (const file of backup.files()) if (file.kind === 'body') yield file.bodyId
}

async function copyBody(
  { reader, source, target, onProblem }: CopyBodies,
  body: Body,
  counts: CopiedBodies,
): Promise<void> {
  if (await target.has(body)) {
    counts.keptCount += 1
    return
  }
  const problem = await problemOf(async () => {
    const range = { startByte: 0, endByteExclusive: body.sizeBytes }
    const crcs = await readCrcs(reader, body, range)
    if (crcs === null) throw new CorruptRecordError(`body ${body.bodyId} has no checksums`)
    await target.write(body, source.open(body, crcs, range))
  })
  if (problem !== null) return onProblem(problem)
  counts.copiedCount += 1
  counts.copiedBytes += body.sizeBytes
}

/** What versions and running uploads hold; of what waits to be removed nothing. Bodies that are shared come again. */
async function* heldBodies({ reader, source, onProblem }: CopyBodies): AsyncGenerator<Body> {
  for await (const { key, value } of walk(reader, tablePrefix('version'))) {
    const bodies: Body[] = []
    const problem = await problemOf(() => readVersionBodies({ reader, source }, { key, value }, bodies))
    if (problem !== null) onProblem(problem)
    yield* bodies
  }
  for await (const { key, value } of walk(reader, tablePrefix('part'))) {
    const bodies: Body[] = []
    const problem = await problemOf(async () => {
      // Part 0 counts the changes of the others.
      const { partNumber, uploadId } = parsePartKey(key)
      if (partNumber > 0 && (await isHeld(reader, uploadId))) bodies.push(decodePart(key, value))
    })
    if (problem !== null) onProblem(problem)
    yield* bodies
  }
}

/** Adds the bodies to `bodies`. Throws for damage: to the row, to its lock, to the bytes where they are rows too. */
async function readVersionBodies(
  { reader, source }: Pick<CopyBodies, 'reader' | 'source'>,
  row: Entry,
  bodies: Body[],
): Promise<void> {
  const { object, lock } = decodeVersion(row.key, row.value)
  if (object !== null && object.content.storage === 'inline') {
    const problem = await contentProblem({ reader, bodies: source, onRead: atOnce }, object)
    if (problem !== null) throw new CorruptRecordError(problem)
  }
  if (object !== null && object.content.storage === 'files') {
    const { listId, bodyCount } = object.content
    for (let index = 0; index < listChunkCount(bodyCount); index += 1) {
      const chunk = await readListChunk(reader, listId, index)
      if (chunk === null) throw new CorruptRecordError(`chunk ${index} of list ${listId} is missing`)
      bodies.push(...chunk.bodies)
    }
  }
  // Last: the bytes are copied whatever became of the lock.
  if (lock.kind === 'unknown') throw new CorruptRecordError(lock.cause)
}

/** It is in the copy already: there is no disk whose pace counts. */
const atOnce = () => Promise.resolve()

/** Of an upload that is over the parts that it keeps are a version's, and the others wait to be removed. */
async function isHeld(reader: KeyValueReader, uploadId: string): Promise<boolean> {
  return (await reader.get(garbageKey(uploadId))) === null
}
