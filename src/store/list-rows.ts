/**
 * The rows behind an object's bytes: chunks of an immutable list of bodies, and the CRC32C rows of each file. An
 * inline list is one chunk: a header and the bytes.
 */
import { assert } from '../lib/assert.ts'
import { concatBytes } from '../lib/bytes.ts'
import { limits } from '../lib/limits.ts'
import type { BlockCrcs, ByteRange } from './bodies/contract.ts'
import { checksumAlgorithm } from './codec.ts'
import { CorruptRecordError, corrupt, count, type Decode, listOf, shape, text } from './fields.ts'
import { fileKey, listKey } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import type { ChecksumAlgorithm, ObjectChecksum } from './records.ts'
import { rowCodec, sealRow, unsealRow } from './row-codec.ts'

/** A body that is a file; `sha256` in hex. `checksum`: of the part that it was; null: it was none, or had none. */
export type FileBody = {
  readonly bodyId: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly checksum: ObjectChecksum | null
}

/** At most limits.bodiesPerListChunkMax bodies; `startByte` is where the first begins in the object. */
export type ListChunk = { readonly startByte: number; readonly bodies: readonly FileBody[] }

export type InlineBody = {
  readonly bytes: Uint8Array
  readonly sha256: string
  readonly crcs: readonly number[]
}

type StoredBody = readonly [
  bodyId: string,
  sizeBytes: number,
  sha256: string,
  ...checksum: [] | [algorithm: ChecksumAlgorithm, value: string],
]
type StoredChunk = { readonly startByte: number; readonly bodies: readonly StoredBody[] }
type InlineHeader = { readonly sizeBytes: number; readonly sha256: string; readonly crcs: readonly number[] }

const storedBody: Decode<StoredBody> = (value, where) => {
  if (!Array.isArray(value) || (value.length !== 3 && value.length !== 5)) {
    return corrupt(where, 'id, size, SHA-256 and perhaps checksum of a body')
  }
  const [bodyId, sizeBytes, sha256, algorithm, checksum] = value
  const body = [text(bodyId, where), count(sizeBytes, where), text(sha256, where)] as const
  if (value.length === 3) return body
  return [...body, checksumAlgorithm(algorithm, where), text(checksum, where)]
}
const chunkCodec = rowCodec<StoredChunk>('list', shape({ startByte: count, bodies: listOf(storedBody) }))
const inlineCodec = rowCodec<InlineHeader>(
  'inline list',
  shape({ sizeBytes: count, sha256: text, crcs: listOf(count) }),
)
const headerLengthBytes = 4
const crcRowFormat = 1

export function listChunkCount(bodyCount: number): number {
  return Math.ceil(bodyCount / limits.bodiesPerListChunkMax)
}

/** Writes the chunks of a list that nobody has yet. */
export function putList(transaction: KeyValueTransaction, listId: string, bodies: readonly FileBody[]): void {
  assert(bodies.length > 0, 'a list has a body')
  const perChunk = limits.bodiesPerListChunkMax
  let startByte = 0
  for (let chunkIndex = 0; chunkIndex < listChunkCount(bodies.length); chunkIndex += 1) {
    const chunk = bodies.slice(chunkIndex * perChunk, (chunkIndex + 1) * perChunk)
    const stored = chunk.map(storedOf)
    const row = listKey(listId, chunkIndex)
    transaction.put(row, chunkCodec.encode(row, { startByte, bodies: stored }))
    startByte += chunk.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }
}

/** null: there is no such chunk, the list was collected. Throws CorruptRecordError. */
export async function readListChunk(
  reader: KeyValueReader,
  listId: string,
  chunkIndex: number,
): Promise<ListChunk | null> {
  const row = listKey(listId, chunkIndex)
  const value = await reader.get(row)
  if (value === null) return null
  const { startByte, bodies } = chunkCodec.decode(row, value)
  return { startByte, bodies: bodies.map(bodyOf) }
}

function storedOf({ bodyId, sizeBytes, sha256, checksum }: FileBody): StoredBody {
  const own = [bodyId, sizeBytes, sha256] as const
  return checksum === null ? own : [...own, checksum.algorithm, checksum.value]
}

/** A part's checksum is of all its bytes, whatever the object's is. */
function bodyOf([bodyId, sizeBytes, sha256, algorithm, value]: StoredBody): FileBody {
  const isThere = algorithm !== undefined && value !== undefined
  return { bodyId, sizeBytes, sha256, checksum: isThere ? { algorithm, type: 'FULL_OBJECT', value } : null }
}

export function putInline(transaction: KeyValueTransaction, listId: string, body: InlineBody): void {
  const { bytes, sha256, crcs } = body
  const row = listKey(listId, 0)
  // The seal is the header's alone: its CRC32C of each block are the bytes' own.
  const header = inlineCodec.encode(row, { sizeBytes: bytes.length, sha256, crcs })
  const length = new Uint8Array(headerLengthBytes)
  new DataView(length.buffer).setUint32(0, header.length)
  transaction.put(row, concatBytes([length, header, bytes]))
}

/** null: the list is gone. Throws CorruptRecordError. */
export async function readInline(reader: KeyValueReader, listId: string): Promise<InlineBody | null> {
  const row = listKey(listId, 0)
  const value = await reader.get(row)
  if (value === null) return null
  if (value.length < headerLengthBytes) throw new CorruptRecordError('stored record: inline list is cut off')
  const headerBytes = new DataView(value.buffer, value.byteOffset).getUint32(0)
  const { sizeBytes, sha256, crcs } = inlineCodec.decode(
    row,
    value.subarray(headerLengthBytes, headerLengthBytes + headerBytes),
  )
  const bytes = value.subarray(headerLengthBytes + headerBytes)
  if (bytes.length !== sizeBytes) throw new CorruptRecordError('stored record: inline list is cut off')
  if (crcs.length !== blockCount(sizeBytes)) return corrupt('inline list', 'with one checksum for each block')
  return { bytes, sha256, crcs }
}

/** Row 0 exists for every file that a part or a list holds, also for an empty one: recovery asks for it. */
export function putFileRows(transaction: KeyValueTransaction, bodyId: string, crcs: Uint32Array): void {
  for (let chunkIndex = 0; chunkIndex < fileRowCount(crcs.length); chunkIndex += 1) {
    const first = chunkIndex * limits.crcsPerFileRowMax
    const row = crcs.subarray(first, first + limits.crcsPerFileRowMax)
    const value = new Uint8Array(1 + row.length * 4)
    value[0] = crcRowFormat
    const view = new DataView(value.buffer)
    row.forEach((crc, index) => {
      view.setUint32(1 + index * 4, crc)
    })
    const key = fileKey(bodyId, chunkIndex)
    transaction.put(key, sealRow(key, value))
  }
}

export function deleteFileRows(
  transaction: KeyValueTransaction,
  body: Pick<FileBody, 'bodyId' | 'sizeBytes'>,
): void {
  const rowCount = fileRowCount(blockCount(body.sizeBytes))
  for (let chunkIndex = 0; chunkIndex < rowCount; chunkIndex += 1)
    transaction.delete(fileKey(body.bodyId, chunkIndex))
}

/**
 * CRC32C of the blocks that a range touches (and a few before: whole rows); null: the file is no longer held. Throws
 * CorruptRecordError.
 */
export async function readCrcs(
  reader: KeyValueReader,
  body: Pick<FileBody, 'bodyId' | 'sizeBytes'>,
  range: ByteRange,
): Promise<BlockCrcs | null> {
  const perRow = limits.crcsPerFileRowMax
  const rowBytes = perRow * limits.bodyBlockBytes
  const firstRow = Math.floor(range.startByte / rowBytes)
  const endRow = Math.max(firstRow + 1, Math.ceil(range.endByteExclusive / rowBytes))
  const rowKeys = Array.from({ length: endRow - firstRow }, (_, index) =>
    fileKey(body.bodyId, firstRow + index),
  )
  const rows = await reader.getMany(rowKeys)
  if (rows.every((row) => row === null)) return null
  const bodyBlocks = blockCount(body.sizeBytes)
  const crcs = new Uint32Array(Math.min(endRow * perRow, bodyBlocks) - firstRow * perRow)
  rows.forEach((row, index) => {
    const first = index * perRow
    const length = Math.min(perRow, crcs.length - first)
    const content = unsealRow('file', rowKeys[index] as Uint8Array, row)
    if (content[0] !== crcRowFormat || content.length !== 1 + length * 4) {
      corrupt('file', 'a row with one checksum for each block')
    }
    const view = new DataView(content.buffer, content.byteOffset)
    for (let block = 0; block < length; block += 1) crcs[first + block] = view.getUint32(1 + block * 4)
  })
  return { firstBlockIndex: firstRow * perRow, crcs }
}

function blockCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / limits.bodyBlockBytes)
}

function fileRowCount(crcCount: number): number {
  return Math.max(1, Math.ceil(crcCount / limits.crcsPerFileRowMax))
}
