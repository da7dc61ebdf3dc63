import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { BodyCorruptError, BodyMissingError } from '../../../src/store/bodies/contract.ts'
import { attachParts, detach, openContent, readParts } from '../../../src/store/content.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { fileKey, listKey, listRefPrefix, rangeOf } from '../../../src/store/keys.ts'
import type { KeyValueReader } from '../../../src/store/kv/contract.ts'
import { putFileRows, readCrcs, readInline } from '../../../src/store/list-rows.ts'
import type { ContentRef } from '../../../src/store/records.ts'
import type { StagedBody } from '../../../src/store/store.ts'
import { tableRows } from './consistency.ts'
import { chunks, openRig, pattern, putBytes, type Rig, readBytes } from './rig.ts'
import { engines } from './support.ts'

function bodyPath(directory: string, bodyId: string): string {
  return join(directory, 'bodies', bodyId.slice(3, 5), bodyId.slice(5, 7), bodyId)
}

describe.each(engines)('content on $name', (engine) => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig(engine)
  })
  afterEach(() => rig.close())

  async function list(sizes: readonly number[]): Promise<{ content: ContentRef; bytes: Buffer }> {
    const parts: Buffer[] = []
    const staged: StagedBody[] = []
    for (const [index, size] of sizes.entries()) {
      const bytes = pattern(size, index)
      const body = await rig.bodies.stage(chunks(bytes), { bytesMax: size, place: 'file' })
      await rig.bodies.publish(body)
      staged.push(body)
      parts.push(Buffer.from(bytes))
    }
    const content = await rig.kv.transact(async (transaction) => {
      for (const { bodyId, blockCrcs } of staged) putFileRows(transaction, bodyId, blockCrcs)
      return attachParts(
        transaction,
        staged.map((body) => ({ ...body, checksum: null })),
        'V1',
      )
    })
    return { content, bytes: Buffer.concat(parts) }
  }

  const source = (reader: KeyValueReader) => ({ reader, bodies: rig.bodies, met: null })

  async function sizes(content: ContentRef, afterCount: number, limit: number): Promise<readonly number[]> {
    const parts = await readParts(rig.kv, content, { afterCount, limit })
    return parts.map(({ sizeBytes }) => sizeBytes)
  }

  async function read(content: ContentRef, startByte: number, endByte: number): Promise<Buffer> {
    const found: Uint8Array[] = []
    for await (const chunk of openContent(source(rig.kv), content, { startByte, endByte })) {
      found.push(Uint8Array.from(chunk))
    }
    return Buffer.concat(found)
  }

  test('openContent: any range over bodies of any sizes, gives exactly its bytes', async () => {
    const { content, bytes } = await list([0, 1, 70_000, 65_536, 65_537, 0, 5])
    const at = fc.oneof(
      fc.integer({ min: 0, max: bytes.length + 2 }),
      fc.constantFrom(0, 1, 70_001, 135_537, 201_074),
    )
    await fc.assert(
      fc.asyncProperty(at, at, async (a, b) => {
        const startByte = Math.min(a, b)
        const endByte = Math.max(a, b)
        expect((await read(content, startByte, endByte)).equals(bytes.subarray(startByte, endByte))).toBe(
          true,
        )
      }),
      { numRuns: 60 },
    )
    expect(await sizes(content, 0, 100)).toEqual([0, 1, 70_000, 65_536, 65_537, 0, 5])
    expect(await sizes(content, 2, 2)).toEqual([70_000, 65_536])
    expect(await sizes(content, 7, 2)).toEqual([])
  })

  test('openContent: bytes in the KV and bytes in a file, are the same in any range', async () => {
    for (const length of [0, 1, 65_535, 65_536, 65_537]) {
      const bytes = Buffer.from(pattern(length, length))
      const version = await putBytes(rig.versions, `k${length}`, bytes)
      expect(version.object?.content.storage).toBe(length <= limits.inlineBodyBytesMax ? 'inline' : 'files')
      expect((await readBytes(rig.versions, version)).equals(bytes)).toBe(true)
      const range = { startByte: Math.min(1, length), endByte: Math.min(65_000, length) }
      const expected = bytes.subarray(range.startByte, range.endByte)
      expect((await readBytes(rig.versions, version, range)).equals(expected)).toBe(true)
      const content = version.object?.content as ContentRef
      expect(await sizes(content, 0, 5)).toEqual([length])
    }
  })

  test('openContent: a flipped bit in the KV or in a file, is BodyCorruptError before any byte', async () => {
    const small = await putBytes(rig.versions, 'small', pattern(1000, 1))
    const row = listKey(small.object?.content.listId ?? '', 0)
    const value = (await rig.kv.get(row)) as Uint8Array
    value[value.length - 1] = (value[value.length - 1] as number) ^ 1
    await rig.kv.transact(async (transaction) => transaction.put(row, value))
    await expect(readBytes(rig.versions, small)).rejects.toBeInstanceOf(BodyCorruptError)

    const large = await putBytes(rig.versions, 'large', pattern(100_000, 1))
    const path = bodyPath(rig.directory, large.object?.content.listId ?? '')
    const handle = await open(path, 'r+')
    await handle.write(Uint8Array.of(0xee), 0, 1, 70_000)
    await handle.close()
    const seen: Uint8Array[] = []
    const readTail = async () => {
      for await (const chunk of rig.versions.openBody(large, { startByte: 66_000, endByte: 100_000 }))
        seen.push(chunk)
    }
    await expect(readTail()).rejects.toBeInstanceOf(BodyCorruptError)
    expect(seen).toEqual([])
  })

  test('openContent: content that was collected since the version was read, is BodyMissingError', async () => {
    const { content } = await list([10, 20])
    await rm(bodyPath(rig.directory, content.listId))
    await expect(read(content, 0, 30)).rejects.toBeInstanceOf(BodyMissingError)
    await rig.kv.transact(async (transaction) => transaction.delete(fileKey(content.listId, 0)))
    await expect(read(content, 0, 30)).rejects.toBeInstanceOf(BodyMissingError)
    await rig.kv.transact(async (transaction) => transaction.delete(listKey(content.listId, 0)))
    await expect(read(content, 0, 30)).rejects.toBeInstanceOf(BodyMissingError)
    const parts = readParts(rig.kv, content, { afterCount: 0, limit: 1 })
    await expect(parts).rejects.toBeInstanceOf(BodyMissingError)
    const inline = await putBytes(rig.versions, 'small', pattern(10, 1))
    await rig.kv.transact(async (transaction) =>
      transaction.delete(listKey(inline.object?.content.listId ?? '', 0)),
    )
    await expect(readBytes(rig.versions, inline)).rejects.toBeInstanceOf(BodyMissingError)
  })

  test('list of 1,201 bodies: lies in three rows, and a range is found without reading all', async () => {
    const bodies = Array.from({ length: 1201 }, (_, index) => ({
      bodyId: `b${index}`,
      sizeBytes: 10,
      sha256: 'ab'.repeat(32),
      checksum:
        index % 2 === 0 ? null : ({ algorithm: 'SHA256', type: 'FULL_OBJECT', value: `v${index}` } as const),
    }))
    const content = await rig.kv.transact(async (transaction) => attachParts(transaction, bodies, 'V1'))
    expect(await tableRows(rig.kv, 'list')).toHaveLength(3)
    const reads: string[] = []
    const reader = {
      ...rig.kv,
      get: (key: Uint8Array) => {
        reads.push(Buffer.from(key).toString('hex'))
        return rig.kv.get(key)
      },
    }
    const range = { startByte: 12_005, endByte: 12_006 }
    await expect(openContent(source(reader), content, range)[Symbol.asyncIterator]().next()).rejects.toThrow(
      'gone',
    )
    // The chunks, and whether the list is in quarantine.
    expect(new Set(reads).size).toBe(3)
    expect(reads).toHaveLength(3)
    const parts = await readParts(rig.kv, content, { afterCount: 498, limit: 4 })
    expect(parts).toEqual(bodies.slice(498, 502).map(({ sizeBytes, checksum }) => ({ sizeBytes, checksum })))
  })

  test('detach: twice for one version, is an error and writes nothing', async () => {
    const { content } = await list([10])
    const owner = { bucketId: '0'.repeat(16), key: 'a', versionId: 'V1' }
    await rig.kv.transact((transaction) => detach(transaction, content, owner))
    const again = rig.kv.transact((transaction) => detach(transaction, content, owner))
    await expect(again).rejects.toBeInstanceOf(CorruptRecordError)
    expect(await rig.kv.range({ ...rangeOf(listRefPrefix(content.listId)), limit: 5 })).toEqual([])
  })

  test('file rows: checksums of a body of several rows, are found for any range of it', async () => {
    const rowBlocks = limits.crcsPerFileRowMax
    const crcs = Uint32Array.from({ length: rowBlocks * 2 + 5 }, (_, index) => (index * 2_654_435_761) >>> 0)
    const body = { bodyId: 'b', sizeBytes: (crcs.length - 1) * limits.bodyBlockBytes + 1 }
    await rig.kv.transact(async (transaction) => putFileRows(transaction, body.bodyId, crcs))
    expect(await tableRows(rig.kv, 'file')).toHaveLength(3)
    const border = rowBlocks * limits.bodyBlockBytes
    for (const [startByte, endByteExclusive, first] of [
      [0, 1, 0],
      [0, body.sizeBytes, 0],
      [border - 1, border, 0],
      [border - 1, border + 1, 0],
      [border, border + 1, rowBlocks],
      [body.sizeBytes - 1, body.sizeBytes, rowBlocks * 2],
    ] as const) {
      const found = await readCrcs(rig.kv, body, { startByte, endByteExclusive })
      expect(found?.firstBlockIndex).toBe(first)
      expect(found?.crcs).toEqual(crcs.subarray(first, first + (found?.crcs.length ?? 0)))
      expect((first + (found?.crcs.length ?? 0)) * limits.bodyBlockBytes).toBeGreaterThanOrEqual(
        endByteExclusive,
      )
    }
  })

  test('file rows: one cut off or gone in the middle, is CorruptRecordError', async () => {
    const body = { bodyId: 'b', sizeBytes: 3 * limits.bodyBlockBytes }
    await rig.kv.transact(async (transaction) => putFileRows(transaction, body.bodyId, new Uint32Array(2)))
    const whole = { startByte: 0, endByteExclusive: body.sizeBytes }
    await expect(readCrcs(rig.kv, body, whole)).rejects.toBeInstanceOf(CorruptRecordError)
    expect(await readCrcs(rig.kv, { ...body, bodyId: 'other' }, whole)).toBe(null)
  })

  test('inline row: cut off anywhere, is CorruptRecordError and never shorter bytes', async () => {
    const version = await putBytes(rig.versions, 'small', pattern(50, 1))
    const listId = version.object?.content.listId ?? ''
    const value = (await rig.kv.get(listKey(listId, 0))) as Uint8Array
    for (let length = 0; length < value.length; length += 1) {
      const cut = value.slice(0, length)
      await rig.kv.transact(async (transaction) => transaction.put(listKey(listId, 0), cut))
      await expect(readInline(rig.kv, listId), `cut to ${length}`).rejects.toBeInstanceOf(CorruptRecordError)
    }
  })
})
