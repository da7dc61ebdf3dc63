/**
 * Unlinks bodies that nobody refers to: the only caller of `bodies.remove`. The order is: the commit that took the
 * last reference away (and put the garbage row), then unlink and sync, then the rows, the garbage row last. Every step
 * may be repeated, by a second worker at the same time or after a crash, and changes nothing the second time.
 */
import { unreachable } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
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
import type { Entry, KeyValue } from './kv/contract.ts'
import { deleteFileRows, type FileBody, listChunkCount, readListChunk } from './list-rows.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { changeCounterKey } from './upload-rows.ts'

export type GarbageOptions = {
  readonly kv: KeyValue
  readonly clock: Clock
  readonly bodies: Pick<Bodies, 'remove' | 'beginRemovals'>
  readonly log: Log
}

/**
 * Walks all that is waiting and returns how many rows of it are done with. A row that cannot be read is logged and
 * left: what it would free stays, and so does everything while a backup copies bodies. Errors: those of `transact` and of `bodies.remove`; run it again.
 */
export async function collectGarbage(options: GarbageOptions, signal: AbortSignal): Promise<number> {
  const removals = await options.bodies.beginRemovals()
  if (removals === null) {
    options.log.info({}, 'a backup copies bodies: garbage is collected after it')
    return 0
  }
  let collectedCount: number
  try {
    collectedCount = await collectRows(options, signal)
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

async function collectRows(options: GarbageOptions, signal: AbortSignal): Promise<number> {
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

async function collectEntry(options: GarbageOptions, { key, value }: Entry): Promise<boolean> {
  const id = parseGarbageKey(key)
  try {
    return await collectRow(options, id, garbageCodec.decode(key, value))
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    options.log.error({ id, cause: error.message }, 'garbage that cannot be read stays where it is')
    return false
  }
}

async function collectRow(options: GarbageOptions, id: string, row: GarbageRow): Promise<boolean> {
  switch (row.kind) {
    case 'list':
      return collectList(options, id, row.bodyCount)
    case 'body':
      await removeBodies(options, [{ bodyId: id, sizeBytes: row.sizeBytes }])
      break
    case 'upload':
      await collectParts(options, id, row.keptParts)
      break
    default:
      return unreachable(row, 'garbage is a list, a body or an upload')
  }
  await options.kv.transact(async (transaction) => transaction.delete(garbageKey(id)))
  return true
}

async function collectList(options: GarbageOptions, listId: string, bodyCount: number): Promise<boolean> {
  if (!(await isUnreferenced(options, listId))) return false
  for (let chunkIndex = 0; chunkIndex < listChunkCount(bodyCount); chunkIndex += 1) {
    const chunk = await readListChunk(options.kv, listId, chunkIndex)
    // A chunk that is gone was done before a crash, or by another worker.
    if (chunk === null) continue
    await removeBodies(options, chunk.bodies)
    await options.kv.transact(async (transaction) => transaction.delete(listKey(listId, chunkIndex)))
  }
  await options.kv.transact(async (transaction) => transaction.delete(garbageKey(listId)))
  return true
}

/**
 * Asks once more, in a transaction of its own, before anything is unlinked. A list without references can never get
 * one again, so the answer stays true.
 */
async function isUnreferenced({ kv, log }: GarbageOptions, listId: string): Promise<boolean> {
  const isFree = await kv.transact(async (transaction) => {
    const references = await transaction.range({ ...rangeOf(listRefPrefix(listId)), limit: 1 })
    if (references.length > 0) transaction.delete(garbageKey(listId))
    return references.length === 0
  })
  if (!isFree) log.error({ listId }, 'a list was called garbage but is in use: kept')
  return isFree
}

/** Part rows of an upload that is over. Its rows are frozen: without the upload's row nobody can put a part. */
async function collectParts(options: GarbageOptions, uploadId: string, keptParts: string): Promise<void> {
  const to = partKey(uploadId, limits.partNumberMax + 1)
  for (;;) {
    const limit = limits.garbageBodiesPerTransactionMax
    const page = await options.kv.range({ from: partKey(uploadId, 1), to, limit })
    const parts = page.map(({ key, value }) => decodePart(key, value))
    await removeBodies(
      options,
      parts.filter(({ partNumber }) => !hasPart(keptParts, partNumber)),
    )
    await options.kv.transact(async (transaction) => {
      for (const { key } of page) transaction.delete(key)
      if (page.length < limit) transaction.delete(changeCounterKey(uploadId))
    })
    if (page.length < limit) return
  }
}

/** Bytes first, rows after: a crash in between leaves rows that name nothing, never bytes that nobody names. */
async function removeBodies(
  { kv, bodies }: GarbageOptions,
  removed: readonly Pick<FileBody, 'bodyId' | 'sizeBytes'>[],
): Promise<void> {
  const batchMax = limits.garbageBodiesPerTransactionMax
  for (let first = 0; first < removed.length; first += batchMax) {
    const batch = removed.slice(first, first + batchMax)
    // Together, so that the syncs of one directory are shared; bounded by the batch.
    // All have ended before one that failed is told: nothing is removed once the removals are over.
    const removals = await Promise.allSettled(batch.map(({ bodyId }) => bodies.remove(bodyId)))
    for (const removal of removals) if (removal.status === 'rejected') throw removal.reason
    await kv.transact(async (transaction) => {
      for (const body of batch) deleteFileRows(transaction, body)
    })
  }
}
