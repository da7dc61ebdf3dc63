/**
 * An object's bytes: an immutable list of bodies, held by the versions that refer to it. A list without a reference is
 * garbage for good: only a version that has one can give another. Bytes in the KV go with the last reference;
 * files go later, through collect-garbage.ts.
 */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import {
  type Bodies,
  BodyCorruptError,
  BodyMissingError,
  type BodyReader,
  type ByteRange,
} from './bodies/contract.ts'
import { crc32c } from './bodies/crc32c.ts'
import { corrupt } from './fields.ts'
import { putGarbage } from './garbage-rows.ts'
import { listKey, listRefKey, listRefPrefix, rangeOf } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import {
  type FileBody,
  type InlineBody,
  type ListChunk,
  listChunkCount,
  putFileRows,
  putInline,
  putList,
  readCrcs,
  readInline,
  readListChunk,
} from './list-rows.ts'
import { isQuarantined, leaveQuarantine, type Owner, refuseDamaged } from './quarantine.ts'
import type { ContentRef, ObjectPart } from './records.ts'
import type { StagedBody } from './requests.ts'
import { sealRow, unsealRow } from './row-codec.ts'

/** `endByte` exclusive. */
export type ContentRange = { readonly startByte: number; readonly endByte: number }

const referenceContent = Uint8Array.of(1)

/** Makes a staged body the content of a version. A file must be published before the transaction. */
export function attachStaged(
  transaction: KeyValueTransaction,
  body: StagedBody,
  versionId: string,
): ContentRef {
  const { bodyId, sizeBytes, sha256, blockCrcs, inline } = body
  // One list per body, so that a transaction that runs again writes the same rows.
  const content: ContentRef = { listId: bodyId, bodyCount: 1, storage: inline === null ? 'files' : 'inline' }
  if (inline === null) {
    putFileRows(transaction, bodyId, blockCrcs)
    putList(transaction, content.listId, [{ bodyId, sizeBytes, sha256, checksum: null }])
  } else {
    assert(inline.length === sizeBytes, 'the bytes of an inline body are all there')
    putInline(transaction, content.listId, { bytes: inline, sha256, crcs: [...blockCrcs] })
  }
  attachShared(transaction, content, versionId)
  return content
}

/** Makes files that parts hold the content of a version; the parts must let go of them in the same transaction. */
export function attachParts(
  transaction: KeyValueTransaction,
  bodies: readonly FileBody[],
  versionId: string,
): ContentRef {
  const [first] = bodies
  assert(first !== undefined, 'a list has a body')
  // As with one body: a body is in one list only, so its first body's id is the list's own.
  const content: ContentRef = { listId: first.bodyId, bodyCount: bodies.length, storage: 'files' }
  putList(transaction, content.listId, bodies)
  attachShared(transaction, content, versionId)
  return content
}

/** One more reference, given while another version that has one was read in this transaction. */
export function attachShared(transaction: KeyValueTransaction, content: ContentRef, versionId: string): void {
  const row = listRefKey(content.listId, versionId)
  transaction.put(row, sealRow(row, referenceContent))
}

/**
 * Takes the version's reference away; with the last one the content becomes garbage. Buffers nothing when it throws
 * CorruptRecordError: a version whose reference is missing is not removed.
 */
export async function detach(
  transaction: KeyValueTransaction,
  content: ContentRef,
  owner: Owner,
): Promise<void> {
  const own = listRefKey(content.listId, owner.versionId)
  const all = rangeOf(listRefPrefix(content.listId))
  const [value, references, isDamaged] = await Promise.all([
    transaction.get(own),
    transaction.range({ ...all, limit: 2 }),
    isQuarantined(transaction, content.listId),
  ])
  // Missing or damaged: whether this was the last reference is not known.
  unsealRow('listRef', own, value)
  for (const reference of references) unsealRow('listRef', reference.key, reference.value)
  transaction.delete(own)
  // Asked again behind the delete: another detach of this list may run beside this one, and the later sees both.
  const isShared = references.length > 1 && (await transaction.range({ ...all, limit: 1 })).length > 0
  if (isDamaged)
    leaveQuarantine(transaction, content.listId, { ...owner, rest: isShared ? 'others' : 'none' })
  if (isShared) return
  if (content.storage === 'inline') transaction.delete(listKey(content.listId, 0))
  else putGarbage(transaction, content.listId, { kind: 'list', bodyCount: content.bodyCount })
}

export type ContentSource = {
  readonly reader: KeyValueReader
  readonly bodies: Bodies
  /** Told of an error before the consumer gets it, and where: up to there the bytes were whole. null: nobody is. */
  readonly met: ((error: unknown, atByte: number) => Promise<void>) | null
}

/**
 * The bytes of a range, each block verified before it leaves; no transaction is held while a body is read. Errors:
 * BodyMissingError when the content was collected meanwhile (read the version again, once), BodyCorruptError,
 * CorruptRecordError.
 */
export function openContent(
  source: ContentSource,
  content: ContentRef,
  range: ContentRange | null,
): BodyReader {
  const wanted = range ?? { startByte: 0, endByte: Number.MAX_SAFE_INTEGER }
  assert(wanted.startByte >= 0 && wanted.startByte <= wanted.endByte, 'a range begins before it ends')
  const open = (): AsyncIterable<Uint8Array> => {
    switch (content.storage) {
      case 'inline':
        return openInline(source, content, wanted)
      case 'files':
        return openFiles(source, content, wanted)
    }
  }
  return {
    [Symbol.asyncIterator]: () => open()[Symbol.asyncIterator](),
    recycle: (chunk) => source.bodies.recycle(chunk),
  }
}

/** The bodies after the first `afterCount`, in order, at most `limit`. Errors: as openContent. */
export async function readParts(
  reader: KeyValueReader,
  content: ContentRef,
  page: { readonly afterCount: number; readonly limit: number },
): Promise<readonly ObjectPart[]> {
  if (content.storage === 'inline') {
    const inline = await readInline(reader, content.listId)
    if (inline === null) throw gone(content)
    const whole = { sizeBytes: inline.bytes.length, checksum: null }
    return [whole].slice(page.afterCount, page.afterCount + page.limit)
  }
  const perChunk = limits.bodiesPerListChunkMax
  const parts: ObjectPart[] = []
  const end = Math.min(content.bodyCount, page.afterCount + page.limit)
  for (let index = page.afterCount; index < end; ) {
    const chunk = await readListChunk(reader, content.listId, Math.floor(index / perChunk))
    if (chunk === null) throw gone(content)
    const taken = chunk.bodies.slice(index % perChunk, (index % perChunk) + end - index)
    if (taken.length === 0) return corrupt('list', 'as long as its version says')
    parts.push(...taken.map(({ sizeBytes, checksum }) => ({ sizeBytes, checksum })))
    index += taken.length
  }
  return parts
}

/** Throws BodyCorruptError for a block whose CRC32C is another. */
export function checkInlineBlocks(listId: string, { bytes, crcs }: InlineBody): void {
  for (const [index, crc] of crcs.entries()) {
    const block = bytes.subarray(index * limits.bodyBlockBytes, (index + 1) * limits.bodyBlockBytes)
    if (crc32c(block) !== crc) throw new BodyCorruptError(`block ${index} of list ${listId} is damaged`)
  }
}

async function* openInline(
  { reader, met }: ContentSource,
  content: ContentRef,
  { startByte, endByte }: ContentRange,
): AsyncIterable<Uint8Array> {
  let wanted: Uint8Array
  try {
    // In one round of reads.
    const [, inline] = await Promise.all([
      refuseDamaged(reader, content.listId),
      readInline(reader, content.listId),
    ])
    if (inline === null) throw gone(content)
    checkInlineBlocks(content.listId, inline)
    wanted = inline.bytes.subarray(startByte, Math.min(endByte, inline.bytes.length))
  } catch (error) {
    await met?.(error, startByte)
    throw error
  }
  if (wanted.length > 0) yield wanted
}

async function* openFiles(
  { reader, bodies, met }: ContentSource,
  content: ContentRef,
  { startByte, endByte }: ContentRange,
): AsyncIterable<Uint8Array> {
  const chunkCount = listChunkCount(content.bodyCount)
  let atByte = startByte
  try {
    // In one round of reads.
    const [, first] = await Promise.all([
      refuseDamaged(reader, content.listId),
      findChunk(reader, content, startByte),
    ])
    for (let index = first.index; index < chunkCount; index += 1) {
      const chunk = index === first.index ? first.chunk : await readChunk(reader, content, index)
      for (const { body, range } of wantedOf(chunk, { startByte, endByte })) {
        const crcs = await readCrcs(reader, body, range)
        if (crcs === null) throw gone(content)
        for await (const bytes of bodies.open(body, crcs, range)) {
          // The consumer may give the bytes back before it asks for more.
          atByte += bytes.length
          yield bytes
        }
      }
      if (endByteOf(chunk) >= endByte) return
    }
  } catch (error) {
    await met?.(error, atByte)
    throw error
  }
}

type WantedBody = { readonly body: FileBody; readonly range: ByteRange }

/** The bodies of a chunk that a range of the object touches, each with its own part of it. */
function* wantedOf(chunk: ListChunk, { startByte, endByte }: ContentRange): Iterable<WantedBody> {
  let bodyStart = chunk.startByte
  for (const body of chunk.bodies) {
    const from = Math.max(0, startByte - bodyStart)
    const to = Math.min(body.sizeBytes, endByte - bodyStart)
    bodyStart += body.sizeBytes
    if (from < to) yield { body, range: { startByte: from, endByteExclusive: to } }
  }
}

function endByteOf({ startByte, bodies }: ListChunk): number {
  return bodies.reduce((end, { sizeBytes }) => end + sizeBytes, startByte)
}

/** The last chunk that begins at or before `startByte`. */
async function findChunk(
  reader: KeyValueReader,
  content: ContentRef,
  startByte: number,
): Promise<{ readonly index: number; readonly chunk: ListChunk }> {
  let low = 0
  let high = listChunkCount(content.bodyCount) - 1
  let found: ListChunk | null = null
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const chunk = await readChunk(reader, content, middle)
    if (chunk.startByte <= startByte) {
      low = middle
      found = chunk
    } else high = middle - 1
  }
  return { index: low, chunk: found ?? (await readChunk(reader, content, low)) }
}

async function readChunk(reader: KeyValueReader, content: ContentRef, index: number): Promise<ListChunk> {
  const chunk = await readListChunk(reader, content.listId, index)
  if (chunk === null) throw gone(content)
  return chunk
}

function gone(content: ContentRef): BodyMissingError {
  return new BodyMissingError(`list ${content.listId} is gone`)
}
