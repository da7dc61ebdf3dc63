import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dayMs, epochMs } from '../../../src/lib/units.ts'
import type { DefaultRetention } from '../../../src/lock/types.ts'
import { readStat } from '../../../src/store/stats.ts'
import type { CompletePart } from '../../../src/store/store.ts'
import { bodyFiles, expectClean, tableRows } from './consistency.ts'
import {
  type Address,
  anyParts,
  createUpload,
  openRig,
  partBytes,
  pattern,
  putBytes,
  putPart,
  type Rig,
  readBytes,
  removeVersion,
  stageBytes,
} from './rig.ts'
import { actor, dump, engines, lockRule, startMs } from './support.ts'

const noUpload = { kind: 'noSuchUpload' }
const first = pattern(partBytes, 1)
const last = pattern(1000, 2)

describe.each(engines)('uploads on $name', (engine) => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig(engine)
  })
  afterEach(() => rig.close())

  const complete = (
    address: Address,
    parts: readonly CompletePart[],
    precondition = anyParts as { ifMatch: string | null; ifNoneMatch: '*' | null },
  ) => rig.uploads.complete(actor, { ...address, parts, checksum: null, precondition })
  const audit = async () => (await tableRowsOfAudit()).filter(({ rule }) => rule !== undefined)
  const tableRowsOfAudit = async () => {
    const rows = await rig.kv.range({ from: Uint8Array.of(0x61), to: Uint8Array.of(0x62), limit: 1000 })
    return rows
      .map(({ value }) => Buffer.from(value.subarray(40)).toString())
      .filter((text) => text.startsWith('{'))
      .map((text) => JSON.parse(text) as Record<string, unknown>)
  }
  async function twoParts(key: string): Promise<{ address: Address; parts: CompletePart[] }> {
    const address = await createUpload(rig.uploads, key)
    const parts = [
      await putPart(rig, address, { partNumber: 1, bytes: first }),
      await putPart(rig, address, { partNumber: 2, bytes: last }),
    ]
    return { address, parts }
  }

  test('Complete: two parts, are one version with their bytes, the upload’s description and S3’s ETag', async () => {
    const { address, parts } = await twoParts('a')
    const result = await complete(address, parts)
    if (result.kind !== 'completed') throw new Error(result.kind)
    const { version } = result
    const digests = [first, last].map((bytes) => createHash('md5').update(bytes).digest())
    expect(version.object).toMatchObject({
      sizeBytes: partBytes + 1000,
      etag: `${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-2`,
      headers: { 'content-type': 'text/plain' },
      userMetadata: { a: 'b' },
      tags: { t: '1' },
      partCount: 2,
    })
    expect((await readBytes(rig.versions, version)).equals(Buffer.concat([first, last]))).toBe(true)
    const across = { startByte: partBytes - 3, endByte: partBytes + 3 }
    const expected = Buffer.concat([first.subarray(-3), last.subarray(0, 3)])
    expect((await readBytes(rig.versions, version, across)).equals(expected)).toBe(true)
    expect((await rig.versions.parts(version, 0, 10)).map(({ sizeBytes }) => sizeBytes)).toEqual([
      partBytes,
      1000,
    ])
    expect(await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: null })).toMatchObject({
      kind: 'found',
      version: { versionId: version.versionId },
    })
    expect((await audit()).at(-1)).toMatchObject({
      bucket: 'ledger',
      key: 'a',
      versionId: version.versionId,
      verdict: 'allow',
      detail: { uploadId: address.uploadId, partCount: 2 },
    })
    expect(await readStat(rig.kv, result.bucket.id)).toMatchObject({ uploadCount: 0, versionCount: 1 })
  })

  test('Complete: again with the same parts, answers the same version; with others, noSuchUpload', async () => {
    const { address, parts } = await twoParts('a')
    const done = await complete(address, parts)
    expect(await complete(address, parts)).toEqual(done)
    expect(await complete(address, parts.slice(0, 1))).toEqual(noUpload)
    expect(await complete({ ...address, key: 'b' }, parts)).toEqual(noUpload)
    await rig.collect()
    expect(await complete(address, parts)).toEqual(done)
    rig.clock.pass(dayMs - 1)
    await rig.collect()
    expect(await complete(address, parts)).toEqual(done)
    rig.clock.pass(1)
    await rig.collect()
    expect(await complete(address, parts)).toEqual(noUpload)
    expect(await tableRows(rig.kv, 'version')).toHaveLength(1)
  })

  test('Complete: again after the version was removed, is noSuchUpload', async () => {
    const { address, parts } = await twoParts('a')
    const done = await complete(address, parts)
    if (done.kind !== 'completed') throw new Error(done.kind)
    await removeVersion(rig.versions, done.version)
    expect(await complete(address, parts)).toEqual(noUpload)
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
    expect(await bodyFiles(rig.directory)).toEqual([])
  })

  test('Complete: a part that is not there, has another ETag or is too small, changes nothing', async () => {
    const { address, parts } = await twoParts('a')
    const small = await putPart(rig, address, { partNumber: 3, bytes: pattern(partBytes - 1, 3) })
    const before = await dump(rig.kv)
    const absent = { partNumber: 4, etag: 'x', checksum: null }
    const [one, two] = parts as [CompletePart, CompletePart]
    expect(await complete(address, [...parts, absent])).toEqual({ kind: 'invalidPart', partNumber: 4 })
    expect(await complete(address, [{ ...one, etag: two.etag }, two])).toEqual({
      kind: 'invalidPart',
      partNumber: 1,
    })
    const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' } as const
    expect(await complete(address, [{ ...one, checksum }])).toEqual({ kind: 'invalidPart', partNumber: 1 })
    expect(await complete(address, [one, small, { ...small, partNumber: 4 }])).toMatchObject({
      kind: 'invalidPart',
    })
    expect(await complete(address, [one, two, small])).toEqual({
      kind: 'partTooSmall',
      partNumber: 2,
      sizeBytes: 1000,
      etag: two.etag,
    })
    expect(await dump(rig.kv)).toEqual(before)
    expect(await complete(address, [one, small])).toMatchObject({ kind: 'completed' })
  })

  test('Complete: the parts that are not named, go; those that are, stay', async () => {
    const { address, parts } = await twoParts('a')
    await putPart(rig, address, { partNumber: 3, bytes: pattern(10, 3) })
    const done = await complete(address, parts)
    if (done.kind !== 'completed') throw new Error(done.kind)
    expect(await bodyFiles(rig.directory)).toHaveLength(3)
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
    expect((await readBytes(rig.versions, done.version)).equals(Buffer.concat([first, last]))).toBe(true)
  })

  test('Complete: a precondition that fails, changes nothing', async () => {
    const existing = await putBytes(rig.versions, 'a', pattern(10, 1))
    const { address, parts } = await twoParts('a')
    const before = await dump(rig.kv)
    expect(await complete(address, parts, { ifMatch: null, ifNoneMatch: '*' })).toEqual({
      kind: 'preconditionFailed',
    })
    expect(await complete(address, parts, { ifMatch: 'other', ifNoneMatch: null })).toEqual({
      kind: 'preconditionFailed',
    })
    expect(await dump(rig.kv)).toEqual(before)
    const other = await twoParts('b')
    const absent = await complete(other.address, other.parts, { ifMatch: 'x', ifNoneMatch: null })
    expect(absent).toEqual({ kind: 'noSuchKey' })
    const etag = existing.object?.etag ?? ''
    expect(await complete(address, parts, { ifMatch: etag, ifNoneMatch: null })).toMatchObject({
      kind: 'completed',
    })
  })

  test('UploadPart: of the same number, replaces the part; Complete takes the newer', async () => {
    const address = await createUpload(rig.uploads, 'a')
    const older = await putPart(rig, address, { partNumber: 1, bytes: pattern(100, 8) })
    const newer = await putPart(rig, address, { partNumber: 1, bytes: pattern(100, 9) })
    expect(await bodyFiles(rig.directory)).toHaveLength(2)
    await rig.collect()
    expect(await bodyFiles(rig.directory)).toHaveLength(1)
    expect(await complete(address, [older])).toEqual({ kind: 'invalidPart', partNumber: 1 })
    const done = await complete(address, [newer])
    if (done.kind !== 'completed') throw new Error(done.kind)
    expect((await readBytes(rig.versions, done.version)).equals(pattern(100, 9))).toBe(true)
  })

  test('UploadPart: 16 parts at once, none conflicts and all are there', async () => {
    const address = await createUpload(rig.uploads, 'a')
    const numbers = Array.from({ length: 16 }, (_, index) => index + 1)
    const parts = await Promise.all(
      numbers.map((partNumber) =>
        putPart(rig, address, { partNumber, bytes: pattern(500 + partNumber, partNumber) }),
      ),
    )
    const page = await rig.uploads.listParts({ ...address, afterPartNumber: 0, limit: 1000 })
    if (page.kind !== 'page') throw new Error(page.kind)
    expect(page.parts.map(({ partNumber, etag }) => ({ partNumber, etag, checksum: null }))).toEqual(parts)
    const second = await rig.uploads.listParts({ ...address, afterPartNumber: 5, limit: 3 })
    expect(second).toMatchObject({
      parts: [{ partNumber: 6 }, { partNumber: 7 }, { partNumber: 8 }],
      isTruncated: true,
    })
    const end = await rig.uploads.listParts({ ...address, afterPartNumber: 99_999, limit: 3 })
    expect(end).toMatchObject({ parts: [], isTruncated: false })
  })

  test('UploadPart, ListParts, Complete, Abort: without such an upload or bucket, leave nothing behind', async () => {
    const { address, parts } = await twoParts('a')
    await rig.uploads.abort(actor, address)
    await rig.collect()
    const before = await dump(rig.kv)
    for (const uploadId of [address.uploadId, '', 'x'.repeat(3000), `${address.uploadId}0`, '\u0000']) {
      const gone = { ...address, uploadId }
      const body = await stageBytes(rig.versions, last)
      expect(await rig.uploads.putPart(actor, { ...gone, partNumber: 1, body, checksum: null })).toEqual(
        noUpload,
      )
      expect(await rig.uploads.listParts({ ...gone, afterPartNumber: 0, limit: 10 })).toEqual(noUpload)
      expect(await rig.uploads.read(gone.bucket, gone.key, gone.uploadId)).toEqual(noUpload)
      expect(await complete(gone, parts)).toEqual(noUpload)
      expect(await rig.uploads.abort(actor, gone)).toEqual(noUpload)
    }
    const elsewhere = { ...address, bucket: 'nowhere' }
    const body = await stageBytes(rig.versions, last)
    const noBucket = { kind: 'noSuchBucket' }
    expect(await rig.uploads.putPart(actor, { ...elsewhere, partNumber: 1, body, checksum: null })).toEqual(
      noBucket,
    )
    expect(await complete(elsewhere, parts)).toEqual(noBucket)
    expect(await rig.uploads.abort(actor, elsewhere)).toEqual(noBucket)
    expect(await dump(rig.kv)).toEqual(before)
    expect(await bodyFiles(rig.directory)).toEqual([])
  })

  test('Complete beside UploadPart of the same part: whoever wins, version and bytes agree and nothing leaks', async () => {
    for (let round = 0; round < 5; round += 1) {
      const key = `k${round}`
      const address = await createUpload(rig.uploads, key)
      const part = await putPart(rig, address, { partNumber: 1, bytes: pattern(300, round) })
      const body = await stageBytes(rig.versions, pattern(300, round + 100))
      const [done, put] = await Promise.all([
        complete(address, [part]),
        rig.uploads.putPart(actor, { ...address, partNumber: 1, body, checksum: null }),
      ])
      if (done.kind === 'completed') {
        expect((await readBytes(rig.versions, done.version)).equals(pattern(300, round))).toBe(true)
        expect(put).toEqual(noUpload)
      } else {
        expect(done).toEqual({ kind: 'invalidPart', partNumber: 1 })
        expect(put.kind).toBe('put')
        await rig.uploads.abort(actor, address)
      }
    }
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
  })

  test('Complete, twice at once and beside Abort: one ending wins, for everybody', async () => {
    const { address, parts } = await twoParts('a')
    const [a, b] = await Promise.all([complete(address, parts), complete(address, parts)])
    expect(a.kind).toBe('completed')
    expect(b).toEqual(a)
    const other = await twoParts('b')
    const [done, aborted] = await Promise.all([
      complete(other.address, other.parts),
      rig.uploads.abort(actor, other.address),
    ])
    expect([done.kind, aborted.kind].sort()).toEqual(
      done.kind === 'completed' ? ['completed', 'noSuchUpload'] : ['aborted', 'noSuchUpload'],
    )
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
  })

  test('Abort: ends the upload, is recorded, and its bytes go', async () => {
    const { address } = await twoParts('a')
    expect(await rig.uploads.abort(actor, address)).toEqual({ kind: 'aborted' })
    expect((await audit()).at(-1)).toMatchObject({
      key: 'a',
      verdict: 'allow',
      detail: { uploadId: address.uploadId },
    })
    const bucket = await rig.buckets.read('ledger')
    expect(await readStat(rig.kv, bucket?.id ?? '')).toMatchObject({ uploadCount: 0 })
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
    expect(await bodyFiles(rig.directory)).toEqual([])
  })

  test('DeleteBucket: with an open upload, is refused; after its end, not', async () => {
    const { address } = await twoParts('a')
    expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'notEmpty' })
    await rig.uploads.abort(actor, address)
    expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'deleted' })
    await rig.collect()
    await expectClean(rig.kv, rig.directory)
  })

  describe('lock', () => {
    const governance: DefaultRetention = { mode: 'GOVERNANCE', period: { unit: 'DAYS', count: 10 } }
    const compliance: DefaultRetention = { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 5 } }
    const rule = (value: DefaultRetention | null) =>
      rig.buckets.putObjectLockConfiguration(actor, 'ledger', lockRule(value))
    async function lockAfter(
      lock: Parameters<typeof createUpload>[2],
      between: () => Promise<unknown>,
    ): Promise<unknown> {
      const address = await createUpload(rig.uploads, 'a', lock)
      const part = await putPart(rig, address, { partNumber: 1, bytes: last })
      await between()
      const done = await complete(address, [part])
      if (done.kind !== 'completed') throw new Error(done.kind)
      return done.version.lock
    }
    const known = (mode: string | null, retainUntilMs: number, legalHold: string | null = null) => ({
      kind: 'known',
      retention: mode === null ? null : { mode, retainUntilMs },
      legalHold,
    })
    const nothing = { retention: null, legalHold: null } as const

    test('lock: a rule that is removed before Complete, still counts, from Complete', async () => {
      await rule(compliance)
      const lock = await lockAfter(nothing, async () => {
        await rule(null)
        rig.clock.pass(dayMs)
      })
      expect(lock).toEqual(known('COMPLIANCE', startMs + 6 * dayMs))
    })

    test('lock: the stronger mode and the later date of the rules at Create and at Complete', async () => {
      await rule(governance)
      expect(await lockAfter(nothing, () => rule(compliance))).toEqual(
        known('COMPLIANCE', startMs + 10 * dayMs),
      )
    })

    test('lock: what Create was given, wins over every rule, also when its date has passed', async () => {
      const retention = { mode: 'GOVERNANCE', retainUntilMs: epochMs(startMs + 1000) } as const
      await rule(compliance)
      const lock = await lockAfter({ retention, legalHold: 'ON' }, async () => rig.clock.pass(dayMs))
      expect(lock).toEqual(known('GOVERNANCE', startMs + 1000, 'ON'))
    })

    test('lock: a hold alone, does not switch the rule off', async () => {
      await rule(governance)
      const lock = await lockAfter({ retention: null, legalHold: 'ON' }, async () => {})
      expect(lock).toEqual(known('GOVERNANCE', startMs + 10 * dayMs, 'ON'))
    })

    test('lock: Complete over a locked version, leaves it as it is', async () => {
      await rule(compliance)
      const locked = await putBytes(rig.versions, 'a', pattern(100_000, 1))
      await rule(null)
      expect(await lockAfter(nothing, async () => {})).toEqual(known(null, 0))
      await rig.collect()
      expect((await readBytes(rig.versions, locked)).equals(pattern(100_000, 1))).toBe(true)
      const { key, versionId } = locked
      const removal = await rig.versions.delete(actor, {
        bucket: 'ledger',
        key,
        versionId,
        bypassGovernance: true,
      })
      expect(removal.kind).toBe('denied')
    })

    test('lock: a suspect clock far behind, refuses to begin or to end an upload by a rule, not one with a date', async () => {
      const address = await createUpload(rig.uploads, 'a')
      const part = await putPart(rig, address, { partNumber: 1, bytes: last })
      await rule(compliance)
      rig.clock.wall += 100 * dayMs
      expect(await complete(address, [part])).toMatchObject({ kind: 'clockSuspect', trustedMs: startMs })
      await expect(createUpload(rig.uploads, 'b')).rejects.toThrow('clockSuspect')
      const refusals = ['a', 'b'].map((key) => ({ verdict: 'deny', rule: 'ClockSuspect', key }))
      expect((await audit()).slice(-2)).toMatchObject(refusals)
      const retention = { mode: 'COMPLIANCE', retainUntilMs: epochMs(startMs + 101 * dayMs) } as const
      expect(await lockAfter({ retention, legalHold: null }, async () => {})).toMatchObject({ retention })
    })
  })
})
