import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { NoRoomError } from '../../../src/lib/read-only.ts'
import { collectGarbage } from '../../../src/store/collect-garbage.ts'
import { encodeParts, hasPart, putGarbage } from '../../../src/store/garbage-rows.ts'
import { garbageKey, listRefKey } from '../../../src/store/keys.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { bodyFiles, expectClean, expectNothingLost, tableRows } from './consistency.ts'
import {
  anyParts,
  copyVersion,
  createUpload,
  Killed,
  openRig,
  partBytes,
  pattern,
  putBytes,
  putPart,
  type Rig,
  readBytes,
  removeVersion,
} from './rig.ts'
import { actor, engines, sealed } from './support.ts'

const fileBytes = 200_000

/** Every kind of garbage at once, beside things that must stay. */
async function makeGarbage(rig: Rig) {
  const { versions, uploads } = rig
  const kept = await putBytes(versions, 'kept', pattern(fileBytes, 1))
  const copied = await putBytes(versions, 'copied', pattern(fileBytes, 2))
  const copy = await copyVersion(versions, copied, 'copy')
  await removeVersion(versions, copied)
  await removeVersion(versions, await putBytes(versions, 'gone', pattern(fileBytes, 3)))
  await removeVersion(versions, await putBytes(versions, 'small', pattern(100, 4)))
  const aborted = await createUpload(uploads, 'aborted')
  for (const partNumber of [1, 2, 7])
    await putPart(rig, aborted, { partNumber, bytes: pattern(1000, partNumber) })
  await uploads.abort(actor, aborted)
  const address = await createUpload(uploads, 'assembled')
  await putPart(rig, address, { partNumber: 1, bytes: pattern(100, 9) })
  const first = await putPart(rig, address, { partNumber: 1, bytes: pattern(partBytes, 5) })
  const last = await putPart(rig, address, { partNumber: 9, bytes: pattern(10, 6) })
  await putPart(rig, address, { partNumber: 5, bytes: pattern(70_000, 7) })
  const input = { ...address, parts: [first, last], checksum: null, precondition: anyParts }
  const completed = await uploads.complete(actor, input)
  if (completed.kind !== 'completed') throw new Error(completed.kind)
  const { version } = completed
  const assembled = Buffer.concat([pattern(partBytes, 5), pattern(10, 6)])
  return async () => {
    expect((await readBytes(versions, kept)).equals(pattern(fileBytes, 1))).toBe(true)
    expect((await readBytes(versions, copy)).equals(pattern(fileBytes, 2))).toBe(true)
    expect((await readBytes(versions, version)).equals(assembled)).toBe(true)
  }
}

describe.each(engines)('garbage on $name', (engine) => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig(engine)
  })
  afterEach(() => rig.close())

  test('collectGarbage: lists, replaced parts, ended uploads, go; what is referred to stays', async () => {
    const expectAllThere = await makeGarbage(rig)
    // Bodies that are named twice over: kept, copy, gone, three aborted parts, four of the assembled upload.
    expect(await bodyFiles(rig.directory)).toHaveLength(10)
    // gone, aborted, assembled, and the replaced part.
    expect(await rig.collect()).toBe(4)
    await expectClean(rig.kv, rig.directory)
    expect(await bodyFiles(rig.directory)).toHaveLength(4)
    await expectAllThere()
    expect(await rig.collect()).toBe(0)
  })

  test('collectGarbage: by two workers at the same time, ends the same', async () => {
    const expectAllThere = await makeGarbage(rig)
    await Promise.all([rig.collect(), rig.collect(), rig.collect()])
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
    await expectAllThere()
  })

  test('collectGarbage: a version and its last copy, keep the bytes until both are gone', async () => {
    const { versions } = rig
    const version = await putBytes(versions, 'a', pattern(fileBytes, 1))
    const copy = await copyVersion(versions, version, 'b')
    await removeVersion(versions, version)
    expect(await tableRows(rig.kv, 'garbage')).toEqual([])
    expect(await rig.collect()).toBe(0)
    expect((await readBytes(versions, copy)).equals(pattern(fileBytes, 1))).toBe(true)
    await removeVersion(versions, copy)
    expect(await rig.collect()).toBe(1)
    expect(await bodyFiles(rig.directory)).toEqual([])
    await expectClean(rig.kv, rig.directory)
    expect(await tableRows(rig.kv, 'list')).toEqual([])
  })

  test('collectGarbage: a list that is called garbage but has a reference, is kept', async () => {
    const version = await putBytes(rig.versions, 'a', pattern(fileBytes, 1))
    const listId = version.object?.content.listId ?? ''
    await rig.kv.transact(async (transaction) =>
      putGarbage(transaction, listId, { kind: 'list', bodyCount: 1 }),
    )
    expect(await rig.collect()).toBe(0)
    expect(await rig.kv.get(garbageKey(listId))).toBe(null)
    expect((await readBytes(rig.versions, version)).equals(pattern(fileBytes, 1))).toBe(true)
  })

  test('collectGarbage: a row that cannot be read, is left and does not stop the others', async () => {
    await rig.kv.transact(async (transaction) =>
      transaction.put(garbageKey('0'), sealed(garbageKey('0'), '{"format":1}')),
    )
    await removeVersion(rig.versions, await putBytes(rig.versions, 'gone', pattern(fileBytes, 3)))
    expect(await rig.collect()).toBe(1)
    expect(await tableRows(rig.kv, 'garbage')).toHaveLength(1)
    expect(await bodyFiles(rig.directory)).toEqual([])
  })

  test('collectGarbage: told to stop, stops', async () => {
    await makeGarbage(rig)
    const { kv, clock, bodies } = rig
    expect(await collectGarbage({ kv, clock, bodies, log: silentLog }, AbortSignal.abort())).toBe(0)
    expect(await bodyFiles(rig.directory)).toHaveLength(10)
  })

  test('delete: a version whose reference is missing, is refused and nothing is written', async () => {
    const version = await putBytes(rig.versions, 'a', pattern(fileBytes, 1))
    const listId = version.object?.content.listId ?? ''
    await rig.kv.transact(async (transaction) => transaction.delete(listRefKey(listId, version.versionId)))
    await expect(removeVersion(rig.versions, version)).rejects.toThrow('denied')
    expect(await tableRows(rig.kv, 'version')).toHaveLength(1)
    expect(await tableRows(rig.kv, 'garbage')).toEqual([])
  })
})

/** On one engine: the faults are above it. */
describe('garbage killed', () => {
  const memory = engines.filter(({ name }) => name === 'memory')

  test.each(['before', 'after'] as const)(
    'collectGarbage: killed %s any one step, has lost nothing and ends clean when run again',
    async (when) => {
      for (let failAt = 1; ; failAt += 1) {
        const rig = await openRig(memory[0] as (typeof engines)[number])
        try {
          const expectAllThere = await makeGarbage(rig)
          rig.faults.arm(failAt, when)
          const outcome = await rig.collect().catch((error: unknown) => error)
          rig.faults.disarm()
          await expectNothingLost(rig.kv, rig.directory)
          await rig.collect()
          await expectClean(rig.kv, rig.directory)
          await expectAllThere()
          if (!(outcome instanceof Killed)) {
            expect(failAt).toBeGreaterThan(15)
            return
          }
        } finally {
          await rig.close()
        }
      }
    },
  )

  test('collectGarbage: killed again and again, ever later, ends clean', async () => {
    const rig = await openRig(memory[0] as (typeof engines)[number])
    try {
      const expectAllThere = await makeGarbage(rig)
      let outcome: unknown = new Killed()
      for (let failAt = 1; outcome instanceof Killed; failAt += 1) {
        rig.faults.arm(failAt, failAt % 2 === 0 ? 'before' : 'after')
        outcome = await rig.collect().catch((error: unknown) => error)
        await expectNothingLost(rig.kv, rig.directory)
      }
      await expectClean(rig.kv, rig.directory)
      await expectAllThere()
    } finally {
      await rig.close()
    }
  })
})

/** Of a disk that has room for a commit while at most `bodiesMax` bodies are on it; what is known of it is as old as the last look. */
async function openFull() {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-full-'))
  const disk = { bodiesMax: Number.POSITIVE_INFINITY, hasRoom: true, directory: '' }
  const room = {
    recent: () => disk.hasRoom,
    look: async () => {
      disk.hasRoom = (await bodyFiles(disk.directory)).length <= disk.bodiesMax
      return disk.hasRoom
    },
  }
  const kv = await openLmdb({ directory, room })
  const remove = async () => {
    await kv.close()
    await rm(directory, { recursive: true })
  }
  const rig = await openRig({ name: 'a full disk', open: async () => ({ kv, remove }) })
  disk.directory = rig.directory
  const { clock, bodies } = rig
  const collect = () =>
    collectGarbage({ kv: rig.kv, clock, bodies, log: silentLog, room }, new AbortController().signal)
  return { rig, disk, room, collect }
}

describe('garbage on a full disk', () => {
  test('collectGarbage: commits begin as soon as bodies gave room, and what was left before that is done with too', async () => {
    const { rig, disk, room, collect } = await openFull()
    try {
      const expectAllThere = await makeGarbage(rig)
      // Some of the six that may go.
      disk.bodiesMax = 6
      expect(await room.look()).toBe(false)
      expect(await collect()).toBe(4)
      await expectClean(rig.kv, rig.directory)
      await expectAllThere()
    } finally {
      await rig.close()
    }
  })

  test('collectGarbage: while there is no room for commits, all garbage bodies go; their rows follow when there is', async () => {
    const { rig, disk, room, collect } = await openFull()
    try {
      const expectAllThere = await makeGarbage(rig)
      const large = await createUpload(rig.uploads, 'large')
      // More than are removed together.
      for (let partNumber = 1; partNumber <= 101; partNumber += 1)
        await putPart(rig, large, { partNumber, bytes: pattern(10, partNumber) })
      await rig.uploads.abort(actor, large)
      const rows = await tableRows(rig.kv, 'garbage')
      disk.bodiesMax = -1
      expect(await room.look()).toBe(false)
      for (let runs = 0; runs < 2; runs += 1) {
        await expect(collect()).rejects.toBeInstanceOf(NoRoomError)
        expect(await bodyFiles(rig.directory)).toHaveLength(4)
        expect(await tableRows(rig.kv, 'garbage')).toEqual(rows)
        await expectNothingLost(rig.kv, rig.directory)
      }
      disk.bodiesMax = 4
      expect(await collect()).toBe(5)
      await expectClean(rig.kv, rig.directory)
      await expectAllThere()
    } finally {
      await rig.close()
    }
  })
})

test('encodeParts: any part numbers, are found and no others', () => {
  const numbers = [1, 7, 8, 9, 1000, 10_000]
  const bitmap = encodeParts(numbers)
  for (let partNumber = 1; partNumber <= 10_000; partNumber += 1) {
    expect(hasPart(bitmap, partNumber), String(partNumber)).toBe(numbers.includes(partNumber))
  }
  expect(hasPart('', 1)).toBe(false)
})
