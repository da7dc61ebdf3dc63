/** The store's file, damaged or cut off: words where the library would end the process, and never a word of a whole one. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { copyLmdb } from '../../../src/store/kv/lmdb/copy.ts'
import { type Environment, openEnvironment } from '../../../src/store/kv/lmdb/environment.ts'
import { openLmdb, openServedLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { demandWholeFile } from '../../../src/store/kv/lmdb/whole-file.ts'

const pageBytes = 4096
/** In both roots, from the begin of their pages: see MDB_page and MDB_meta of the library. */
const at = {
  flags: 18,
  magic: 24,
  version: 28,
  pageBytes: 48,
  freeLists: 80,
  freeRoot: 88,
  rowsRoot: 136,
  lastPage: 144,
  transaction: 152,
}
const directory = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-whole-file-')))
afterAll(() => rmSync(directory, { recursive: true }))

const key = (index: number) => Buffer.from(`key ${index}`)

/** A commit that takes pages and gives them back: LMDB never writes them, and counts them all the same. */
function commitAndTakeBack(environment: Environment, count: number): Promise<void> {
  return environment.write((view) => {
    for (let index = 0; index < count; index += 1) view.put(key(index), new Uint8Array(20_000).fill(index))
    for (let index = 5; index < count; index += 1) view.remove(key(index))
  })
}

async function makeStore(name: string, commits: readonly number[]): Promise<string> {
  const folder = join(directory, name)
  mkdirSync(folder)
  const environment = openEnvironment({ directory: folder, access: 'readWrite', reads: 'inOrder' })
  for (const count of commits) await commitAndTakeBack(environment, count)
  await environment.close()
  return folder
}

/** Bytes that the file would have if all pages were written that its newest root counts. */
function countedBytes(file: Buffer): number {
  const newest =
    file.readBigUInt64LE(at.transaction) >= file.readBigUInt64LE(pageBytes + at.transaction) ? 0 : pageBytes
  return (Number(file.readBigUInt64LE(newest + at.lastPage)) + 1) * pageBytes
}

const scatteredRows = 4000

/** Thousands of free pages, none beside another, taken up by the library and written anew as several lists; then a file too short. */
async function makeScattered(): Promise<string> {
  const folder = join(directory, 'scattered')
  mkdirSync(folder)
  const environment = openEnvironment({ directory: folder, access: 'readWrite', reads: 'inOrder' })
  await environment.write((view) => {
    for (let index = 0; index < scatteredRows; index += 1)
      view.put(key(index), new Uint8Array(3000).fill(index))
  })
  await environment.write((view) => {
    for (let index = 5; index < scatteredRows; index += 2) view.remove(key(index))
  })
  for (const index of [0, 1, 2, 3, 4])
    await environment.write((view) => view.put(key(index), new Uint8Array(3000).fill(index)))
  await environment.write((view) => {
    for (const name of ['a', 'b']) view.put(Buffer.from(name), new Uint8Array(100_000))
    for (const name of ['a', 'b']) view.remove(Buffer.from(name))
  })
  await environment.close()
  return folder
}

/** The file as if the library had lost pages at its end: counted, but neither free nor in a tree. */
function countingMore(file: Buffer, pages: bigint): Buffer {
  const counting = Buffer.from(file)
  const place = newestRoot(file) + at.lastPage
  counting.writeBigUInt64LE(file.readBigUInt64LE(place) + pages, place)
  return counting
}

/** The nodes of a tree that is one page, from their data on: see MDB_node of the library. */
function nodesOf(file: Buffer, root: number): readonly { isBig: boolean; sizeBytes: number; data: Buffer }[] {
  const page = file.subarray(Number(file.readBigUInt64LE(newestRoot(file) + root)) * pageBytes)
  expect(page.readUInt16LE(at.flags)).toBe(0x02)
  return Array.from({ length: page.readUInt16LE(20) / 2 }, (_, index) => {
    const node = page.subarray(24 + page.readUInt16LE(24 + 2 * index))
    const data = node.subarray(8 + node.readUInt16LE(6))
    return { isBig: node.readUInt16LE(4) === 1, sizeBytes: node.readUInt32LE(0), data }
  })
}

function freeListsOf(file: Buffer): readonly Buffer[] {
  return nodesOf(file, at.freeRoot).map(({ isBig, sizeBytes, data }) => {
    const list = isBig ? file.subarray(Number(data.readBigUInt64LE(0)) * pageBytes + 24) : data
    return list.subarray(0, sizeBytes)
  })
}

let full: Buffer
let short: Buffer
let scattered: Buffer
beforeAll(async () => {
  scattered = readFileSync(join(await makeScattered(), 'data.mdb'))
  full = readFileSync(join(await makeStore('full', [5, 5, 5]), 'data.mdb'))
  short = readFileSync(join(await makeStore('short', [40, 60, 200]), 'data.mdb'))
})

let folders = 0
function folderOf(file: Uint8Array): string {
  folders += 1
  const folder = join(directory, `store-${folders}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'data.mdb'), file)
  return folder
}

function changed(change: (file: Buffer) => void): Buffer {
  const file = Buffer.from(full)
  change(file)
  return file
}

const newestRoot = (file: Buffer): number =>
  file.readBigUInt64LE(at.transaction) > file.readBigUInt64LE(pageBytes + at.transaction) ? 0 : pageBytes
const inNewest = (offset: number, bytes: number) => () =>
  changed((file) => file.fill(0xee, newestRoot(file) + offset, newestRoot(file) + offset + bytes))

function withRowBehindTheEnd(): Buffer {
  const file = countingMore(full, 10n)
  const { isBig, data } = nodesOf(file, at.rowsRoot)[0] ?? expect.fail('no row')
  expect(isBig).toBe(true)
  data.writeBigUInt64LE(BigInt(file.length / pageBytes - 1), 0)
  return file
}

/** A list that ends with a count, as where the library cuts a long one in two. What stands behind its end is no page of it. */
function withFreePagesBehindAList(): Buffer {
  const file = withRowBehindTheEnd()
  const list =
    freeListsOf(file).find((numbers) => numbers.length >= 24) ?? expect.fail('no list has two numbers')
  list.writeBigInt64LE(1n, 0)
  list.writeBigInt64LE(-10n, 8)
  list.writeBigUInt64LE(BigInt(file.length / pageBytes), 16)
  return file
}

const damages: readonly (readonly [string, () => Uint8Array, string])[] = [
  ['both roots are random', () => changed((file) => randomBytes(2 * pageBytes).copy(file)), 'root'],
  ['both roots are zeros', () => changed((file) => file.fill(0, 0, 2 * pageBytes)), 'root'],
  ['the first root is zeros', () => changed((file) => file.fill(0, 0, pageBytes)), 'first root'],
  [
    'the first root is no root by its flags',
    () => changed((file) => file.writeUInt16LE(2, at.flags)),
    'first root',
  ],
  [
    'the first root is of another program',
    () => changed((file) => file.writeUInt8(0, at.magic)),
    'first root',
  ],
  [
    'the first root is of another version',
    () => changed((file) => file.writeUInt8(9, at.version)),
    'first root',
  ],
  ['the page size is none', () => changed((file) => file.writeUInt32LE(4095, at.pageBytes)), 'root'],
  [
    'the second root is rubbish with a higher number',
    () => changed((file) => file.fill(0x7f, pageBytes, 2 * pageBytes)),
    'newest root',
  ],
  ['the newest root names a last page that cannot be', inNewest(at.lastPage, 8), 'newest root'],
  ['the newest root counts more pages than can be mapped', inNewest(at.lastPage, 5), 'newest root'],
  ['the tree of the newest root is outside', inNewest(at.rowsRoot, 4), 'newest root'],
  ['it lacks its last page', () => full.subarray(0, full.length - pageBytes), 'was cut off'],
  ['it lacks its last byte', () => full.subarray(0, full.length - 1), 'was cut off'],
  ['it is cut off in the middle', () => full.subarray(0, 10 * pageBytes), 'was cut off'],
  ['it has its roots alone', () => full.subarray(0, 2 * pageBytes), 'was cut off'],
  ['it has one root and a half', () => full.subarray(0, pageBytes + 50), 'was cut off'],
  ['it has some bytes', () => full.subarray(0, 40), 'was cut off'],
  ['it is short, and lacks more', () => short.subarray(0, short.length / 2), 'was cut off'],
  ['it is short, and lacks one page more', () => short.subarray(0, short.length - pageBytes), 'was cut off'],
  [
    'it has free pages all over, and lacks more',
    () => scattered.subarray(0, scattered.length / 2),
    'was cut off',
  ],
  [
    'the library lost pages, and it lacks its last one',
    () => countingMore(short, 3n).subarray(0, short.length - pageBytes),
    'was cut off',
  ],
  ['it lacks but the last pages of a row', withRowBehindTheEnd, 'was cut off'],
  [
    'it lacks pages of a row, which stand behind the end of a free list',
    withFreePagesBehindAList,
    'was cut off',
  ],
  ['it is text', () => Buffer.alloc(20_000, 'years of work '), 'root'],
]

describe("the store's file", () => {
  test.each(damages)(
    'damaged: %s, is refused with its name and what is wrong, by whoever opens it',
    async (_name, file, what) => {
      const folder = folderOf(file())
      const openers = [
        () => openLmdb({ directory: folder }),
        () => openLmdb({ directory: folder, readOnly: true }),
        () => openServedLmdb({ directory: folder }),
        () => copyLmdb(folder, join(folder, 'copy')),
      ]
      for (const opener of openers) {
        const answer = await opener().catch((error: unknown) => error)
        expect(answer).toBeInstanceOf(CorruptRecordError)
        expect(String(answer)).toMatch(
          new RegExp(`${join(folder, 'data.mdb')} is damaged: .*${what}.*: restore a backup`),
        )
      }
    },
  )

  test('empty: is refused to whoever only reads, and made by whoever writes', async () => {
    const folder = folderOf(new Uint8Array(0))
    await expect(openLmdb({ directory: folder, readOnly: true })).rejects.toThrow('is damaged: it is empty')
    await (await openLmdb({ directory: folder })).close()
    await demandWholeFile(join(folder, 'data.mdb'), 'readOnly')
  })

  test('with an older root that is damaged: opens, with all rows', async () => {
    const older = pageBytes - newestRoot(full)
    // The library reads the page size in the first one, whichever is newer.
    const file = changed((bytes) => bytes.fill(0, older === 0 ? at.rowsRoot : pageBytes, older + pageBytes))
    const kv = await openLmdb({ directory: folderOf(file), readOnly: true })
    expect((await kv.get(key(4)))?.length).toBe(20_000)
    await kv.close()
  })

  test('whole: its root counts no more than there is', () => {
    expect(countedBytes(full)).toBe(full.length)
  })

  test('free pages all over: has several lists of them', () => {
    expect(Number(scattered.readBigUInt64LE(newestRoot(scattered) + at.freeLists))).toBeGreaterThan(3)
  })

  test.each([
    ['by pages that are free', () => short],
    ['by pages of several free lists', () => scattered],
    ['by a page that the library lost', () => countingMore(full, 1n)],
    ['by pages that are free, and one that the library lost', () => countingMore(short, 1n)],
    ['by pages of several free lists, and one that the library lost', () => countingMore(scattered, 1n)],
    [
      'by all that were free, whose lists the library lost',
      () => {
        const file = Buffer.from(short)
        for (const list of freeListsOf(file)) list.fill(0)
        return file
      },
    ],
  ])('shorter than its root counts, %s: opens, with all rows, is copied and written', async (_name, made) => {
    const file = made()
    expect(countedBytes(file)).toBeGreaterThan(file.length)
    const folder = folderOf(file)
    await copyLmdb(folder, join(folder, 'copy'))
    for (const place of [folder, join(folder, 'copy')]) {
      const kv = await openLmdb({ directory: place })
      for (const index of [0, 1, 2, 3, 4]) expect((await kv.get(key(index)))?.[0]).toBe(index)
      await kv.close()
      const environment = openEnvironment({ directory: place, access: 'readWrite', reads: 'inOrder' })
      await environment.write((view) => view.put(key(5), new Uint8Array(200_000).fill(5)))
      await environment.close()
      const written = await openLmdb({ directory: place, readOnly: true })
      expect((await written.get(key(5)))?.length).toBe(200_000)
      await written.close()
    }
  })

  test('while commits grow it, and take pages and give them back: is never refused', async () => {
    const folder = join(directory, 'busy')
    mkdirSync(folder)
    const path = join(folder, 'data.mdb')
    const environment = openEnvironment({ directory: folder, access: 'readWrite', reads: 'inOrder' })
    let isOver = false
    const writing = (async () => {
      // Some take more pages than there are free ones.
      for (let count = 10; !isOver; count = count < 200 ? count + 10 : 10)
        await commitAndTakeBack(environment, count)
    })()
    for (let looks = 0; looks < 60; looks += 1) await demandWholeFile(path, 'readOnly')
    isOver = true
    await writing
    await environment.close()
  })
})
