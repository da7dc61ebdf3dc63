import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { ApplyBucket, PutVersionResult, Uploads } from '../../../src/store/store.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { engines } from '../base/support.ts'
import { applyRequest } from './apply-request.ts'
import { actor, always, bytesOf, noLock, openRig, type Rig } from './rig.ts'
import { tableRows, wrongCounts } from './rows.ts'

const described = { headers: {}, userMetadata: {}, tags: {} }

for (const engine of engines) {
  describe(`a quota on ${engine.name}`, () => {
    let rig: Rig
    let uploads: Uploads
    beforeEach(async () => {
      rig = await openRig(engine)
      uploads = createUploads(rig.context)
      await rig.leadership.next(actor, 'o')
    })
    afterEach(() => rig.close())

    function apply(wish: Partial<ApplyBucket> = {}) {
      const defaultRetention = { mode: 'GOVERNANCE', period: { unit: 'DAYS', count: 1 } } as const
      return rig.buckets.apply(actor, applyRequest({ defaultRetention }, { quotaBytes: 100, ...wish }))
    }

    const put = (key: string, sizeBytes: number): Promise<PutVersionResult> =>
      rig.put({ key, body: 'x'.repeat(sizeBytes) })
    const sizeBytes = async () => (await rig.buckets.facts('ledger'))?.stat.sizeBytes

    async function upload(key: string, body: string) {
      const lock = { checksumAlgorithm: null, checksumType: null, lock: noLock } as const
      const made = await uploads.create(actor, { bucket: 'ledger', key, ...described, ...lock })
      if (made.kind !== 'created') throw new Error(made.kind)
      const address = { bucket: 'ledger', key, uploadId: made.upload.uploadId }
      const staged = await rig.versions.stage(bytesOf(body), body.length)
      const part = await uploads.putPart(actor, { ...address, partNumber: 1, body: staged, checksum: null })
      if (part.kind !== 'put') throw new Error(part.kind)
      const parts = [{ partNumber: 1, etag: part.part.etag, checksum: null }]
      return () => uploads.complete(actor, { ...address, parts, checksum: null, precondition: always })
    }

    test('put: up to the last byte allowed; one more refused, recorded, and nothing written', async () => {
      await apply()
      expect(await put('a', 60)).toMatchObject({ kind: 'put' })
      const rows = await rig.rows()
      expect(await put('b', 41)).toEqual({ kind: 'quotaExceeded', quotaBytes: 100, sizeBytes: 60 })
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).at(-1)).toMatchObject({
        verdict: 'deny',
        rule: 'QuotaExceeded',
        bucket: 'ledger',
        key: 'b',
        detail: { sizeBytes: 60, quotaBytes: 100 },
      })
      expect(await put('b', 40)).toMatchObject({ kind: 'put' })
      expect(await put('c', 1)).toMatchObject({ kind: 'quotaExceeded', sizeBytes: 100 })
      expect(await put('c', 0)).toMatchObject({ kind: 'put' })
      expect(await sizeBytes()).toBe(100)
    })

    test('a large body that is refused: no file is left', async () => {
      await apply()
      expect(await put('large', limits.inlineBodyBytesMax + 1)).toMatchObject({ kind: 'quotaExceeded' })
      expect(await tableRows(rig.kv, 'file')).toEqual([])
      const files = await readdir(rig.directory, { recursive: true, withFileTypes: true })
      expect(files.filter((entry) => entry.isFile() && entry.name !== 'ballast')).toEqual([])
    })

    test('copy: its bytes count although they are shared', async () => {
      await apply()
      const first = await put('a', 60)
      if (first.kind !== 'put') throw new Error(first.kind)
      const content = { kind: 'shared', source: first.version } as const
      const description = { ...described, checksum: null }
      const copy = { bucket: 'ledger', key: 'b', content, description, lock: noLock, precondition: always }
      expect(await rig.versions.put(actor, copy)).toMatchObject({ kind: 'quotaExceeded', sizeBytes: 60 })
    })

    test('complete: parts count then and not before; refused, the upload waits for room', async () => {
      await apply()
      const complete = await upload('m', 'x'.repeat(150))
      expect(await sizeBytes()).toBe(0)
      const rows = await rig.rows()
      expect(await complete()).toEqual({ kind: 'quotaExceeded', quotaBytes: 100, sizeBytes: 0 })
      expect(await rig.rows()).toEqual(rows)
      await apply({ quotaBytes: 150 })
      expect(await complete()).toMatchObject({ kind: 'completed' })
      expect(await sizeBytes()).toBe(150)
    })

    test('a quota below what is there: reads, delete markers, deletes and locks go on, new bytes do not', async () => {
      await apply({ quotaBytes: null })
      const first = await put('a', 60)
      if (first.kind !== 'put') throw new Error(first.kind)
      await put('a', 60)
      await apply({ quotaBytes: 10 })
      expect(await put('b', 1)).toMatchObject({ kind: 'quotaExceeded', quotaBytes: 10, sizeBytes: 120 })
      const address = { bucket: 'ledger', key: 'a', versionId: first.version.versionId }
      const next = { mode: 'GOVERNANCE', retainUntilMs: rig.inDays(30) } as const
      const longer = { ...address, next, bypassGovernance: false }
      expect(await rig.versions.putRetention(actor, longer)).toMatchObject({ kind: 'changed' })
      expect(await rig.versions.putLegalHold(actor, { ...address, next: 'ON' })).toMatchObject({
        kind: 'changed',
      })
      expect(await rig.versions.putTags(actor, { ...address, tags: { a: 'b' } })).toMatchObject({
        kind: 'changed',
      })
      expect(await rig.remove({ key: 'a' })).toMatchObject({ isDeleteMarker: true })
      expect(await rig.versions.read(address)).toMatchObject({ kind: 'found' })
      const { bucket } = first
      expect(await wrongCounts(rig.kv, bucket.id)).toEqual([])
    })

    test('many writers at once: exactly what fits is there, nobody waits or conflicts', async () => {
      await apply()
      const results = await Promise.all(Array.from({ length: 40 }, (_value, index) => put(`k${index}`, 7)))
      expect(results.filter(({ kind }) => kind === 'put')).toHaveLength(14)
      expect(results.filter(({ kind }) => kind === 'quotaExceeded')).toHaveLength(26)
      expect(await sizeBytes()).toBe(98)
    })

    test('apply: profile, checksums and quota are set, changed and recorded', async () => {
      const first = await apply({ profile: 'yandex', requireChecksum: false, quotaBytes: 5 })
      const set = { profile: 'yandex', requireChecksum: false, quotaBytes: 5 }
      expect(first).toMatchObject({ change: 'created', bucket: set })
      expect(await apply(set as Partial<ApplyBucket>)).toMatchObject({ change: 'unchanged' })
      expect(await apply({ quotaBytes: null })).toMatchObject({
        change: 'updated',
        bucket: { profile: 'aws', requireChecksum: true, quotaBytes: null },
      })
      expect((await rig.audit()).slice(-2)).toMatchObject([
        { detail: { profile: 'yandex', requireChecksum: false, quota: 5 } },
        { detail: { profile: 'aws', requireChecksum: true, quota: 'none' } },
      ])
    })
  })
}
