/** A verification finds nothing in a whole volume, and whatever is damaged in it, by name. */
import { chmod, copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { auditLog } from '../../../src/store/audit-chain.ts'
import { newBodyId, shardOf } from '../../../src/store/bodies/body-id.ts'
import { inspectBodies } from '../../../src/store/bodies/inspect.ts'
import { encodeVersion } from '../../../src/store/codec.ts'
import {
  currentKey,
  fileKey,
  garbageKey,
  listKey,
  metaKey,
  nullKey,
  parsePartKey,
  type Table,
  tablePrefix,
  versionKey,
} from '../../../src/store/keys.ts'
import { logKey, logKeyTag } from '../../../src/store/kv/chain.ts'
import type { Entry, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { putFileRows } from '../../../src/store/list-rows.ts'
import type { BucketRecord, VersionRecord } from '../../../src/store/records.ts'
import { sealRow, unsealRow } from '../../../src/store/row-codec.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { verifyVolume } from '../../../src/store/verify.ts'
import type { Finding } from '../../../src/store/verify-finding.ts'
import { strays } from '../../../src/store/verify-references.ts'
import { encodeNull } from '../../../src/store/version-rows.ts'
import { beginServerEpoch } from '../../../src/store/volume.ts'
import { chunks, partBytes, pattern } from '../base/rig.ts'
import { engines, entries } from '../base/support.ts'
import { actor, always, noLock, openRig, type Rig } from './rig.ts'

const large = 'x'.repeat(3 * limits.inlineBodyBytesMax)
const description = { headers: {}, userMetadata: {}, tags: {}, checksum: null }

for (const engine of engines) {
  describe(`verify on ${engine.name}`, () => {
    let rig: Rig
    let bucket: BucketRecord
    let small: VersionRecord
    let file: VersionRecord
    let gone: VersionRecord
    beforeEach(async () => {
      rig = await openRig(engine)
      await fill()
    }, 120_000)
    afterEach(() => rig.close())

    async function verify(reader: KeyValueReader = rig.kv): Promise<readonly Finding[]> {
      const findings: Finding[] = []
      const source = { reader, bodies: inspectBodies(rig.directory), clock: rig.clock }
      const counts = await verifyVolume(source, (finding) => findings.push(finding))
      expect(counts.findingCount).toBe(findings.length)
      return findings
    }

    const put = async (key: string, body: string, lock = {}) => {
      const result = await rig.put({ key, body, lock })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    /** Null versions, versions, markers, locks, a copy that shares its bytes, a multipart object, an open upload, garbage. */
    async function fill(): Promise<void> {
      await beginServerEpoch(rig.kv)
      await rig.buckets.create(actor, {
        name: 'ledger',
        accountId: '1'.repeat(12),
        region: 'r',
        objectLock: 'none',
      })
      await put('before', 'null version')
      await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' })
      await rig.documents.put(actor, 'ledger', { kind: 'policy', text: '{}' })
      await put('before', 'newer')
      const retention = { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(5) } as const
      small = await put('small', 'twenty bytes of body', { retention, legalHold: 'ON' })
      file = await put('file', large, { retention })
      await rig.remove({ key: 'before' })
      // A version of a later instant has the later id.
      rig.clock.pass(1)
      const copied = await rig.versions.put(actor, {
        bucket: 'ledger',
        key: 'shared',
        content: { kind: 'shared', source: file },
        description,
        lock: noLock,
        precondition: always,
      })
      if (copied.kind !== 'put') throw new Error(copied.kind)
      gone = await put('gone', large)
      await rig.remove({ key: 'gone', versionId: gone.versionId })
      await uploadParts('done', 'complete')
      await uploadParts('open', 'leave')
      const found = await rig.buckets.read('ledger')
      if (found === null) throw new Error('the bucket is there')
      bucket = found
    }

    async function uploadParts(key: string, end: 'complete' | 'leave'): Promise<void> {
      const uploads = createUploads(rig.context)
      const made = await uploads.create(actor, {
        ...{ bucket: 'ledger', key, lock: noLock, checksumAlgorithm: null, checksumType: null },
        ...{ headers: {}, userMetadata: {}, tags: {} },
      })
      if (made.kind !== 'created') throw new Error(made.kind)
      const address = { bucket: 'ledger', key, uploadId: made.upload.uploadId }
      const parts = []
      for (const partNumber of [1, 2]) {
        const bytes = pattern(partNumber === 1 ? partBytes : 10, partNumber)
        const body = await rig.versions.stage(chunks(bytes), partBytes)
        const answer = await uploads.putPart(actor, { ...address, partNumber, body, checksum: null })
        if (answer.kind !== 'put') throw new Error(answer.kind)
        parts.push({ partNumber, etag: answer.part.etag, checksum: null })
      }
      if (end === 'leave') return
      const input = { ...address, parts, checksum: null, precondition: always }
      expect(await uploads.complete(actor, input)).toMatchObject({ kind: 'completed' })
    }

    const write = (key: Uint8Array, value: Uint8Array | null) =>
      rig.kv.transact(async (tx) => (value === null ? tx.delete(key) : tx.put(key, value)))
    const rowsOf = async (): Promise<readonly Entry[]> =>
      (await entries(rig.kv)).filter(({ key }) => key[0] !== logKeyTag)
    /** Of the parts of an upload: any number will do, only that it changes counts. */
    const isChangeCounter = (key: Uint8Array) => key[0] === tablePrefix('part')[0] && key.at(-1) === 0
    const pathOf = (bodyId: string) => join(rig.directory, 'bodies', ...shardOf(bodyId), bodyId)
    const bodyOf = (version: VersionRecord) => version.object?.content.listId ?? ''
    const ofFile = () => ({ bucket: 'ledger', key: 'file', versionId: file.versionId })

    test('a volume with every kind of row: nothing is found, all bytes were read', async () => {
      expect(await verify()).toEqual([])
    })

    test('any row with a flipped bit: found', async () => {
      const missed: string[] = []
      for (const { key, value } of await rowsOf()) {
        if (isChangeCounter(key)) continue
        const damaged = Uint8Array.from(value)
        damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 0x04
        await write(key, damaged)
        if ((await verify()).length === 0) missed.push(Buffer.from(key).toString('latin1'))
        await write(key, value)
      }
      expect(missed).toEqual([])
    }, 120_000)

    test('any row of objects that is not there: found', async () => {
      const tables: readonly Table[] = [
        ...(['version', 'current', 'null', 'expiry', 'list', 'listRef', 'file'] as const),
        ...(['stat', 'histogram', 'document', 'upload', 'part', 'bucket', 'garbage'] as const),
      ]
      const tags = new Map(tables.map((table) => [tablePrefix(table)[0], table]))
      const met = new Set<Table>()
      for (const { key, value } of await rowsOf()) {
        const table = tags.get(key[0])
        if (table === undefined || isChangeCounter(key)) continue
        // The checksums of bytes that are to be removed: nobody reads them any more.
        if (Buffer.from(fileKey(bodyOf(gone), 0)).equals(key)) continue
        // So are the parts of an upload that is over.
        const uploadId = table === 'part' ? parsePartKey(key).uploadId : null
        if (uploadId !== null && (await rig.kv.get(garbageKey(uploadId))) !== null) continue
        met.add(table)
        await write(key, null)
        expect(await verify(), Buffer.from(key).toString('latin1')).not.toEqual([])
        await write(key, value)
      }
      expect([...met].sort()).toEqual([...tables].sort())
      expect(await verify()).toEqual([])
    }, 120_000)

    test('bytes of a body that changed, were cut off, grew or are gone: the version is named', async () => {
      const path = pathOf(bodyOf(file))
      const bytes = await readFile(path)
      await chmod(path, 0o600)
      const changed = Buffer.from(bytes)
      changed[100_000] = 0
      const same = `(the same bytes are those of version`
      await writeFile(path, changed)
      expect(await verify()).toEqual([{ ...ofFile(), problem: expect.stringMatching(/block 1 is damaged/) }])
      expect((await verify())[0]?.problem).toContain(same)
      await truncate(path, bytes.length - 1)
      expect(await verify()).toEqual([{ ...ofFile(), problem: expect.stringContaining('bytes, not') }])
      await writeFile(path, Buffer.concat([bytes, Buffer.from('!')]))
      expect(await verify()).toEqual([{ ...ofFile(), problem: expect.stringContaining('bytes, not') }])
      await rm(path)
      expect(await verify()).toEqual([{ ...ofFile(), problem: expect.stringContaining('not on the volume') }])
      await writeFile(path, bytes)
      expect(await verify()).toEqual([])
    })

    test('bytes that changed together with the checksums of their blocks: the SHA-256 tells', async () => {
      const other = await put('other', large.replaceAll('x', 'y'))
      const blocks = await rig.kv.get(fileKey(bodyOf(other), 0))
      if (blocks === null) throw new Error('a body has checksums')
      const crcs = unsealRow('file', fileKey(bodyOf(other), 0), blocks).slice(1)
      await rig.kv.transact(async (tx) => {
        const view = new DataView(crcs.buffer, crcs.byteOffset)
        putFileRows(
          tx,
          bodyOf(file),
          Uint32Array.from({ length: 3 }, (_, index) => view.getUint32(index * 4)),
        )
      })
      await chmod(pathOf(bodyOf(file)), 0o600)
      await copyFile(pathOf(bodyOf(other)), pathOf(bodyOf(file)))
      expect(await verify()).toEqual([{ ...ofFile(), problem: expect.stringContaining('another SHA-256') }])
    })

    test('bytes inside the store and of an open part: block, key and part are named', async () => {
      const row = listKey(bodyOf(small), 0)
      const value = await rig.kv.get(row)
      await write(
        row,
        Uint8Array.from(value ?? [], (byte, index) => (index === (value?.length ?? 0) - 1 ? 0 : byte)),
      )
      expect(await verify()).toEqual([
        {
          ...{ bucket: 'ledger', key: 'small', versionId: small.versionId },
          problem: expect.stringContaining('block 0'),
        },
      ])
      await write(row, value)
      const uploads = createUploads(rig.context)
      const page = { keyMarker: null, uploadIdMarker: null, prefix: '', delimiter: '', maxKeys: 10 }
      const listed = await uploads.list({ bucket: 'ledger', ...page })
      const uploadId = listed.kind === 'page' ? (listed.uploads[0]?.uploadId ?? '') : ''
      const input = { bucket: 'ledger', key: 'open', uploadId, afterPartNumber: 0, limit: 1 }
      const parts = await uploads.listParts(input)
      const bodyId = parts.kind === 'page' ? (parts.parts[0]?.bodyId ?? '') : ''
      await rm(pathOf(bodyId))
      expect(await verify()).toEqual([
        {
          bucket: 'ledger',
          key: 'open',
          versionId: null,
          problem: expect.stringContaining('part 1 of upload'),
        },
      ])
    })

    test('rows that read well and say something else: found', async () => {
      const current = currentKey(bucket.id, 'small')
      const ofAnother = await rig.kv.get(currentKey(bucket.id, 'file'))
      if (ofAnother === null) throw new Error('the key is listed')
      const before = await rig.kv.get(current)
      const moved = unsealRow('current', currentKey(bucket.id, 'file'), ofAnother)
      await write(current, sealRow(current, moved))
      expect(await verify()).toMatchObject([
        { key: 'small', problem: expect.stringContaining('current row') },
      ])
      await write(current, before)
      const nullRow = nullKey(bucket.id, 'before')
      const nullBefore = await rig.kv.get(nullRow)
      await write(nullRow, encodeNull(nullRow, small.versionId))
      expect(await verify()).toMatchObject([
        { key: 'before', problem: expect.stringContaining('null row') },
        { key: 'before', problem: expect.stringContaining('null version') },
      ])
      await write(nullRow, nullBefore)
      const grown = { ...small, object: small.object === null ? null : { ...small.object, sizeBytes: 21 } }
      await write(versionKey(bucket.id, 'small', small.order, small.versionId), encodeVersion(grown))
      const problems = (await verify()).map(({ key, problem }) => `${key}: ${problem}`)
      expect(problems).toContain('small: its bodies have 20 bytes, not 21')
      expect(problems).toContain('small: its row in the index of expiries is missing or differs')
    })

    test('rows and files that nothing names: found; what a killed server left in its stage is not', async () => {
      await write(Uint8Array.of(0x01, 0x02), Uint8Array.of(1))
      expect(await verify()).toMatchObject([{ problem: 'row 0102 is of no table' }])
      await write(Uint8Array.of(0x01, 0x02), null)
      const unsealed = metaKey('something')
      await write(unsealed, Uint8Array.of(1))
      expect(await verify()).toMatchObject([{ problem: expect.stringContaining('table meta') }])
      await write(unsealed, null)
      const bodyId = newBodyId(rig.clock.wallMs())
      await mkdir(dirname(pathOf(bodyId)), { recursive: true })
      await writeFile(pathOf(bodyId), 'bytes')
      expect(await verify()).toMatchObject([{ problem: `the file of body ${bodyId} belongs to nothing` }])
      await mkdir(join(rig.directory, 'stage', '1-dead'), { recursive: true })
      await writeFile(join(rig.directory, 'stage', '1-dead', bodyId), 'bytes')
      expect(await verify()).toEqual([])
      await writeFile(join(rig.directory, 'bodies', 'notes.txt'), 'bytes')
      expect(await verify()).toMatchObject([{ problem: 'bodies/notes.txt is not a file of ours' }])
    })

    test('a record of the audit log that was changed: the chain is broken there', async () => {
      const third = Buffer.from(logKey(auditLog, 3))
      const tampered: KeyValueReader = {
        get: (key) => rig.kv.get(key),
        getMany: (keys) => rig.kv.getMany(keys),
        range: async (options) => {
          const page = await rig.kv.range(options)
          return page.map(({ key, value }) =>
            third.equals(key) ? { key, value: Uint8Array.from(value, (byte) => byte ^ 1) } : { key, value },
          )
        },
      }
      // It does not continue the one before, and the next one does not continue it.
      expect(await verify(tampered)).toEqual(
        [3, 4].map((sequence) => ({
          ...{ bucket: null, key: null, versionId: null },
          problem: expect.stringMatching(`^the audit chain is broken at record ${sequence}: `),
        })),
      )
    })
  })
}

describe('strays', () => {
  test('more names than fit one batch: each that no owner names, from every batch', async () => {
    const count = limits.verifyNamesMax + 2
    async function* names(skipped: readonly number[]): AsyncGenerator<string> {
      for (let index = 0; index < count; index += 1) if (!skipped.includes(index)) yield `id-${index}`
    }
    const found: string[] = []
    for await (const name of strays(names([]), () => names([7, count - 1]))) found.push(name)
    expect(found).toEqual(['id-7', `id-${count - 1}`])
  })
})
