/**
 * What the trees of LMDB's file name, read without LMDB: a commit that takes pages and gives them back never writes them, so a whole
 * file may be shorter than its root says. Layouts: mdb.c of the library (MDB_page, MDB_node, MDB_ovpage, MDB_IDL).
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
  const ranges: Range[] = []
  for await (const page of leavesOf(file, root)) {
    for (const node of nodesOf(page))
      for (const range of rangesOf(await listOf(file, node))) if (range.end > first) ranges.push(range)
  }
  let covered = first
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    if (range.first > covered) break
    covered = Math.max(covered, range.end)
  }
  return covered >= end
}

/** Throws CorruptRecordError unless the file has every page that the trees name: all that is ever read. Reads all but overflow pages. */
export async function demandNamedPages(file: PagedFile, roots: readonly (number | null)[]): Promise<void> {
  for (const root of roots) {
    for await (const page of leavesOf(file, root)) for (const node of nodesOf(page)) dataOf(file, node)
  }
}

async function* leavesOf(file: PagedFile, root: number | null): AsyncGenerator<Buffer> {
  const waiting = root === null ? [] : [root]
  for (let visited = 0; ; visited += 1) {
    const number = waiting.pop()
    if (number === undefined) return
    // A tree has no page twice.
    if (visited >= file.pageCount) throw unreadable()
    const page = await readPages(file, { first: number, end: number + 1 })
    const kind = page.readUInt16LE(18)
    if (kind === flags.leaf) yield page
    else if (kind === flags.branch) for (const node of nodesOf(page)) waiting.push(node.readUIntLE(0, 6))
    else throw unreadable()
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

type Data = { readonly sizeBytes: number; readonly inLeaf: Buffer; readonly overflow: Range | null }

/** Where the data of a leaf's node are: behind its key, or in pages of their own, which the file has. */
function dataOf(file: PagedFile, node: Buffer): Data {
  const sizeBytes = node.readUInt32LE(0)
  const start = nodeHeaderBytes + node.readUInt16LE(6)
  const nodeFlags = node.readUInt16LE(4)
  // No other flag: the store keeps neither duplicates nor trees inside of its trees.
  if (nodeFlags !== 0 && nodeFlags !== bigData) throw unreadable()
  const inLeafBytes = nodeFlags === bigData ? 8 : sizeBytes
  if (start + inLeafBytes > node.length) throw unreadable()
  const inLeaf = node.subarray(start, start + inLeafBytes)
  if (nodeFlags === 0) return { sizeBytes, inLeaf, overflow: null }
  const first = Number(inLeaf.readBigUInt64LE(0))
  const overflow = { first, end: first + Math.ceil((pageHeaderBytes + sizeBytes) / file.pageBytes) }
  demandInside(file, overflow)
  return { sizeBytes, inLeaf, overflow }
}

async function listOf(file: PagedFile, node: Buffer): Promise<Buffer> {
  const { sizeBytes, inLeaf, overflow } = dataOf(file, node)
  if (overflow === null) return inLeaf
  const pages = await readPages(file, overflow)
  if (pages.readUInt16LE(18) !== flags.overflow) throw unreadable()
  return pages.subarray(pageHeaderBytes, pageHeaderBytes + sizeBytes)
}

/**
 * A list is its length and so many numbers: a page, nothing (0), or how many there are, negated, before the first of them. The
 * library cuts a long one into several records, and may lose what stands at a cut: what is not in a list says nothing.
 */
function* rangesOf(list: Buffer): Generator<Range> {
  const numbers = Array.from({ length: Math.floor(list.length / 8) }, (_, index) =>
    Number(list.readBigInt64LE(index * 8)),
  )
  const [length = 0] = numbers
  if (length >= numbers.length) return
  for (let index = 1; index <= length; index += 1) {
    const number = numbers[index] ?? 0
    if (number > 0) yield { first: number, end: number + 1 }
    if (number >= 0) continue
    index += 1
    const first = numbers[index] ?? 0
    if (index <= length) yield { first, end: first - number }
  }
}

async function readPages(file: PagedFile, range: Range): Promise<Buffer> {
  demandInside(file, range)
  const { first, end } = range
  const sizeBytes = (end - first) * file.pageBytes
  const { buffer, bytesRead } = await file.handle.read(
    Buffer.alloc(sizeBytes),
    0,
    sizeBytes,
    first * file.pageBytes,
  )
  if (bytesRead < sizeBytes || Number(buffer.readBigUInt64LE(0)) !== first) throw unreadable()
  return buffer
}

function demandInside({ pageCount }: PagedFile, { first, end }: Range): void {
  if (!Number.isSafeInteger(first) || end > pageCount) throw unreadable()
}

function unreadable(): CorruptRecordError {
  return new CorruptRecordError('its trees cannot be read')
}
