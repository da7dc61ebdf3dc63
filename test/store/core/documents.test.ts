import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { createBucketDocuments } from '../../../src/store/bucket-documents.ts'
import { createBuckets } from '../../../src/store/buckets.ts'
import { createDenialRecorder } from '../../../src/store/denials.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { documentKey } from '../../../src/store/keys.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import type { BucketDocumentKind, BucketRecord } from '../../../src/store/records.ts'
import { openVolume } from '../../../src/store/volume.ts'
import { engines, TestClock } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'
import { tableRows } from './rows.ts'

const policyText = '{"Version":"2012-10-17"}'
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

for (const engine of engines) {
  describe(`bucket documents on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      await create()
    })
    afterEach(() => rig.close())

    const create = () =>
      rig.buckets.create(actor, {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'eu-1',
        objectLock: 'none',
      })
    const put = (kind: BucketDocumentKind, text: string) => rig.documents.put(actor, 'ledger', { kind, text })
    const bucket = async (): Promise<BucketRecord> => {
      const found = await rig.buckets.read('ledger')
      if (found === null) throw new Error('no bucket')
      return found
    }
    const read = async (kind: BucketDocumentKind) => rig.documents.read(await bucket(), kind)

    test('put: each kind read back as it was written, and the record names them in byte order', async () => {
      expect(await read('policy')).toBeNull()
      await put('tagging', 'ü\u0000')
      await put('policy', policyText)
      await put('cors', '')
      await put('policy', `${policyText} `)
      expect(await bucket()).toMatchObject({ documents: ['cors', 'policy', 'tagging'], revision: 5 })
      expect(await read('policy')).toBe(`${policyText} `)
      expect(await read('tagging')).toBe('ü\u0000')
      expect(await read('cors')).toBe('')
      expect(await read('lifecycle')).toBeNull()
    })

    test('put and delete: each in the audit log with the SHA-256 of the text', async () => {
      await put('policy', policyText)
      expect(await rig.documents.delete(actor, 'ledger', 'policy')).toMatchObject({
        kind: 'changed',
        bucket: { documents: [], revision: 3 },
      })
      expect((await rig.audit()).slice(-2)).toMatchObject([
        { verdict: 'allow', detail: { document: 'policy', documentSha256: sha256(policyText) } },
        { verdict: 'allow', detail: { document: 'policy', documentSha256: '' } },
      ])
      expect(await tableRows(rig.kv, 'document')).toEqual([])
    })

    test('delete: a document that is not there, changed without a write or a record', async () => {
      const rows = await rig.rows()
      const records = await rig.audit()
      const answer = await rig.documents.delete(actor, 'ledger', 'cors')
      expect(answer).toEqual({ kind: 'changed', bucket: await bucket() })
      expect(await rig.rows()).toEqual(rows)
      expect(await rig.audit()).toEqual(records)
    })

    test('unknown bucket, or another of its name than the actor was judged by: noSuchBucket', async () => {
      const stranger = { ...actor, bucketId: '00000000000000ff' }
      const document = { kind: 'policy', text: policyText } as const
      expect(await rig.documents.put(actor, 'other', document)).toEqual({ kind: 'noSuchBucket' })
      expect(await rig.documents.put(stranger, 'ledger', document)).toEqual({ kind: 'noSuchBucket' })
      expect(await rig.documents.delete(stranger, 'ledger', 'policy')).toEqual({ kind: 'noSuchBucket' })
      expect(await tableRows(rig.kv, 'document')).toEqual([])
    })

    test('DeleteBucket: its documents go with it, and a bucket created again has none', async () => {
      for (const kind of ['cors', 'lifecycle', 'policy', 'tagging'] as const) await put(kind, kind)
      expect(await tableRows(rig.kv, 'document')).toHaveLength(4)
      await rig.buckets.delete(actor, 'ledger')
      expect(await tableRows(rig.kv, 'document')).toEqual([])
      await create()
      expect((await bucket()).documents).toEqual([])
      expect(await read('policy')).toBeNull()
    })

    test('read: a damaged text, CorruptRecordError', async () => {
      await put('policy', policyText)
      const row = documentKey((await bucket()).id, 'policy')
      const stored = Buffer.from((await rig.kv.get(row)) ?? []).toString('utf8')
      const damaged = stored.replace('2012-10-17', '2012-10-18')
      expect(damaged).not.toBe(stored)
      await rig.kv.transact(async (transaction) => transaction.put(row, Buffer.from(damaged)))
      await expect(read('policy')).rejects.toThrow(CorruptRecordError)
    })

    test('read: a row that the record promises and that is not there, CorruptRecordError', async () => {
      await put('policy', policyText)
      const row = documentKey((await bucket()).id, 'policy')
      await rig.kv.transact(async (transaction) => transaction.delete(row))
      await expect(read('policy')).rejects.toThrow(CorruptRecordError)
    })

    test('two writers at once: both are recorded, and the record names what is there', async () => {
      const results = await Promise.all([
        put('policy', 'a'),
        put('policy', 'b'),
        put('cors', 'c'),
        rig.documents.delete(actor, 'ledger', 'policy'),
      ])
      expect(results.map(({ kind }) => kind)).toEqual(['changed', 'changed', 'changed', 'changed'])
      const { documents } = await bucket()
      const rows = await tableRows(rig.kv, 'document')
      expect(rows).toHaveLength(documents.length)
      for (const kind of documents) expect(await read(kind)).toMatch(/^[abc]$/)
      const last = (await rig.audit()).findLast(({ detail }) => JSON.stringify(detail).includes('"policy"'))
      const text = await read('policy')
      expect(last).toMatchObject({ detail: { documentSha256: text === null ? '' : sha256(text) } })
    })
  })
}

test('bucket documents: written, the same after the store was closed and opened again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-documents-'))
  const clock = new TestClock()
  const open = async () => {
    const kv = await openLmdb({ directory })
    await openVolume(kv, clock)
    const denials = createDenialRecorder({ kv, clock })
    const context = { kv, clock, denials, log: silentLog }
    return { kv, denials, context, documents: createBucketDocuments(context) }
  }
  try {
    const first = await open()
    const input = { name: 'ledger', accountId: '1'.repeat(12), region: 'eu-1', objectLock: 'none' } as const
    await createBuckets(first.context).create(actor, input)
    await first.documents.put(actor, 'ledger', { kind: 'lifecycle', text: '<a/>' })
    await first.denials.close()
    await first.kv.close()
    const second = await open()
    const bucket = await createBuckets(second.context).read('ledger')
    expect(bucket).toMatchObject({ documents: ['lifecycle'] })
    expect(bucket && (await second.documents.read(bucket, 'lifecycle'))).toBe('<a/>')
    await second.denials.close()
    await second.kv.close()
  } finally {
    await rm(directory, { recursive: true })
  }
})
