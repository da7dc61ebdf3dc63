/**
 * Whether an object's bytes are those that were written: every body is there with its size, each block with its CRC32C,
 * the whole with its SHA-256. `verify` asks it of a volume at rest, the scrub of one that is served.
 */
import { createHash } from 'node:crypto'
import { AssertionError } from '../lib/assert.ts'
import { type Bodies, BodyCorruptError, BodyMissingError } from './bodies/contract.ts'
import { checkInlineBlocks } from './content.ts'
import { CorruptRecordError } from './fields.ts'
import { sha256Hex } from './hex.ts'
import type { KeyValueReader } from './kv/contract.ts'
import { type FileBody, listChunkCount, readCrcs, readInline, readListChunk } from './list-rows.ts'
import type { ObjectData } from './records.ts'

export type ContentSource = {
  readonly reader: KeyValueReader
  readonly bodies: Pick<Bodies, 'open'>
  /** Told of every piece that was read; what it waits for is the reader's pace. */
  readonly onRead: (byteCount: number) => Promise<void>
}

export type Content =
  | { readonly kind: 'whole' }
  /** Its bytes are other ones than those that were written, or gone. */
  | { readonly kind: 'damaged'; readonly problem: string }
  /** The disk does not give them out, now or for good: what they are is not known. */
  | { readonly kind: 'unread'; readonly problem: string }

/** What is wrong first; what follows it was not looked at. */
export async function judgeContent(source: ContentSource, object: ObjectData): Promise<Content> {
  try {
    await checkContent(source, object)
    return { kind: 'whole' }
  } catch (error) {
    const problem = damage(error)
    if (problem === null) throw error
    return { kind: isFailedRead(error) ? 'unread' : 'damaged', problem }
  }
}

/** null: whole. Otherwise what is wrong first, also a disk that does not give the bytes out. */
export async function contentProblem(source: ContentSource, object: ObjectData): Promise<string | null> {
  const content = await judgeContent(source, object)
  return content.kind === 'whole' ? null : content.problem
}

/** A disk that fails a read says nothing of the bytes: it may read again. */
export function isFailedRead(error: unknown): boolean {
  const cause = error instanceof BodyCorruptError ? error.cause : error
  return cause instanceof Error && 'code' in cause
}

/** null: the body of a part, or of a list, is whole. */
export function bodyProblem(source: ContentSource, body: Omit<FileBody, 'checksum'>): Promise<string | null> {
  return problemOf(() => checkBody(source, body))
}

/** What damage makes of `work`: null or a sentence. Any other error goes up. */
export async function problemOf(work: () => Promise<void>): Promise<string | null> {
  const done = await unlessDamaged(work)
  return done.kind === 'damaged' ? done.problem : null
}

export type UnlessDamaged<Value> =
  | { readonly kind: 'whole'; readonly value: Value }
  | { readonly kind: 'damaged'; readonly problem: string }

/** What `work` gives, or the sentence that damage makes of it. Any other error goes up. */
export async function unlessDamaged<Value>(
  work: () => Value | Promise<Value>,
): Promise<UnlessDamaged<Value>> {
  try {
    return { kind: 'whole', value: await work() }
  } catch (error) {
    const problem = damage(error)
    if (problem === null) throw error
    return { kind: 'damaged', problem }
  }
}

/** Rows are decoded, blocks checked, and a bad disk fails a read. What is asserted of a row that is damaged is told too: a verification goes on. */
function damage(error: unknown): string | null {
  const isDamage =
    error instanceof CorruptRecordError ||
    error instanceof AssertionError ||
    error instanceof BodyMissingError ||
    error instanceof BodyCorruptError
  if (isDamage) return error.message
  return error instanceof Error && 'code' in error && error.code === 'EIO'
    ? `cannot be read: ${error.message}`
    : null
}

async function checkContent(source: ContentSource, object: ObjectData): Promise<void> {
  const sizeBytes =
    object.content.storage === 'inline'
      ? await checkInline(source, object.content.listId)
      : await checkFiles(source, object)
  if (sizeBytes === object.sizeBytes) return
  throw new CorruptRecordError(`its bodies have ${sizeBytes} bytes, not ${object.sizeBytes}`)
}

async function checkInline({ reader, onRead }: ContentSource, listId: string): Promise<number> {
  const inline = await readInline(reader, listId)
  if (inline === null) throw new BodyMissingError(`list ${listId} is missing`)
  const { bytes, sha256 } = inline
  await onRead(bytes.length)
  checkInlineBlocks(listId, inline)
  const digest = sha256Hex(bytes)
  if (digest !== sha256) throw new BodyCorruptError(`list ${listId} has another SHA-256`)
  return bytes.length
}

async function checkFiles(source: ContentSource, { content }: ObjectData): Promise<number> {
  let bodyCount = 0
  let sizeBytes = 0
  for (let index = 0; index < listChunkCount(content.bodyCount); index += 1) {
    const chunk = await readListChunk(source.reader, content.listId, index)
    if (chunk === null) throw new BodyMissingError(`chunk ${index} of list ${content.listId} is missing`)
    if (chunk.startByte !== sizeBytes)
      throw new CorruptRecordError(`chunk ${index} of list ${content.listId} begins at another byte`)
    for (const body of chunk.bodies) {
      await checkBody(source, body)
      sizeBytes += body.sizeBytes
    }
    bodyCount += chunk.bodies.length
  }
  if (bodyCount === content.bodyCount) return sizeBytes
  throw new CorruptRecordError(`list ${content.listId} has ${bodyCount} bodies, not ${content.bodyCount}`)
}

async function checkBody(
  { reader, bodies, onRead }: ContentSource,
  body: Omit<FileBody, 'checksum'>,
): Promise<void> {
  const range = { startByte: 0, endByteExclusive: body.sizeBytes }
  const crcs = await readCrcs(reader, body, range)
  if (crcs === null) throw new CorruptRecordError(`body ${body.bodyId} has no checksums`)
  const hash = createHash('sha256')
  const chunks = bodies.open(body, crcs, range)
  for await (const chunk of chunks) {
    hash.update(chunk)
    const byteCount = chunk.length
    chunks.recycle(chunk)
    await onRead(byteCount)
  }
  if (hash.digest('hex') !== body.sha256)
    throw new BodyCorruptError(`body ${body.bodyId} has another SHA-256`)
}
