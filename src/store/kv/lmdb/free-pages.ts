/**
 * Which pages at the end of LMDB's file are free, read without LMDB: a commit that takes pages and gives them back never writes
 * them, so a whole file may be shorter than its root says. Layouts: mdb.c of the library (MDB_page, MDB_node, MDB_ovpage, MDB_IDL).
 */
import type { FileHandle } from 'node:fs/promises'
import { CorruptRecordError } from '../../fields.ts'

export const pageHeaderBytes = 24
const nodeHeaderBytes = 8
const flags = { branch: 0x01, leaf: 0x02, overflow: 0x04 } as const
const bigData = 0x01

export type PagedFile = {
  readonly handle: FileHandle
  readonly pageBytes: number
  /** Whole pages that the file has. */
  readonly pageCount: number
}

/** From the first page to the one before the end. */
type Range = { readonly first: number; readonly end: number }

/** Whether all pages from `first` to the one before `end` are free. Throws CorruptRecordError where that cannot be read. */
export async function areFree(file: PagedFile, root: number | null, { first, end }: Range): Promise<boolean> {
  if (root === null) return first >= end
  const ranges: Range[] = []
  for await (const range of freeRanges(file, [root])) if (range.end > first) ranges.push(range)
  let covered = first
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    if (range.first > covered) break
    covered = Math.max(covered, range.end)
  }
  return covered >= end
}

async function* freeRanges(file: PagedFile, roots: number[]): AsyncGenerator<Range> {
  const waiting = roots
  for (let visited = 0; ; visited += 1) {
    const number = waiting.pop()
    if (number === undefined) return
    // A tree has no page twice.
    if (visited >= file.pageCount) throw unreadable()
    const page = await readPages(file, number, 1)
    const kind = page.readUInt16LE(18)
    if (kind !== flags.branch && kind !== flags.leaf) throw unreadable()
    for (const node of nodesOf(page)) {
      if (kind === flags.branch) waiting.push(node.readUIntLE(0, 6))
      else yield* rangesOf(await listOf(file, node))
    }
  }
}

/** Each from its header to the end of the page. Offsets, and where the table of them ends, count from behind the page's header. */
function nodesOf(page: Buffer): readonly Buffer[] {
  const content = page.subarray(pageHeaderBytes)
  const tableBytes = page.readUInt16LE(20)
  if (tableBytes > content.length) throw unreadable()
  return Array.from({ length: tableBytes / 2 }, (_, index) => {
    const offset = content.readUInt16LE(index * 2)
    if (offset + nodeHeaderBytes > content.length) throw unreadable()
    return content.subarray(offset)
  })
}

async function listOf(file: PagedFile, node: Buffer): Promise<Buffer> {
  const sizeBytes = node.readUInt32LE(0)
  const start = nodeHeaderBytes + node.readUInt16LE(6)
  const isBig = (node.readUInt16LE(4) & bigData) !== 0
  if (start + (isBig ? 8 : sizeBytes) > node.length) throw unreadable()
  if (!isBig) return node.subarray(start, start + sizeBytes)
  const count = Math.ceil((pageHeaderBytes + sizeBytes) / file.pageBytes)
  const pages = await readPages(file, Number(node.readBigUInt64LE(start)), count)
  if (pages.readUInt16LE(18) !== flags.overflow) throw unreadable()
  return pages.subarray(pageHeaderBytes, pageHeaderBytes + sizeBytes)
}

/** A list is its length and so many numbers: a page, nothing (0), or how many there are, negated, before the first of them. */
function* rangesOf(list: Buffer): Generator<Range> {
  const numbers = Array.from({ length: Math.floor(list.length / 8) }, (_, index) =>
    Number(list.readBigInt64LE(index * 8)),
  )
  const [length = 0] = numbers
  if (length >= numbers.length && length > 0) throw unreadable()
  for (let index = 1; index <= length; index += 1) {
    const number = numbers[index] ?? 0
    if (number > 0) yield { first: number, end: number + 1 }
    if (number >= 0) continue
    index += 1
    const first = numbers[index] ?? 0
    yield { first, end: first - number }
  }
}

async function readPages(
  { handle, pageBytes, pageCount }: PagedFile,
  first: number,
  count: number,
): Promise<Buffer> {
  if (!Number.isSafeInteger(first) || first + count > pageCount) throw unreadable()
  const sizeBytes = count * pageBytes
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(sizeBytes), 0, sizeBytes, first * pageBytes)
  if (bytesRead < sizeBytes || Number(buffer.readBigUInt64LE(0)) !== first) throw unreadable()
  return buffer
}

function unreadable(): CorruptRecordError {
  return new CorruptRecordError('its list of free pages cannot be read')
}
