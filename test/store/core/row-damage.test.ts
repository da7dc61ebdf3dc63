/** Rows prove themselves: damage of any kind is seen, and what depends on the row is denied. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { crc32c } from '../../../src/store/bodies/crc32c.ts'
import { decodeVersion } from '../../../src/store/codec.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import {
  bucketKey,
  currentKey,
  documentKey,
  fileKey,
  listKey,
  listRefKey,
  parsePartKey,
  partKey,
  tablePrefix,
  uploadKey,
  versionKey,
} from '../../../src/store/keys.ts'
import { logKeyTag } from '../../../src/store/kv/chain.ts'
import type { Entry, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { readInline } from '../../../src/store/list-rows.ts'
import type { BucketRecord, UploadRecord, VersionRecord } from '../../../src/store/records.ts'
import { unsealRow } from '../../../src/store/row-codec.ts'
import type { ApplyBucket, CompletePart, Uploads } from '../../../src/store/store.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { beginServerEpoch } from '../../../src/store/volume.ts'
import { engines, entries } from '../base/support.ts'
import { applyRequest, owner } from './apply-request.ts'
import { actor, always, bytesOf, openRig, type Rig } from './rig.ts'
import { tableRows } from './rows.ts'

const large = 'x'.repeat(limits.inlineBodyBytesMax + 1)
const hex = (key: Uint8Array) => Buffer.from(key).toString('hex')
const unknown = { kind: 'unknown', cause: expect.any(String) }

type Filled = {
  readonly bucket: BucketRecord
  readonly small: VersionRecord
  readonly file: VersionRecord
  readonly upload: UploadRecord
  readonly part: CompletePart
}

for (const engine of engines) {
  describe(`damaged rows on ${engine.name}`, () => {
    let rig: Rig
    let uploads: Uploads
    let filled: Filled
    beforeEach(async () => {
      rig = await openRig(engine)
      uploads = createUploads(rig.context)
      filled = await fill()
    })
    afterEach(() => rig.close())

    async function apply(wish: Partial<ApplyBucket> = {}) {
      const epoch = (await rig.leadership.current())?.epoch ?? (await rig.leadership.next(actor, 'o')).epoch
      const defaultRetention = { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 30 } } as const
      return rig.buckets.apply(actor, applyRequest({ defaultRetention }, { epoch, ...wish }))
    }

    async function written(key: string, body: string): Promise<VersionRecord> {
      const result = await rig.put({ key, body })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    async function begin(key: string): Promise<{ upload: UploadRecord; part: CompletePart }> {
      const retention = { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(50) } as const
      const described = {
        headers: {},
        userMetadata: {},
        tags: {},
        checksumAlgorithm: null,
        checksumType: null,
      }
      const lock = { retention, legalHold: null }
      const made = await uploads.create(actor, { bucket: 'ledger', key, lock, ...described })
      if (made.kind !== 'created') throw new Error(made.kind)
      const address = { bucket: 'ledger', key, uploadId: made.upload.uploadId }
      const body = await rig.versions.stage(bytesOf('part'), 100)
      const put = await uploads.putPart(actor, { ...address, partNumber: 1, body, checksum: null })
      if (put.kind !== 'put') throw new Error(put.kind)
      return { upload: made.upload, part: { partNumber: 1, etag: put.part.etag, checksum: null } }
    }

    const complete = ({ key, uploadId }: UploadRecord, part: CompletePart) =>
      uploads.complete(actor, {
        bucket: 'ledger',
        key,
        uploadId,
        parts: [part],
        checksum: null,
        precondition: always,
      })

    /** A store with every kind of row. */
    async function fill(): Promise<Filled> {
      await beginServerEpoch(rig.kv)
      await rig.buckets.create(actor, {
        name: 'ledger',
        accountId: '1'.repeat(12),
        region: 'r',
        objectLock: 'none',
      })
      await written('null', 'null version')
      const free = await written('free', large)
      await rig.remove({ key: 'free', versionId: free.isNull ? 'null' : free.versionId })
      await apply()
      await apply({ name: 'other', owner: { ...owner, name: 'other' } })
      await rig.documents.put(actor, 'ledger', { kind: 'policy', text: '{}' })
      const small = await written('small', 'twenty bytes of body')
      const file = await written('file', large)
      const done = await begin('done')
      expect(await complete(done.upload, done.part)).toMatchObject({ kind: 'completed' })
      const bucket = await rig.buckets.read('ledger')
      if (bucket === null) throw new Error('the bucket is there')
      return { bucket, small, file, ...(await begin('upload')) }
    }

    /** All rows but counters, which `add` keeps, and the audit log, whose records are chained. */
    async function sealedRows(): Promise<readonly Entry[]> {
      const counters = [tablePrefix('stat'), tablePrefix('histogram')].map((prefix) => prefix[0])
      return (await entries(rig.kv)).filter(({ key }) => {
        const isCounter = counters.includes(key[0]) || isPartCounter(key)
        return !isCounter && key[0] !== logKeyTag
      })
    }

    async function damage(row: Uint8Array, from: string, to: string): Promise<void> {
      await rig.kv.transact(async (transaction) => {
        const value = await transaction.get(row)
        const text = Buffer.from(value ?? []).toString('latin1')
        expect(text).toContain(from)
        transaction.put(row, new Uint8Array(Buffer.from(text.replace(from, to), 'latin1')))
      })
    }

    /** A denial, recorded, with all rows as they were. */
    async function expectDenied(work: () => Promise<{ readonly kind: string }>): Promise<void> {
      const rows = await rig.rows()
      const recordCount = (await rig.audit()).length
      expect(await work()).toMatchObject({ kind: 'denied', verdict: { reason: 'LockStateUnknown' } })
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).slice(recordCount)).toMatchObject([{ verdict: 'deny' }])
    }

    const versionRow = ({ bucketId, key, order, versionId }: VersionRecord) =>
      versionKey(bucketId, key, order, versionId)
    const remove = ({ key, versionId }: VersionRecord) =>
      rig.remove({ key, versionId, bypassGovernance: true })
    const expired = () => rig.clock.pass(366 * 86_400_000)

    test('every kind of row: there is one of it, and each proves itself', async () => {
      const tags = new Set((await sealedRows()).map(({ key }) => String.fromCharCode(key[0] ?? 0)))
      expect([...tags].sort().join('')).toBe('bcdefglmnpruv')
      const bare = (await sealedRows()).filter(({ key, value }) => read(key, value) === 'corrupt')
      expect(bare.map(({ key }) => hex(key))).toEqual([])
    })

    test('every bit of every row: flipped, the row is corrupt or its lock unknown, never another record', async () => {
      for (const { key, value } of await sealedRows()) {
        if (isInline(value)) continue
        const before = read(key, value)
        for (let bit = 0; bit < value.length * 8; bit += 1) {
          const damaged = Uint8Array.from(value)
          damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
          const seen = read(key, damaged)
          if (seen === 'corrupt') continue
          expect(seen, `bit ${bit} of ${hex(key)}`).toEqual(
            typeof before === 'string' ? 'corrupt' : { ...before, lock: unknown },
          )
        }
      }
    })

    test('every bit of an inline body and its header: flipped, it is seen before a byte leaves', async () => {
      const row = listKey(filled.small.object?.content.listId ?? '', 0)
      const value = (await rig.kv.get(row)) ?? new Uint8Array(0)
      expect(isInline(value)).toBe(true)
      for (let bit = 0; bit < value.length * 8; bit += 1) {
        const damaged = Uint8Array.from(value)
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const reader: KeyValueReader = { get: async () => damaged, getMany: never, range: never }
        const body = await readInline(reader, filled.small.object?.content.listId ?? '').catch(
          (error) => error,
        )
        if (!(body instanceof CorruptRecordError))
          expect(crc32c(body.bytes), `bit ${bit}`).not.toBe(body.crcs[0])
      }
    })

    test('the rows of two records exchanged: each is corrupt', async () => {
      const rows = await sealedRows()
      for (const [index, { key }] of rows.entries()) {
        const other = rows[index + 1]
        if (other === undefined || isInline(other.value) || key[0] !== other.key[0]) continue
        expect(read(key, other.value), hex(key)).toBe('corrupt')
      }
    })

    test('a bucket with another floor or rule: nothing is done in it, and it hides no other bucket', async () => {
      await damage(bucketKey('ledger'), '"count":30', '"count":10')
      await expectDenied(() => rig.put({ key: 'new' }))
      await expectDenied(() => remove(filled.small))
      const { key, versionId } = filled.small
      const address = { bucket: 'ledger', key, versionId }
      const next = { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(90) } as const
      await expectDenied(() =>
        rig.versions.putRetention(actor, { ...address, next, bypassGovernance: false }),
      )
      await expectDenied(() => rig.versions.putLegalHold(actor, { ...address, next: 'ON' }))
      await expectDenied(() => complete(filled.upload, filled.part))
      const rows = await rig.rows()
      const { buckets } = rig
      await expect(buckets.read('ledger')).rejects.toThrow(CorruptRecordError)
      await expect(buckets.facts('ledger')).rejects.toThrow(CorruptRecordError)
      await expect(buckets.delete(actor, 'ledger')).rejects.toThrow(CorruptRecordError)
      await expect(buckets.putVersioning(actor, 'ledger', 'Suspended')).rejects.toThrow(CorruptRecordError)
      const change = { kind: 'freeze' } as const
      await expect(buckets.putObjectLockConfiguration(actor, 'ledger', change)).rejects.toThrow(
        CorruptRecordError,
      )
      await expect(apply()).rejects.toThrow(CorruptRecordError)
      const again = { name: 'ledger', accountId: '1'.repeat(12), region: 'r', objectLock: 'none' } as const
      await expect(buckets.create(actor, again)).rejects.toThrow(CorruptRecordError)
      expect(await rig.rows()).toEqual(rows)
      const listed = await buckets.list({ accountId: null, after: null, limit: 1 })
      expect(listed.map(({ name }) => name)).toEqual(['other'])
    })

    test('a version with another size: not removed after its lock ended, as any other would be', async () => {
      expired()
      await damage(versionRow(filled.small), '"sizeBytes":20', '"sizeBytes":21')
      await expectDenied(() => remove(filled.small))
      expect(await remove(filled.file)).toMatchObject({ kind: 'deleted' })
    })

    test('a reference to bytes that is damaged: neither version nor bytes go', async () => {
      expired()
      const { object, versionId } = filled.file
      await damage(listRefKey(object?.content.listId ?? '', versionId), '\u0001', '\u0000')
      await expectDenied(() => remove(filled.file))
    })

    test('a damaged reference beyond the first two of the same bytes: its version does not go', async () => {
      const copies: VersionRecord[] = []
      for (const key of ['copy-1', 'copy-2', 'copy-3']) {
        const description = { headers: {}, userMetadata: {}, tags: {}, checksum: null }
        const content = { kind: 'shared', source: filled.file } as const
        const lock = { retention: null, legalHold: null }
        const copied = { bucket: 'ledger', key, content, description, lock, precondition: always }
        const result = await rig.versions.put(actor, copied)
        if (result.kind !== 'put') throw new Error(result.kind)
        copies.push(result.version)
      }
      expired()
      const [last] = copies.toSorted((a, b) => (a.versionId < b.versionId ? 1 : -1))
      if (last === undefined) throw new Error('there are copies')
      await damage(listRefKey(last.object?.content.listId ?? '', last.versionId), '\u0001', '\u0000')
      await expectDenied(() => remove(last))
    })

    test('a current row with another etag: listings fail, nothing is written over it', async () => {
      await damage(currentKey(filled.bucket.id, 'small'), '"sizeBytes":20', '"sizeBytes":21')
      const page = { bucket: 'ledger', prefix: '', delimiter: '', maxKeys: 10, after: null }
      await expect(rig.versions.listCurrent(page)).rejects.toThrow(CorruptRecordError)
      await expectDenied(() => rig.put({ key: 'small' }))
      await expectDenied(() => rig.remove({ key: 'small' }))
    })

    test('an upload with an earlier date, or a part of another size: not completed', async () => {
      const { upload, part } = filled
      const { retainUntilMs } = upload.explicitRetention ?? { retainUntilMs: 0 }
      const row = uploadKey(filled.bucket.id, 'upload', upload.uploadId)
      await damage(row, String(retainUntilMs), String(retainUntilMs - 1))
      await expectDenied(() => complete(upload, part))
      await damage(row, String(retainUntilMs - 1), String(retainUntilMs))
      await damage(partKey(upload.uploadId, 1), '"sizeBytes":4', '"sizeBytes":5')
      await expectDenied(() => complete(upload, part))
    })

    test.each([
      ['the checksums of a file', fileKey, '\u0001', '\u0002'],
      ['the list of a file', listKey, '"startByte":0', '"startByte":1'],
    ] as const)('%s: the bytes do not leave', async (_title, rowOf, from, to) => {
      const { content } = filled.file.object ?? { content: null }
      if (content === null) throw new Error('the file is there')
      const read = async () => {
        for await (const _chunk of rig.versions.openBody(filled.file, null)) throw new Error('bytes left')
      }
      await damage(rowOf(content.listId, 0), from, to)
      await expect(read()).rejects.toThrow(CorruptRecordError)
    })

    test('expiry, leadership, document and account rows: whoever needs them is told', async () => {
      const [expiry] = await tableRows(rig.kv, 'expiry')
      await damage(expiry?.key ?? new Uint8Array(0), '"legalHold":"OFF"', '"legalHold":"ON"')
      rig.clock.pass(30 * 86_400_000)
      await expect(rig.buckets.facts('ledger')).rejects.toThrow(CorruptRecordError)
      await damage(documentKey(filled.bucket.id, 'policy'), '{}', '[]')
      await expect(rig.documents.read(filled.bucket, 'policy')).rejects.toThrow(CorruptRecordError)
      for (const name of ['account', 'leadership']) {
        const meta = (await tableRows(rig.kv, 'meta')).find(({ key }) => Buffer.from(key).includes(name))
        await damage(meta?.key ?? new Uint8Array(0), '{"format":1', '{"format": 1')
        await expect(apply({ name: `new-${name}` }), name).rejects.toThrow(CorruptRecordError)
      }
    })
  })
}

/** What a row reads as; of rows other than versions, that their checksum holds is all there is to see. */
function read(key: Uint8Array, value: Uint8Array): VersionRecord | 'sealed' | 'corrupt' {
  try {
    if (key[0] === tablePrefix('version')[0]) return decodeVersion(key, value)
    const content = isInline(value) ? value.subarray(4, 4 + new DataView(value.buffer).getUint32(0)) : value
    unsealRow('row', key, content)
    return 'sealed'
  } catch (error) {
    if (error instanceof CorruptRecordError) return 'corrupt'
    throw error
  }
}

/** The changes of an upload's parts are counted in the place of part 0. */
function isPartCounter(key: Uint8Array): boolean {
  return key[0] === tablePrefix('part')[0] && parsePartKey(key).partNumber === 0
}

/** An inline list begins with the length of its header, which is far below 2^24: no seal does. */
function isInline(value: Uint8Array): boolean {
  return value[0] === 0
}

function never(): never {
  throw new Error('one row is read')
}
