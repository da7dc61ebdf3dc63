import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeVersion, encodeVersion } from '../../../src/store/codec.ts'
import { expiryKey, histogramKey, statKey, versionKey } from '../../../src/store/keys.ts'
import type { BucketRecord, VersionRecord } from '../../../src/store/records.ts'
import { dayIndexOf, expiryCodec } from '../../../src/store/stats.ts'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'
import { tableRows, wrongCounts } from './rows.ts'

for (const engine of engines) {
  describe(`recount on ${engine.name}`, () => {
    let rig: Rig
    let bucket: BucketRecord
    let locked: VersionRecord
    beforeEach(async () => {
      rig = await openRig(engine)
      const { bucket: made } = await rig.buckets.create(actor, {
        name: 'ledger',
        accountId: '1'.repeat(12),
        region: 'r',
        objectLock: 'enabled',
      })
      bucket = made
      await rig.put({ key: 'free' })
      await rig.remove({ key: 'free' })
      const lock = {
        retention: { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(3) },
        legalHold: 'ON',
      } as const
      const put = await rig.put({ key: 'locked', body: '0123456789', lock })
      if (put.kind !== 'put') throw new Error(put.kind)
      locked = put.version
    })
    afterEach(() => rig.close())

    const differences = () => wrongCounts(rig.kv, bucket.id)
    const retainUntilMs = () => rig.inDays(3)
    const expiryRow = () => expiryKey(bucket.id, retainUntilMs(), locked.versionId)
    const add = (row: Uint8Array, delta: number) => rig.kv.transact(async (tx) => tx.add(row, delta))

    test('a bucket with objects, a delete marker, a retention and a hold: nothing differs', async () => {
      expect(await differences()).toEqual([])
    })

    test('each counter of the bucket and of the histogram: one more is told with both numbers', async () => {
      const rows = [...(await tableRows(rig.kv, 'stat')), ...(await tableRows(rig.kv, 'histogram'))]
      expect(rows.length).toBe(4 + 3)
      for (const { key } of rows) {
        await add(key, 1)
        expect(await differences()).toEqual([
          {
            kind: 'counter',
            name: expect.any(String),
            stored: expect.any(Number),
            counted: expect.any(Number),
          },
        ])
        await add(key, -1)
      }
      const day = dayIndexOf(retainUntilMs())
      await add(histogramKey(bucket.id, day, 'COMPLIANCE', 'bytes'), -10)
      await add(statKey(bucket.id, 'uploadCount'), 2)
      expect(await differences()).toEqual([
        { kind: 'counter', name: 'uploadCount', stored: 2, counted: 0 },
        { kind: 'counter', name: `${day}/COMPLIANCE/bytes`, stored: 0, counted: 10 },
      ])
    })

    test('an expiry row that is not there, says something else, or belongs to no version: named', async () => {
      const { key, versionId } = locked
      const record = { key, mode: 'COMPLIANCE', legalHold: 'ON', sizeBytes: 10 } as const
      await rig.kv.transact(async (tx) => tx.delete(expiryRow()))
      expect(await differences()).toEqual([{ kind: 'expiryMissing', key, versionId }])
      const put = (row: Uint8Array, change: object) =>
        rig.kv.transact(async (tx) => tx.put(row, expiryCodec.encode(row, { ...record, ...change })))
      await put(expiryRow(), { legalHold: 'OFF' })
      expect(await differences()).toEqual([{ kind: 'expiryMissing', key, versionId }])
      await put(expiryRow(), {})
      const later = expiryKey(bucket.id, retainUntilMs() + 1, versionId)
      await put(later, {})
      expect(await differences()).toEqual([{ kind: 'expiryStray', key, versionId }])
      await rig.kv.transact(async (tx) => tx.delete(later))
      const nobody = `${versionId.slice(0, 31)}${versionId.endsWith('0') ? '1' : '0'}`
      await put(expiryKey(bucket.id, retainUntilMs(), nobody), {})
      expect(await differences()).toEqual([{ kind: 'expiryStray', key, versionId: nobody }])
    })

    test('rows that cannot be read: told, and no counter is called wrong for a version among them', async () => {
      await rig.kv.transact(async (tx) => tx.put(expiryRow(), Uint8Array.of(1, 2, 3)))
      expect(await differences()).toEqual([
        { kind: 'unreadable', table: 'expiry', cause: expect.stringContaining('checksum') },
      ])
      const row = versionKey(bucket.id, locked.key, locked.order, locked.versionId)
      const value = encodeVersion(locked)
      await rig.kv.transact(async (tx) => {
        tx.put(expiryRow(), expiryCodec.encode(expiryRow(), expiryOf()))
        // The lock is what stands behind the line's end.
        tx.put(row, value.fill(0x30, value.indexOf(0x0a) + 1))
      })
      expect(decodeVersion(row, value).lock.kind).toBe('unknown')
      expect(await differences()).toEqual([
        { kind: 'unreadable', table: 'version', cause: expect.stringContaining(locked.versionId) },
      ])
    })

    const expiryOf = () => ({ key: locked.key, mode: 'COMPLIANCE', legalHold: 'ON', sizeBytes: 10 }) as const
  })
}
