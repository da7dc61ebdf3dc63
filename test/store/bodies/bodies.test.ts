import { createHash } from 'node:crypto'
import { chmod, readdir, readFile, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import { shardOf, shardsBetween } from '../../../src/store/bodies/body-id.ts'
import {
  type Bodies,
  BodyCorruptError,
  BodyMissingError,
  BodyTooLargeError,
} from '../../../src/store/bodies/contract.ts'
import { crc32c } from '../../../src/store/bodies/crc32c.ts'
import type { StagedBody } from '../../../src/store/store.ts'
import {
  type BodiesUnderTest,
  bodyPath,
  createBodies,
  fixedClock,
  inChunks,
  openStaged,
  patternBytes,
  readAll,
  wallMs,
} from './support.ts'

const block = limits.bodyBlockBytes
const inlineMax = limits.inlineBodyBytesMax

let underTest: BodiesUnderTest
let bodies: Bodies
beforeEach(async () => {
  underTest = await createBodies()
  bodies = underTest.bodies
})
afterEach(() => underTest.remove())

function stage(bytes: Uint8Array, chunkBytes = 10_000): Promise<StagedBody> {
  return bodies.stage(inChunks(bytes, chunkBytes), { bytesMax: bytes.length })
}

async function published(bytes: Uint8Array): Promise<StagedBody> {
  const staged = await stage(bytes, 65_000)
  await bodies.publish(staged)
  await bodies.settle(staged)
  return staged
}

const stageFiles = () => readdir(join(underTest.directory, 'stage', 'e1-w1'))

describe('stage', () => {
  test('crc32c: the check value of the standard, in one part and in two', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(crc32c(Buffer.from('56789'), crc32c(Buffer.from('1234')))).toBe(0xe3069283)
  })

  test.each([0, 1, block - 1, block, block + 1, 3 * block + 7, 1_500_000])(
    'stage: %i bytes in any chunks, gives size, hashes and block checksums of them',
    async (size) => {
      const bytes = patternBytes(size)
      for (const chunkBytes of [4096, 65_536, 100_003, 3_000_000]) {
        const staged = await stage(bytes, chunkBytes)
        expect(staged.sizeBytes).toBe(size)
        expect(staged.md5).toBe(createHash('md5').update(bytes).digest('hex'))
        expect(staged.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
        const crcs = Array.from({ length: Math.ceil(size / block) }, (_value, index) =>
          crc32c(bytes.subarray(index * block, (index + 1) * block)),
        )
        expect([...staged.blockCrcs]).toEqual(crcs)
        await bodies.discard(staged)
      }
    },
  )

  test('stage: up to the inline limit, stays in memory; one byte more is a file', async () => {
    const small = await stage(patternBytes(inlineMax))
    expect(small.inline).toEqual(patternBytes(inlineMax))
    expect(await stageFiles()).toEqual([])
    const large = await stage(patternBytes(inlineMax + 1))
    expect(large.inline).toBeNull()
    expect((await stageFiles()).length).toBe(1)
  })

  test.each([1000, inlineMax + 1000, 700_000])(
    'stage: one byte above bytesMax of %i, is refused and leaves nothing',
    async (bytesMax) => {
      const body = inChunks(patternBytes(bytesMax + 1), 9000)
      await expect(bodies.stage(body, { bytesMax })).rejects.toBeInstanceOf(BodyTooLargeError)
      expect(await stageFiles()).toEqual([])
      expect((await stage(patternBytes(bytesMax))).sizeBytes).toBe(bytesMax)
    },
  )

  test.each([10, 100, 1000])(
    'stage: a source that fails after %i KiB, rejects with its error and leaves nothing',
    async (kibibytes) => {
      const failure = new Error('the client went away')
      async function* source() {
        for (let index = 0; index < kibibytes; index += 1) yield new Uint8Array(1024)
        throw failure
      }
      await expect(bodies.stage(source(), { bytesMax: 1e9 })).rejects.toBe(failure)
      expect(await stageFiles()).toEqual([])
    },
  )

  test('stage: onChunk, sees all bytes in order; its throw ends the source and leaves nothing', async () => {
    const bytes = patternBytes(300_000)
    const seen: Buffer[] = []
    const staged = await bodies.stage(inChunks(bytes, 7000), {
      bytesMax: 1e9,
      onChunk: (chunk) => seen.push(Buffer.from(chunk)),
    })
    expect(Buffer.concat(seen).equals(bytes)).toBe(true)
    await bodies.discard(staged)
    let isSourceEnded = false
    async function* source() {
      try {
        for (;;) yield new Uint8Array(50_000)
      } finally {
        isSourceEnded = true
      }
    }
    let chunkCount = 0
    const onChunk = () => {
      chunkCount += 1
      if (chunkCount === 4) throw new Error('the checksum of the chunk is wrong')
    }
    await expect(bodies.stage(source(), { bytesMax: 1e9, onChunk })).rejects.toThrow('checksum of the chunk')
    expect(isSourceEnded).toBe(true)
    expect(await stageFiles()).toEqual([])
  })

  test('discard: staged in a file and again, removes the file', async () => {
    const staged = await stage(patternBytes(200_000))
    await bodies.discard(staged)
    await bodies.discard(staged)
    expect(await stageFiles()).toEqual([])
    await expect(bodies.publish(staged)).rejects.toThrow('published once')
  })
})

describe('publish and open', () => {
  test('publish: the file, is the bytes under its id, read-only for everybody, and no longer staged', async () => {
    const bytes = patternBytes(1_234_567)
    const staged = await published(bytes)
    const path = bodyPath(underTest.directory, staged.bodyId)
    expect((await readFile(path)).equals(bytes)).toBe(true)
    expect((await stat(path)).mode & 0o7777).toBe(0o440)
    expect(await stageFiles()).toEqual([])
    expect(staged.bodyId).toMatch(/^[0-9a-f]{32}$/)
    expect(Number.parseInt(staged.bodyId.slice(0, 12), 16)).toBe(wallMs)
    await expect(bodies.publish(staged)).rejects.toThrow('published once')
  })

  test('publish: many at once, all are there with their own bytes', async () => {
    const many = Array.from({ length: 40 }, (_value, index) => patternBytes(70_000 + index * 13_001, index))
    const staged = await Promise.all(many.map(published))
    for (const [index, body] of staged.entries()) {
      expect((await readAll(openStaged(bodies, body))).equals(many[index] ?? Buffer.of())).toBe(true)
    }
  })

  test('open: any range, gives exactly its bytes, recycled or kept', async () => {
    const bytes = patternBytes(5 * 1024 * 1024 + 333)
    const staged = await published(bytes)
    const edges = [
      0,
      1,
      block - 1,
      block,
      block + 1,
      8 * block,
      16 * block,
      16 * block + 1,
      bytes.length - 1,
      bytes.length,
    ]
    const place = fc.oneof(fc.constantFrom(...edges), fc.nat(bytes.length))
    const property = fc.asyncProperty(place, place, fc.boolean(), async (a, b, isRecycled) => {
      const range = { start: Math.min(a, b), end: Math.max(a, b) }
      const reader = openStaged(bodies, staged, range)
      const parts: Buffer[] = []
      const kept: Uint8Array[] = []
      for await (const chunk of reader) {
        parts.push(Buffer.from(chunk))
        if (isRecycled) reader.recycle(chunk)
        else kept.push(chunk)
      }
      expect(Buffer.concat(parts).equals(bytes.subarray(range.start, range.end))).toBe(true)
      if (!isRecycled) expect(Buffer.concat(kept).equals(Buffer.concat(parts))).toBe(true)
    })
    await fc.assert(property, { numRuns: 150 })
  })

  test('open: checksums of only the blocks of the range, are enough; one too few is a mistake', async () => {
    const bytes = patternBytes(10 * block)
    const { bodyId, sizeBytes, blockCrcs } = await published(bytes)
    const range = { startByte: 3 * block + 5, endByteExclusive: 5 * block + 1 }
    const reader = bodies.open(
      { bodyId, sizeBytes },
      { firstBlockIndex: 3, crcs: blockCrcs.subarray(3, 6) },
      range,
    )
    expect((await readAll(reader)).equals(bytes.subarray(range.startByte, range.endByteExclusive))).toBe(true)
    for (const [first, end] of [
      [4, 6],
      [3, 5],
    ] as const) {
      const crcs = { firstBlockIndex: first, crcs: blockCrcs.subarray(first, end) }
      expect(() => bodies.open({ bodyId, sizeBytes }, crcs, range)).toThrow('the checksums')
    }
  })

  test('open: two readers, one recycling, never share a buffer', async () => {
    const [a, b] = [patternBytes(3_000_000, 1), patternBytes(3_000_000, 2)]
    const [stagedA, stagedB] = await Promise.all([published(a), published(b)])
    const readerA = openStaged(bodies, stagedA)
    const iteratorA = readerA[Symbol.asyncIterator]()
    const first = await iteratorA.next()
    const chunk = first.value as Uint8Array
    readerA.recycle(new Uint8Array(chunk.buffer))
    const wholeB = await readAll(openStaged(bodies, stagedB))
    expect(Buffer.from(chunk).equals(a.subarray(0, chunk.length))).toBe(true)
    expect(wholeB.equals(b)).toBe(true)
    await iteratorA.return?.()
  })

  test('open: a consumer that stops, closes the file', async () => {
    const staged = await published(patternBytes(6_000_000))
    const openFiles = async () => (await readdir('/proc/self/fd')).length
    const before = await openFiles()
    for (let round = 0; round < 20; round += 1) {
      for await (const _chunk of openStaged(bodies, staged)) break
    }
    expect(await openFiles()).toBe(before)
  })
})

describe('damage', () => {
  test.each([0, block - 1, block, 2 * block + 5, 4 * block, 20 * block + 9])(
    'open: the byte at %i changed, fails before any byte of its block',
    async (place) => {
      const bytes = patternBytes(20 * block + 10)
      const staged = await published(bytes)
      const path = bodyPath(underTest.directory, staged.bodyId)
      const damaged = Buffer.from(bytes)
      damaged[place] = (bytes[place] ?? 0) ^ 1
      await chmod(path, 0o640)
      await writeFile(path, damaged)
      const given: Uint8Array[] = []
      const read = async () => {
        for await (const chunk of openStaged(bodies, staged)) given.push(chunk)
      }
      await expect(read()).rejects.toBeInstanceOf(BodyCorruptError)
      const blockIndex = Math.floor(place / block)
      await expect(read()).rejects.toThrow(`block ${blockIndex} is damaged`)
      const givenBytes = given.reduce((sum, chunk) => sum + chunk.length, 0)
      expect(givenBytes).toBeLessThanOrEqual(2 * blockIndex * block)
      const other = blockIndex === 0 ? { start: block, end: 2 * block } : { start: 0, end: block }
      expect(
        (await readAll(openStaged(bodies, staged, other))).equals(bytes.subarray(other.start, other.end)),
      ).toBe(true)
    },
  )

  test.each([-1, 1])('open: a file of a size that differs by %i, is damaged', async (difference) => {
    const staged = await published(patternBytes(200_000))
    const path = bodyPath(underTest.directory, staged.bodyId)
    await chmod(path, 0o640)
    await truncate(path, 200_000 + difference)
    const read = readAll(openStaged(bodies, staged, { start: 0, end: 10 }))
    await expect(read).rejects.toBeInstanceOf(BodyCorruptError)
  })

  test('open: an inode that the file system does not read, is damage of this body alone', async () => {
    const staged = await published(patternBytes(200_000))
    const path = bodyPath(underTest.directory, staged.bodyId)
    await unlink(path)
    // ELOOP, which nobody injects; a bad inode is EBADMSG or EUCLEAN.
    await symlink(path, path)
    const read = readAll(openStaged(bodies, staged, { start: 0, end: 10 }))
    await expect(read).rejects.toThrow(
      new BodyCorruptError(`body ${staged.bodyId} cannot be read from the disk`),
    )
  })

  test('remove: a body and again, is gone and reading it says so', async () => {
    const staged = await published(patternBytes(200_000))
    await bodies.remove(staged.bodyId)
    await bodies.remove(staged.bodyId)
    await expect(readAll(openStaged(bodies, staged))).rejects.toBeInstanceOf(BodyMissingError)
  })

  test('remove: while it is being read, lets the reader end', async () => {
    const bytes = patternBytes(8_000_000)
    const staged = await published(bytes)
    const reader = openStaged(bodies, staged)[Symbol.asyncIterator]()
    const first = await reader.next()
    await bodies.remove(staged.bodyId)
    const parts = [first.value as Uint8Array]
    for (let next = await reader.next(); next.done !== true; next = await reader.next())
      parts.push(next.value)
    expect(Buffer.concat(parts).equals(bytes)).toBe(true)
  })
})

describe('folders', () => {
  test('body ids: names that are none, never become a path', async () => {
    for (const name of ['../../../../etc/passwd', '', 'G'.repeat(32), `${'0'.repeat(32)}/`]) {
      await expect(bodies.remove(name)).rejects.toThrow('32 hex digits')
      expect(() =>
        bodies.open(
          { bodyId: name, sizeBytes: 1 },
          { firstBlockIndex: 0, crcs: new Uint32Array(1) },
          { startByte: 0, endByteExclusive: 1 },
        ),
      ).toThrow('32 hex digits')
    }
  })

  test('close: with a body still staged, leaves the folder for the next start', async () => {
    const staged = await stage(patternBytes(300_000))
    await bodies.close()
    expect((await stageFiles()).length).toBe(1)
    await bodies.discard(staged)
    await bodies.close()
    expect(await readdir(join(underTest.directory, 'stage'))).toEqual([])
    await expect(stage(patternBytes(10))).rejects.toThrow('closed')
  })

  test('list: a window of time, names the bodies made in it', async () => {
    let nowMs = wallMs
    const clock = { ...fixedClock, wallMs: () => epochMs(nowMs) }
    const timed = await openBodies({ directory: underTest.directory, epoch: 'e1', worker: 'w3', clock })
    const ids: string[] = []
    for (const atMs of [0, 1, 2 ** 20, 2 ** 28, 2 ** 36]) {
      nowMs = wallMs + atMs
      const staged = await timed.stage(inChunks(patternBytes(100_000), 50_000), { bytesMax: 1e6 })
      await timed.publish(staged)
      ids.push(staged.bodyId)
    }
    const within = async (fromMs: number, toMs: number) => {
      const found: string[] = []
      for await (const id of bodies.list({ fromMs: wallMs + fromMs, toMs: wallMs + toMs })) found.push(id)
      return found.sort()
    }
    expect(await within(0, 0)).toEqual(ids.slice(0, 1))
    expect(await within(1, 2 ** 20)).toEqual(ids.slice(1, 3))
    expect(await within(0, 2 ** 28 - 1)).toEqual(ids.slice(0, 3))
    expect(await within(0, 2 ** 40)).toEqual(ids)
    expect(await within(2 ** 36, 2 ** 36)).toEqual(ids.slice(4))
  })

  test('shards: of any id, are among those of a window around its time', () => {
    const time = fc.integer({ min: 0, max: 2 ** 44 })
    const property = fc.property(time, fc.nat(1e9), fc.nat(1e9), (ms, before, after) => {
      const id = ms.toString(16).padStart(12, '0') + '0'.repeat(20)
      const shards = shardsBetween(ms - before, ms + after).map((shard) => shard.join('/'))
      expect(shards).toContain(shardOf(id).join('/'))
      expect(new Set(shards).size).toBe(shards.length)
    })
    fc.assert(property)
  })

  test('ballast: made, made again and released, is there once and gone', async () => {
    expect(await bodies.ensureBallast()).toBe(true)
    expect(await bodies.ensureBallast()).toBe(true)
    const names = async () =>
      (await readdir(underTest.directory)).filter((name) => name.startsWith('ballast'))
    expect(await names()).toEqual(['ballast'])
    const { blocks, size } = await stat(join(underTest.directory, 'ballast'))
    expect(size).toBe(limits.ballastBytes)
    expect(blocks * 512).toBeGreaterThanOrEqual(limits.ballastBytes)
    await bodies.releaseBallast()
    await bodies.releaseBallast()
    expect(await names()).toEqual([])
  })

  test('ballast: what a killed server had begun of one, goes; what this one writes, stays', async () => {
    const names = async () =>
      (await readdir(underTest.directory)).filter((name) => name.startsWith('ballast')).toSorted()
    expect(await bodies.ensureBallast()).toBe(true)
    const own = 'ballast.e1-other'
    for (const name of ['ballast.killed-w0', own]) await writeFile(join(underTest.directory, name), 'part')
    expect(await bodies.ensureBallast()).toBe(true)
    expect(await names()).toEqual(['ballast', own])
  })

  test('freeSpace: of the volume, is part of the whole', async () => {
    const { availableBytes, totalBytes } = await bodies.freeSpace()
    expect(availableBytes).toBeGreaterThan(0)
    expect(totalBytes).toBeGreaterThan(availableBytes)
  })
})
