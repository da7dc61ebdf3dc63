/**
 * Reads a range of a body: several large reads in flight, each block checked before its bytes are given
 * out.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { assert } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import { errorCode } from '../../platform/files.ts'
import type { BufferPool } from './buffer-pool.ts'
import {
  type BlockCrcs,
  BodyCorruptError,
  BodyMissingError,
  type BodyReader,
  type BodyReference,
  BodyUnavailableError,
  type ByteRange,
} from './contract.ts'
import { crc32c } from './crc32c.ts'

export type ReadBody = {
  readonly path: string
  readonly reference: BodyReference
  readonly crcs: BlockCrcs
  readonly range: ByteRange
  readonly pool: BufferPool
  /** False: the folder of bodies is gone, or another, so no file says anything. */
  readonly isInPlace: () => boolean
}

const blockBytes = limits.bodyBlockBytes

/** Bytes of whole blocks, and the buffer that they lie in if it is one of the pool's. */
type Blocks = { readonly bytes: Buffer; readonly pooled: Buffer | null }
type Read = { readonly offset: number; readonly blocks: Promise<Blocks> }

export function readBody(read: ReadBody): BodyReader {
  const { startByte, endByteExclusive } = read.range
  assert(startByte >= 0 && startByte <= endByteExclusive, 'a range does not end before it starts')
  assert(endByteExclusive <= read.reference.sizeBytes, 'a range ends within the body')
  assertCrcsCover(read)
  return {
    [Symbol.asyncIterator]: () => chunks(read),
    recycle: (chunk) => read.pool.giveBack(chunk),
  }
}

async function* chunks(read: ReadBody): AsyncGenerator<Uint8Array, void, undefined> {
  const { startByte, endByteExclusive } = read.range
  if (startByte === endByteExclusive) return
  const leave = read.pool.enter()
  try {
    yield* chunksOf(read, leave === null ? sparing : ample)
  } finally {
    leave?.()
  }
}

/** Bytes of one read, and how many of them are under way before they are asked for. */
type Pace = { readonly readBytes: number; readonly readsMax: number }

const ample: Pace = { readBytes: limits.bodyReadBytes, readsMax: limits.bodyReadsInFlightMax }
const sparing: Pace = { readBytes: blockBytes, readsMax: 1 }

async function* chunksOf(
  read: ReadBody,
  { readBytes, readsMax }: Pace,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { startByte, endByteExclusive } = read.range
  const handle = await openBody(read)
  const inFlight: Read[] = []
  let nextOffset = startByte - (startByte % blockBytes)
  const readAhead = () => {
    while (inFlight.length < readsMax && nextOffset < endByteExclusive) {
      const blocks = readBlocks(handle, read, { offset: nextOffset, readBytes })
      // Awaited in its turn; until then, or if the consumer stops, a failure must not count as unhandled.
      blocks.catch(() => {})
      inFlight.push({ offset: nextOffset, blocks })
      nextOffset += readBytes
    }
  }
  try {
    readAhead()
    for (let head = inFlight.shift(); head !== undefined; head = inFlight.shift()) {
      const { bytes, pooled } = await head.blocks
      readAhead()
      const from = Math.max(startByte - head.offset, 0)
      const chunk = bytes.subarray(from, Math.min(endByteExclusive - head.offset, bytes.length))
      if (pooled !== null) read.pool.lend(chunk, pooled)
      yield chunk
    }
  } finally {
    for (const settled of await Promise.allSettled(inFlight.map(({ blocks }) => blocks))) {
      if (settled.status === 'fulfilled' && settled.value.pooled !== null)
        read.pool.give(settled.value.pooled)
    }
    await handle.close()
  }
}

async function openBody(read: ReadBody): Promise<FileHandle> {
  const { sizeBytes, bodyId } = read.reference
  const handle = await readStep(read, open(read.path, 'r'))
  try {
    const { size } = await readStep(read, handle.stat())
    if (size !== sizeBytes) throw corrupt(bodyId, `has ${size} bytes, not ${sizeBytes}`)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** A disk that fails concerns this body alone; too many open files, or a volume that is away, none at all. */
async function readStep<Value>(read: ReadBody, step: Promise<Value>): Promise<Value> {
  const { bodyId } = read.reference
  try {
    return await step
  } catch (error) {
    const code = errorCode(error)
    if (code !== null && !read.isInPlace())
      throw new BodyUnavailableError(`body ${bodyId} cannot be opened: its volume is away`, { cause: error })
    switch (code) {
      case 'ENOENT':
        throw new BodyMissingError(`body ${bodyId} is not on the volume`, { cause: error })
      case 'EMFILE':
      case 'ENFILE':
      case 'ENOMEM':
        throw new BodyUnavailableError(`body ${bodyId} cannot be opened now`, { cause: error })
      case null:
        throw error
      default:
        // EIO of a bad sector; EBADMSG, EUCLEAN, ELOOP or EACCES of a bad inode.
        throw new BodyCorruptError(`body ${bodyId} cannot be read from the disk`, { cause: error })
    }
  }
}

/** Reads and checks the whole blocks from `offset` on, one read's worth. */
async function readBlocks(
  handle: FileHandle,
  read: ReadBody,
  { offset, readBytes }: { readonly offset: number; readonly readBytes: number },
): Promise<Blocks> {
  const { sizeBytes, bodyId } = read.reference
  const blocksEnd = Math.min(Math.ceil(read.range.endByteExclusive / blockBytes) * blockBytes, sizeBytes)
  const length = Math.min(readBytes, blocksEnd - offset)
  // A buffer of the pool for a few blocks would hold much more memory than it carries bytes.
  const pooled = length > limits.bodyReadBytes / 4 ? read.pool.take() : null
  const bytes = (pooled ?? Buffer.allocUnsafeSlow(length)).subarray(0, length)
  for (let filled = 0; filled < length; ) {
    const reading = handle.read(bytes, filled, length - filled, offset + filled)
    const { bytesRead } = await readStep(read, reading)
    if (bytesRead === 0) throw corrupt(bodyId, `ends at byte ${offset + filled}`)
    filled += bytesRead
  }
  for (let start = 0; start < length; start += blockBytes) {
    const blockIndex = (offset + start) / blockBytes
    const expected = read.crcs.crcs[blockIndex - read.crcs.firstBlockIndex]
    const actual = crc32c(bytes.subarray(start, Math.min(start + blockBytes, length)))
    if (actual !== expected) throw corrupt(bodyId, `block ${blockIndex} is damaged`)
  }
  return { bytes, pooled }
}

function assertCrcsCover(read: ReadBody): void {
  const { startByte, endByteExclusive } = read.range
  if (startByte === endByteExclusive) return
  const { firstBlockIndex, crcs } = read.crcs
  assert(firstBlockIndex * blockBytes <= startByte, 'the checksums begin at the first block of the range')
  const blocksEnd = (firstBlockIndex + crcs.length) * blockBytes
  assert(blocksEnd >= endByteExclusive, 'the checksums reach the last block of the range')
}

function corrupt(bodyId: string, what: string): BodyCorruptError {
  return new BodyCorruptError(`body ${bodyId} ${what}`)
}
