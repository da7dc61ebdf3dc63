/**
 * LMDB maps its file and follows the numbers in it, whatever they are: a root page that is damaged, or a file that was cut off, ends
 * the process with SIGSEGV or SIGBUS. So the roots are read before. Layouts: mdb.c of the library (MDB_meta, MDB_db).
 */
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode } from '../../../platform/files.ts'
import { CorruptRecordError } from '../../fields.ts'
import { areFree, demandNamedPages, pageHeaderBytes } from './free-pages.ts'

const metaPage = 0x08
const magic = 0xbeefc0de
const dataVersion = 2
const rootBytes = pageHeaderBytes + 144
const [pageBytesMin, pageBytesMax] = [512, 65_536]
/** No tree of the library is deeper. */
const depthMax = 32
/** As much as ext4 gives a file. The library maps what a root counts, twice as it grows, and ends the process where there is no room. */
const countedBytesMax = 2 ** 44
const pauseMs = 20
const looksMax = 100

/** What a commit wrote last. Trees: of the free pages and of the rows; null: nothing is in it. */
type Root = {
  readonly isValid: boolean
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: number
  readonly trees: readonly [Tree, Tree]
}
type Tree = { readonly depth: number; readonly root: number | null }

/** A look at the file. `roots`: the bytes that it was judged by. */
type Look = { readonly roots: Buffer; readonly problem: string | null }

/**
 * Throws CorruptRecordError for a file that LMDB must not open. It may be written to meanwhile: no part of a root but the last page,
 * the trees and the number of the commit ever changes, a commit writes what its root names before the root, and touches nothing
 * that the root before it names. So what was judged between two reads of the same roots is true, and only that is believed; where
 * somebody commits time and again, the store works.
 */
export async function demandWholeFile(path: string, access: 'readWrite' | 'readOnly'): Promise<void> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  try {
    let before: Look | null = null
    for (let looks = 0; looks < looksMax; looks += 1) {
      const found = await look(handle, access)
      if (found.problem === null) return
      if (before?.roots.equals(found.roots) === true) throw damaged(await realpath(path), found.problem)
      before = found
      await pause(pauseMs)
    }
  } finally {
    await handle.close()
  }
}

function damaged(path: string, problem: string): CorruptRecordError {
  return new CorruptRecordError(
    `${path} is damaged: ${problem}. Nothing in it can be read safely: restore a backup (holdfast restore)`,
  )
}

async function look(handle: FileHandle, access: 'readWrite' | 'readOnly'): Promise<Look> {
  const first = await readAt(handle, 0)
  const { pageBytes } = rootOf(first)
  const second = isPageSize(pageBytes) ? await readAt(handle, pageBytes) : Buffer.alloc(0)
  // Read after the roots: what they name is in the file by then.
  const { size: sizeBytes } = await handle.stat()
  const roots = Buffer.concat([first, second])
  // Whoever made the file was ended before the first write: it is made anew.
  if (sizeBytes === 0) return { roots, problem: access === 'readWrite' ? null : 'it is empty' }
  if (sizeBytes < rootBytes || (isPageSize(pageBytes) && sizeBytes < pageBytes + rootBytes))
    return { roots, problem: `it was cut off: it has ${sizeBytes} bytes, less than the two roots of a store` }
  return { roots, problem: await problemOf(handle, [rootOf(first), rootOf(second)], sizeBytes) }
}

async function problemOf(
  handle: FileHandle,
  [first, second]: readonly [Root, Root],
  sizeBytes: number,
): Promise<string | null> {
  if (!first.isValid) return 'its first root is not one of a store'
  // The library takes the newer one by its number alone. What became of the other one it never asks.
  const root = first.transaction >= second.transaction ? first : second
  const { pageBytes, lastPage, trees } = root
  if (!root.isValid || pageBytes !== first.pageBytes) return 'its newest root is not one of a store'
  const isInside = ({ depth, root: page }: Tree) => page === null || (depth <= depthMax && page <= lastPage)
  const cannotBe = 'its newest root names pages that cannot be'
  if (!Number.isSafeInteger(lastPage) || !trees.every(isInside)) return cannotBe
  const pageCount = Math.floor(sizeBytes / pageBytes)
  if (pageCount > lastPage) return null
  if ((lastPage + 1) * pageBytes > countedBytesMax) return cannotBe
  const cutOff =
    `it was cut off, or only a part of it was copied: it has ${sizeBytes} bytes, and its newest root names pages up to byte ` +
    `${(lastPage + 1) * pageBytes}`
  try {
    const file = { handle, pageBytes, pageCount }
    const [freePages, rows] = trees
    // The library may lose free pages as it writes their list. Then what the trees name decides, in as long as they take to read.
    if (!(await areFree(file, freePages.root, { first: pageCount, end: lastPage + 1 })))
      await demandNamedPages(file, [freePages.root, rows.root])
    return null
  } catch (error) {
    if (error instanceof CorruptRecordError) return cutOff
    throw error
  }
}

async function readAt(handle: FileHandle, offset: number): Promise<Buffer> {
  // What is not there is zeros, which are no root.
  const { buffer } = await handle.read(Buffer.alloc(rootBytes), 0, rootBytes, offset)
  return buffer
}

function rootOf(page: Buffer): Root {
  if (page.length < rootBytes) return rootOf(Buffer.alloc(rootBytes))
  const meta = page.subarray(pageHeaderBytes)
  const pageBytes = meta.readUInt32LE(24)
  const isMeta = (page.readUInt16LE(18) & metaPage) !== 0
  const isOurs = meta.readUInt32LE(0) === magic && meta.readUInt16LE(4) === dataVersion
  return {
    isValid: isMeta && isOurs && isPageSize(pageBytes),
    pageBytes,
    lastPage: Number(meta.readBigUInt64LE(120)),
    transaction: Number(meta.readBigUInt64LE(128)),
    trees: [treeOf(meta.subarray(24)), treeOf(meta.subarray(72))],
  }
}

function treeOf(database: Buffer): Tree {
  const root = database.readBigUInt64LE(40)
  return { depth: database.readUInt16LE(6), root: root === 2n ** 64n - 1n ? null : Number(root) }
}

function isPageSize(bytes: number): boolean {
  return bytes >= pageBytesMin && bytes <= pageBytesMax && (bytes & (bytes - 1)) === 0
}
