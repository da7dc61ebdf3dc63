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

let full: Buffer
let short: Buffer
beforeAll(async () => {
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
  ['the newest root counts more pages than there are', inNewest(at.lastPage, 3), 'was cut off'],
  ['the tree of the newest root is outside', inNewest(at.rowsRoot, 4), 'newest root'],
  ['it lacks its last page', () => full.subarray(0, full.length - pageBytes), 'was cut off'],
  ['it lacks its last byte', () => full.subarray(0, full.length - 1), 'was cut off'],
  ['it is cut off in the middle', () => full.subarray(0, 10 * pageBytes), 'was cut off'],
  ['it has its roots alone', () => full.subarray(0, 2 * pageBytes), 'was cut off'],
  ['it has one root and a half', () => full.subarray(0, pageBytes + 50), 'was cut off'],
  ['it has some bytes', () => full.subarray(0, 40), 'was cut off'],
  ['it is short, and lacks more', () => short.subarray(0, short.length / 2), 'was cut off'],
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

  test('shorter than its root counts, by pages that are free: opens, with all rows, and is copied', async () => {
    expect(countedBytes(full)).toBe(full.length)
    expect(countedBytes(short)).toBeGreaterThan(short.length)
    const folder = folderOf(short)
    await copyLmdb(folder, join(folder, 'copy'))
    for (const place of [folder, join(folder, 'copy')]) {
      const kv = await openLmdb({ directory: place })
      for (const index of [0, 1, 2, 3, 4]) expect((await kv.get(key(index)))?.[0]).toBe(index)
      await kv.close()
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
