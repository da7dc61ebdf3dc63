/**
 * Unlinks bodies that nobody refers to: the only caller of `bodies.remove`. The order is: the commit that took the
 * last reference away (and put the garbage row), then unlink and sync, then the rows, the garbage row last. Every step
 * may be repeated, by a second worker at the same time or after a crash, and changes nothing the second time. So what a
 * full volume refuses to commit is left to a later walk, and bodies go on to be unlinked: they are what gives room.
 */
import { unreachable } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { NoRoomError, volumeFull } from '../lib/read-only.ts'
import type { Bodies } from './bodies/contract.ts'
import { decodePart } from './codec.ts'
import { forgetCompleted } from './completed-uploads.ts'
import { CorruptRecordError } from './fields.ts'
import { type GarbageRow, garbageCodec, hasPart } from './garbage-rows.ts'
import {
  garbageKey,
  keyAfter,
  listKey,
  listRefPrefix,
  parseGarbageKey,
  partKey,
  rangeOf,
  tablePrefix,
} from './keys.ts'
import type { CommitRoom, Entry, KeyValue, KeyValueTransaction } from './kv/contract.ts'
import { withTransact } from './kv/with-transact.ts'
import { deleteFileRows, type FileBody, listChunkCount, readListChunk } from './list-rows.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { changeCounterKey } from './upload-rows.ts'

export type GarbageOptions = {
  readonly kv: KeyValue
  readonly clock: Clock
  readonly bodies: Pick<Bodies, 'remove' | 'beginRemovals'>
  readonly log: Log
  /** Looked at afresh when a commit found too little, for bodies may have gone since; left out: commits are not tried again. */
  readonly room?: Pick<CommitRoom, 'look'>
}

/**
 * Walks all that is waiting and returns how many rows of it are done with. A row that cannot be read is logged and
 * left: what it would free stays, and so does everything while a backup copies bodies. Errors: those of `transact` and of `bodies.remove`; run it
 * again. NoRoomError: all bodies that it could unlink are gone, and there still is no room for the commits of some.
 */
export async function collectGarbage(options: GarbageOptions, signal: AbortSignal): Promise<number> {
  const removals = await options.bodies.beginRemovals()
  if (removals === null) {
    options.log.info({}, 'a backup copies bodies: garbage is collected after it')
    return 0
  }
  let collectedCount: number
  try {
    collectedCount = await collectWhileRoom(options, signal)
  } finally {
    await removals.release()
  }
  const { trustedMs } = await readTrustedNow(options.kv, options.clock)
  let forgottenCount: number = limits.garbagePageMax
  while (!signal.aborted && forgottenCount === limits.garbagePageMax) {
    forgottenCount = await forgetCompleted(options.kv, trustedMs)
  }
  return collectedCount
}

/**
 * What of a collection needs no commit, where none can be: bodies are unlinked, their rows wait for a collection. As long as a backup
 * copies bodies, nothing. Errors: those of `bodies.remove`.
 */
export async function unlinkGarbage(
  { kv, ...options }: Pick<GarbageOptions, 'kv' | 'bodies' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const removals = await options.bodies.beginRemovals()
  if (removals === null) return
  const uncommitted = withoutCommits(kv)
  try {
    const commits = new Commits({ kv: uncommitted })
    await collectRows({ ...options, kv: uncommitted, commits }, signal)
  } finally {
    await removals.release()
  }
}

/** A transaction that reads goes on, and one that writes has no room. */
function withoutCommits(kv: KeyValue): KeyValue {
  const refuse = (): never => {
    throw new NoRoomError(volumeFull)
  }
  return withTransact(kv, (work) =>
    kv.snapshot((reader) =>
      work({
        get: (key) => reader.get(key),
        getMany: (keys) => reader.getMany(keys),
        range: (options) => reader.range(options),
        put: refuse,
        delete: refuse,
        add: refuse,
        bound: refuse,
        append: refuse,
      }),
    ),
  )
}

/** Once more while a walk got rid of rows and left others: their bodies went before there was room. */
async function collectWhileRoom(options: GarbageOptions, signal: AbortSignal): Promise<number> {
  let collectedCount = 0
  for (;;) {
    const commits = new Commits(options)
    const walkedCount = await collectRows({ ...options, commits }, signal)
    collectedCount += walkedCount
    if (commits.refusal === null || signal.aborted) return collectedCount
    if (walkedCount === 0) throw commits.refusal
  }
}

/** Commits of one walk. What one of them finds no room for is left, and the walk goes on. */
class Commits {
  readonly #options: Pick<GarbageOptions, 'kv' | 'room'>
  /** The last one for want of room; null: there was room for all. */
  refusal: NoRoomError | null = null

  constructor(options: Pick<GarbageOptions, 'kv' | 'room'>) {
    this.#options = options
  }

  /** False: there is no room for it. */
  async run(work: (transaction: KeyValueTransaction) => Promise<void>): Promise<boolean> {
    const { kv, room } = this.#options
    try {
      await unlessNoRoom(() => kv.transact(work), room)
      return true
    } catch (error) {
      if (!(error instanceof NoRoomError)) throw error
      this.refusal = error
      return false
    }
  }
}

/** What is known of the room is up to a second old: what was unlinked meanwhile counts. */
async function unlessNoRoom(commit: () => Promise<void>, room: GarbageOptions['room']): Promise<void> {
  try {
    await commit()
  } catch (error) {
    if (!(error instanceof NoRoomError) || room === undefined || !(await room.look())) throw error
    await commit()
  }
}

type Collecting = Pick<GarbageOptions, 'kv' | 'bodies' | 'log'> & { readonly commits: Commits }

async function collectRows(options: Collecting, signal: AbortSignal): Promise<number> {
  const { from, to } = rangeOf(tablePrefix('garbage'))
  let next = from
  let collectedCount = 0
  while (!signal.aborted) {
    const page = await options.kv.range({ from: next, to, limit: limits.garbagePageMax })
    for (const entry of page) {
      if (signal.aborted) return collectedCount
      if (await collectEntry(options, entry)) collectedCount += 1
      next = keyAfter(entry.key)
    }
    if (page.length < limits.garbagePageMax) return collectedCount
  }
  return collectedCount
}

async function collectEntry(options: Collecting, { key, value }: Entry): Promise<boolean> {
  const id = parseGarbageKey(key)
  try {
    return await collectRow(options, id, garbageCodec.decode(key, value))
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    options.log.error({ id, cause: error.message }, 'garbage that cannot be read stays where it is')
    return false
  }
}

/** False: it stays, at least until the next walk. */
async function collectRow(options: Collecting, id: string, row: GarbageRow): Promise<boolean> {
  const isDone = await collectBodies(options, id, row)
  return isDone && (await options.commits.run(async (transaction) => transaction.delete(garbageKey(id))))
}

async function collectBodies(options: Collecting, id: string, row: GarbageRow): Promise<boolean> {
  switch (row.kind) {
    case 'list':
      return collectList(options, id, row.bodyCount)
    case 'body':
      return removeBodies(options, [{ bodyId: id, sizeBytes: row.sizeBytes }])
    case 'upload':
      return collectParts(options, id, row.keptParts)
    default:
      return unreachable(row, 'garbage is a list, a body or an upload')
  }
}

async function collectList(options: Collecting, listId: string, bodyCount: number): Promise<boolean> {
  if (!(await isUnreferenced(options, listId))) return false
  let isDone = true
  for (let chunkIndex = 0; chunkIndex < listChunkCount(bodyCount); chunkIndex += 1) {
    const chunk = await readListChunk(options.kv, listId, chunkIndex)
    // A chunk that is gone was done before a crash, or by another worker.
    if (chunk === null) continue
    const isGone =
      (await removeBodies(options, chunk.bodies)) &&
      (await options.commits.run(async (transaction) => transaction.delete(listKey(listId, chunkIndex))))
    isDone &&= isGone
  }
  return isDone
}

/**
 * Asks once more, in a transaction of its own, before anything is unlinked. A list without references can never get
 * one again, so the answer stays true.
 */
async function isUnreferenced({ commits, log }: Collecting, listId: string): Promise<boolean> {
  let isFree = false
  await commits.run(async (transaction) => {
    const references = await transaction.range({ ...rangeOf(listRefPrefix(listId)), limit: 1 })
    if (references.length > 0) transaction.delete(garbageKey(listId))
    isFree = references.length === 0
  })
  if (!isFree) log.error({ listId }, 'a list was called garbage but is in use: kept')
  return isFree
}

/** Part rows of an upload that is over. Its rows are frozen: without the upload's row nobody can put a part. */
async function collectParts(options: Collecting, uploadId: string, keptParts: string): Promise<boolean> {
  const to = partKey(uploadId, limits.partNumberMax + 1)
  const limit = limits.garbageBodiesPerTransactionMax
  let from = partKey(uploadId, 1)
  for (let isDone = true; ; ) {
    const page = await options.kv.range({ from, to, limit })
    const parts = page.map(({ key, value }) => decodePart(key, value))
    const removed = parts.filter(({ partNumber }) => !hasPart(keptParts, partNumber))
    isDone = (await removeBodies(options, removed)) && isDone
    const last = page.at(-1)
    const isLast = last === undefined || page.length < limit
    // The rows of a body go before the row that names it: what is left of them is found again by that one.
    if (isDone)
      isDone = await options.commits.run(async (transaction) => {
        for (const { key } of page) transaction.delete(key)
        if (isLast) transaction.delete(changeCounterKey(uploadId))
      })
    if (isLast) return isDone
    from = keyAfter(last.key)
  }
}

/** Bytes first, rows after: a crash in between leaves rows that name nothing, never bytes that nobody names. False: rows are left. */
async function removeBodies(
  { commits, bodies }: Collecting,
  removed: readonly Pick<FileBody, 'bodyId' | 'sizeBytes'>[],
): Promise<boolean> {
  const batchMax = limits.garbageBodiesPerTransactionMax
  let isDone = true
  for (let first = 0; first < removed.length; first += batchMax) {
    const batch = removed.slice(first, first + batchMax)
    // Together, so that the syncs of one directory are shared; bounded by the batch.
    // All have ended before one that failed is told: nothing is removed once the removals are over.
    const removals = await Promise.allSettled(batch.map(({ bodyId }) => bodies.remove(bodyId)))
    for (const removal of removals) if (removal.status === 'rejected') throw removal.reason
    const isGone = await commits.run(async (transaction) => {
      for (const body of batch) deleteFileRows(transaction, body)
    })
    isDone &&= isGone
  }
  return isDone
}
