import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { encodePart } from '../../../src/store/codec.ts'
import { partKey } from '../../../src/store/keys.ts'
import {
  type KeyValue,
  type KeyValueTransaction,
  TransactionConflictError,
} from '../../../src/store/kv/contract.ts'
import { withTransact } from '../../../src/store/kv/with-transact.ts'
import { putFileRows } from '../../../src/store/list-rows.ts'
import type { ListUploads } from '../../../src/store/list-uploads.ts'
import type { CompletePart } from '../../../src/store/store.ts'
import { changeCounterKey } from '../../../src/store/upload-rows.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { expectClean, tableRows } from './consistency.ts'
import {
  type Address,
  anyParts,
  createUpload,
  openRig,
  partBytes,
  pattern,
  putPart,
  type Rig,
  readBytes,
  removeVersion,
} from './rig.ts'
import { actor, engines, startMs } from './support.ts'

/** What transactions read and wrote, at most in one of them. */
class Meter {
  writtenKeys = 0
  writtenBytes = 0
  readKeys = 0

  over(kv: KeyValue): KeyValue {
    return withTransact(kv, (work) => kv.transact((transaction) => this.#measure(transaction, work)))
  }

  async #measure<T>(
    transaction: KeyValueTransaction,
    work: (transaction: KeyValueTransaction) => Promise<T>,
  ): Promise<T> {
    let keys = 0
    let bytes = 0
    let reads = 0
    const result = await work({
      get: (key) => {
        reads += 1
        return transaction.get(key)
      },
      getMany: (many) => {
        reads += many.length
        return transaction.getMany(many)
      },
      range: async (options) => {
        const rows = await transaction.range(options)
        reads += rows.length
        return rows
      },
      put: (key, value) => {
        keys += 1
        bytes += key.length + value.length
        transaction.put(key, value)
      },
      delete: (key) => {
        keys += 1
        bytes += key.length
        transaction.delete(key)
      },
      add: (key, delta) => {
        keys += 1
        transaction.add(key, delta)
      },
      bound: (key, countMax) => transaction.bound(key, countMax),
      append: (log, record) => {
        bytes += record.length
        transaction.append(log, record)
      },
    })
    this.writtenKeys = Math.max(this.writtenKeys, keys)
    this.writtenBytes = Math.max(this.writtenBytes, bytes)
    this.readKeys = Math.max(this.readKeys, reads)
    return result
  }
}

const lmdb = engines.filter(({ name }) => name === 'lmdb')[0] as (typeof engines)[number]

describe('an upload of 10,000 parts', () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig(lmdb)
  })
  afterEach(() => rig.close())

  /** Rows as UploadPart leaves them; the files themselves play no part in Complete. */
  async function fillParts({ uploadId }: Address, sizeBytes: number): Promise<CompletePart[]> {
    const parts: CompletePart[] = []
    for (let start = 1; start <= limits.partNumberMax; start += 500) {
      await rig.kv.transact(async (transaction) => {
        for (let partNumber = start; partNumber < start + 500; partNumber += 1) {
          const bodyId = partNumber.toString(16).padStart(32, '0')
          const etag = createHash('md5').update(bodyId).digest('hex')
          const sha256 = createHash('sha256').update(bodyId).digest('hex')
          const lastModifiedMs = epochMs(startMs)
          const part = {
            partNumber,
            bodyId,
            sizeBytes,
            etag,
            sha256,
            checksum: null,
            lastModifiedMs,
          }
          const row = partKey(uploadId, partNumber)
          transaction.put(row, encodePart(row, part))
          putFileRows(transaction, bodyId, new Uint32Array(partBytes / limits.bodyBlockBytes))
          parts.push({ partNumber, etag, checksum: null })
        }
        transaction.add(changeCounterKey(uploadId), 500)
      })
    }
    return parts
  }

  test('Complete: more than 5 TiB in all, is refused', async () => {
    const address = await createUpload(rig.uploads, 'large')
    const sizeBytes = limits.singleUploadBytesMax
    const parts = await fillParts(address, sizeBytes)
    const input = { ...address, checksum: null, precondition: anyParts }
    const fittingCount = limits.objectBytesMax / sizeBytes
    const named = parts.slice(0, fittingCount + 1)
    const refused = await rig.uploads.complete(actor, { ...input, parts: named })
    expect(refused).toEqual({ kind: 'objectTooLarge', sizeBytes: limits.objectBytesMax + sizeBytes })
    const done = await rig.uploads.complete(actor, { ...input, parts: named.slice(0, fittingCount) })
    expect(done).toMatchObject({ version: { object: { sizeBytes: limits.objectBytesMax } } })
  })

  test('Complete: is one bounded transaction that touches no body; garbage is bounded too', async () => {
    const meter = new Meter()
    const kv = meter.over(rig.kv)
    const address = await createUpload(rig.uploads, 'large')
    const parts = await fillParts(address, partBytes)
    const uploads = createUploads({ ...rig.context, kv })
    const done = await uploads.complete(actor, { ...address, parts, checksum: null, precondition: anyParts })
    if (done.kind !== 'completed') throw new Error(done.kind)
    expect(done.version.object).toMatchObject({ partCount: 10_000, sizeBytes: 10_000 * partBytes })
    expect(meter.writtenKeys).toBeLessThan(50)
    expect(meter.writtenBytes).toBeLessThan(limits.transactionBytesMax / 2)
    expect(meter.readKeys).toBeLessThan(10)
    expect(await tableRows(rig.kv, 'list')).toHaveLength(20)
    const again = await uploads.complete(actor, { ...address, parts, checksum: null, precondition: anyParts })
    expect(again).toEqual(done)

    expect(await rig.collect()).toBe(1)
    expect(await tableRows(rig.kv, 'part')).toEqual([])
    expect(await tableRows(rig.kv, 'file')).toHaveLength(10_000)
    await removeVersion(rig.versions, done.version)
    expect(await rig.collect()).toBe(1)
    expect(await tableRows(rig.kv, 'file')).toEqual([])
    expect(await tableRows(rig.kv, 'list')).toEqual([])
  }, 120_000)
})

describe.each(engines)('a part that changes after Complete has read it, on $name', (engine) => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig(engine)
  })
  afterEach(() => rig.close())

  /** Complete, with `between` right before its transaction. */
  function completeWith(between: () => Promise<unknown>) {
    let isFirst = true
    const kv: KeyValue = {
      ...rig.kv,
      transact: async (work) => {
        if (isFirst) {
          isFirst = false
          await between()
        }
        return rig.kv.transact(work)
      },
    }
    return createUploads({ ...rig.context, kv })
  }

  test.each([
    ['by other bytes, is an invalid part', 2, 'invalidPart'],
    ['by the same bytes, is completed with the body that is there now', 1, 'completed'],
  ])('Complete: a part replaced %s', async (_, seed, outcome) => {
    const address = await createUpload(rig.uploads, 'a')
    const part = await putPart(rig, address, { partNumber: 1, bytes: pattern(300, 1) })
    const uploads = completeWith(() => putPart(rig, address, { partNumber: 1, bytes: pattern(300, seed) }))
    const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
    const done = await uploads.complete(actor, input)
    expect(done.kind).toBe(outcome)
    if (done.kind !== 'completed') await rig.uploads.abort(actor, address)
    // The replaced body goes: a version that named it would have lost its bytes.
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
    if (done.kind !== 'completed') return
    expect((await readBytes(rig.versions, done.version)).equals(pattern(300, 1))).toBe(true)
  })

  test('Complete: an upload that is aborted meanwhile, is noSuchUpload', async () => {
    const address = await createUpload(rig.uploads, 'a')
    const part = await putPart(rig, address, { partNumber: 1, bytes: pattern(300, 1) })
    const uploads = completeWith(() => rig.uploads.abort(actor, address))
    const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
    expect(await uploads.complete(actor, input)).toEqual({ kind: 'noSuchUpload' })
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
  })

  /** Complete, with `between` right after it has found the upload. */
  function completeAfterFinding(between: () => Promise<unknown>) {
    let isFirst = true
    const kv: KeyValue = {
      ...rig.kv,
      snapshot: async (read) => {
        const result = await rig.kv.snapshot(read)
        if (isFirst) {
          isFirst = false
          await between()
        }
        return result
      },
    }
    return createUploads({ ...rig.context, kv })
  }

  test('Complete: another Complete of the same parts ends the upload, and its parts go: the same answer', async () => {
    const address = await createUpload(rig.uploads, 'a')
    const part = await putPart(rig, address, { partNumber: 1, bytes: pattern(300, 1) })
    const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
    const answers: unknown[] = []
    const uploads = completeAfterFinding(async () => {
      answers.push(await rig.uploads.complete(actor, input))
      await rig.collect()
    })
    const done = await uploads.complete(actor, input)
    expect(done.kind).toBe('completed')
    expect(answers).toEqual([done])
    expect(await tableRows(rig.kv, 'version')).toHaveLength(1)
    await expectClean(rig.kv, rig.directory)
  })

  test('Complete: an upload that is aborted meanwhile, and whose parts go, is noSuchUpload', async () => {
    const address = await createUpload(rig.uploads, 'a')
    const part = await putPart(rig, address, { partNumber: 1, bytes: pattern(300, 1) })
    const uploads = completeAfterFinding(async () => {
      await rig.uploads.abort(actor, address)
      await rig.collect()
    })
    const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
    expect(await uploads.complete(actor, input)).toEqual({ kind: 'noSuchUpload' })
    await expectClean(rig.kv, rig.directory)
  })

  test('Complete: parts that change at every attempt, end in a conflict that the client may retry', async () => {
    const address = await createUpload(rig.uploads, 'a')
    const part = await putPart(rig, address, { partNumber: 1, bytes: pattern(300, 1) })
    let count = 0
    const kv: KeyValue = {
      ...rig.kv,
      transact: async (work) => {
        count += 1
        await putPart(rig, address, { partNumber: 1, bytes: pattern(300, 1) })
        return rig.kv.transact(work)
      },
    }
    const uploads = createUploads({ ...rig.context, kv })
    const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
    await expect(uploads.complete(actor, input)).rejects.toBeInstanceOf(TransactionConflictError)
    expect(count).toBe(limits.completeAttemptsMax)
  })
})

describe.each(engines)('ListMultipartUploads on $name', (engine) => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig(engine)
  })
  afterEach(() => rig.close())

  const page = {
    bucket: 'ledger',
    prefix: '',
    delimiter: '',
    maxKeys: 1000,
    keyMarker: null,
    uploadIdMarker: null,
  }

  async function list(input: Partial<ListUploads>) {
    const result = await rig.uploads.list({ ...page, ...input })
    if (result.kind !== 'page') throw new Error(result.kind)
    return result
  }

  test('list: by key, then by beginning; prefix, delimiter and every page size give the same', async () => {
    const keys = ['a', 'a', 'a/1', 'a/2', 'a0', 'b', 'b/x/y', 'ä', 'b']
    const made: { key: string; uploadId: string }[] = []
    for (const key of keys) {
      rig.clock.pass(1000)
      made.push(await createUpload(rig.uploads, key))
    }
    const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
    const sorted = made.toSorted((a, b) => order(a.key, b.key) || order(a.uploadId, b.uploadId))
    const whole = await list({})
    expect(whole.uploads.map(({ key, uploadId }) => ({ bucket: 'ledger', key, uploadId }))).toEqual(sorted)
    expect(whole).toMatchObject({ isTruncated: false, nextKeyMarker: null, nextUploadIdMarker: null })
    expect(await list({ delimiter: '/' })).toMatchObject({ commonPrefixes: ['a/', 'b/'] })
    expect((await list({ prefix: 'a/' })).uploads.map(({ key }) => key)).toEqual(['a/1', 'a/2'])
    expect(await list({ maxKeys: 0 })).toMatchObject({ uploads: [], isTruncated: false })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 10 }),
        fc.constantFrom('', '/'),
        fc.constantFrom('', 'a', 'b'),
        async (maxKeys, delimiter, prefix) => {
          const all = await list({ delimiter, prefix })
          const ids: string[] = []
          const prefixes: string[] = []
          let markers: { keyMarker?: string; uploadIdMarker?: string } = {}
          for (let pages = 0; pages < 30; pages += 1) {
            const next = await list({ delimiter, prefix, maxKeys, ...markers })
            ids.push(...next.uploads.map(({ uploadId }) => uploadId))
            prefixes.push(...next.commonPrefixes)
            expect(next.uploads.length + next.commonPrefixes.length).toBeLessThanOrEqual(maxKeys)
            if (!next.isTruncated) break
            const { nextKeyMarker, nextUploadIdMarker } = next
            markers = {
              keyMarker: nextKeyMarker ?? '',
              ...(nextUploadIdMarker === null ? {} : { uploadIdMarker: nextUploadIdMarker }),
            }
          }
          expect(ids).toEqual(all.uploads.map(({ uploadId }) => uploadId))
          expect(prefixes).toEqual(all.commonPrefixes)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('list: markers and prefixes that no upload can have, end in an answer', async () => {
    const { uploadId } = await createUpload(rig.uploads, 'a')
    const long = 'b'.repeat(5000)
    expect(await list({ keyMarker: long })).toMatchObject({ uploads: [] })
    expect(await list({ keyMarker: long, uploadIdMarker: uploadId })).toMatchObject({ uploads: [] })
    expect(await list({ prefix: long })).toMatchObject({ uploads: [] })
    expect(await list({ keyMarker: 'a', uploadIdMarker: 'x'.repeat(5000) })).toMatchObject({ uploads: [] })
    expect(await rig.uploads.list({ ...page, bucket: 'nowhere' })).toEqual({ kind: 'noSuchBucket' })
  })
})
