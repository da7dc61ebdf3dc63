import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { DefaultRetention } from '../../../src/lock/types.ts'
import { expiryKey, histogramKey, uploadKey } from '../../../src/store/keys.ts'
import { dayIndexOf, expiryCodec } from '../../../src/store/stats.ts'
import { engines, lockRule } from '../base/support.ts'
import { actor, dayInMs, openRig, type Rig } from './rig.ts'

const days = (count: number, mode: DefaultRetention['mode'] = 'COMPLIANCE'): DefaultRetention => ({
  mode,
  period: { unit: 'DAYS', count },
})

for (const engine of engines) {
  describe(`buckets on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
    })
    afterEach(() => rig.close())

    function create(name: string, objectLock: 'enabled' | 'none' = 'none', accountId = actor.accountId) {
      return rig.buckets.create(actor, { name, accountId, region: 'eu-1', objectLock })
    }

    test('create: with Object Lock, versioning in the same step and no default rule', async () => {
      const { kind, bucket } = await create('ledger', 'enabled')
      expect(kind).toBe('created')
      expect(bucket).toMatchObject({
        versioning: 'Enabled',
        objectLock: { status: 'Enabled', retention: { defaultRetention: null, prefixRules: [] } },
        owner: null,
        policy: null,
        region: 'eu-1',
        revision: 1,
      })
      expect(await rig.buckets.read('ledger')).toEqual(bucket)
    })

    test('create: a bucket that is there, answered as it is and never changed (I19)', async () => {
      for (const [first, second] of [
        ['enabled', 'none'],
        ['none', 'enabled'],
      ] as const) {
        const name = `bucket-${first}`
        const { bucket } = await create(name, first)
        const rows = await rig.rows()
        expect(await create(name, second, '999999999999')).toEqual({ kind: 'exists', bucket })
        expect(await rig.rows()).toEqual(rows)
      }
    })

    test('create: ten at once, one is created', async () => {
      const results = await Promise.all(Array.from({ length: 10 }, () => create('ledger')))
      expect(results.filter(({ kind }) => kind === 'created')).toHaveLength(1)
      expect(new Set(results.map(({ bucket }) => bucket.id)).size).toBe(1)
    })

    test('list: in byte order, by account, in pages', async () => {
      for (const [name, accountId] of [
        ['b', '111111111111'],
        ['a', '222222222222'],
        ['a-1', '111111111111'],
        ['c', '111111111111'],
      ] as const) {
        await create(name, 'none', accountId)
      }
      const names = async (options: { accountId?: string; after?: string; limit?: number }) => {
        const found = await rig.buckets.list({ accountId: null, after: null, limit: 10, ...options })
        return found.map(({ name }) => name)
      }
      expect(await names({})).toEqual(['a', 'a-1', 'b', 'c'])
      expect(await names({ accountId: '111111111111' })).toEqual(['a-1', 'b', 'c'])
      expect(await names({ accountId: '111111111111', after: 'a-1', limit: 1 })).toEqual(['b'])
      expect(await names({ after: 'c' })).toEqual([])
    })

    test('delete: while a version, a delete marker or an upload is there, notEmpty and recorded (I18)', async () => {
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'noSuchBucket' })
      await create('ledger', 'enabled')
      const marker = await rig.remove({ key: 'a' })
      const rows = await rig.rows()
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'notEmpty' })
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).at(-1)).toMatchObject({
        verdict: 'deny',
        rule: 'BucketNotEmpty',
        bucket: 'ledger',
      })
      await rig.remove({ key: 'a', versionId: marker.kind === 'deleted' ? marker.versionId : null })
      const { bucket } = await create('ledger')
      const row = uploadKey(bucket.id, 'k', 'U')
      await rig.kv.transact(async (transaction) => transaction.put(row, Uint8Array.of(1)))
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'notEmpty' })
      await rig.kv.transact(async (transaction) => transaction.delete(row))
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'deleted' })
      expect(await rig.buckets.read('ledger')).toBeNull()
      expect((await rig.rows()).filter((row) => !row.startsWith('6d'))).toEqual([])
    })

    test('putVersioning: Suspended under Object Lock, refused, recorded, unchanged (I19, B-20)', async () => {
      await create('ledger', 'enabled')
      const rows = await rig.rows()
      expect(await rig.buckets.putVersioning(actor, 'ledger', 'Suspended')).toEqual({
        kind: 'objectLockPresent',
      })
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'deny', rule: 'ObjectLockPresent' })
      expect(await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')).toMatchObject({ kind: 'changed' })
      expect(await rig.rows()).toEqual(rows)
    })

    test('putObjectLockConfiguration: without versioning, refused; with it, on for good', async () => {
      await create('ledger')
      const put = (rule: DefaultRetention | null) =>
        rig.buckets.putObjectLockConfiguration(actor, 'ledger', lockRule(rule))
      expect(await put(null)).toEqual({ kind: 'versioningNotEnabled' })
      await rig.buckets.putVersioning(actor, 'ledger', 'Suspended')
      expect(await put(null)).toEqual({ kind: 'versioningNotEnabled' })
      await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')
      expect(await put(days(5))).toMatchObject({ kind: 'changed', bucket: { revision: 4 } })
      expect(await put(null)).toMatchObject({
        bucket: { objectLock: { status: 'Enabled', retention: { defaultRetention: null } } },
      })
      expect(await rig.buckets.putVersioning(actor, 'ledger', 'Suspended')).toEqual({
        kind: 'objectLockPresent',
      })
      expect((await rig.audit()).map(({ rule }) => rule)).toContain('ObjectLockPresent')
    })

    test('unknown bucket: noSuchBucket everywhere, null for facts', async () => {
      expect(await rig.buckets.putVersioning(actor, 'x', 'Enabled')).toEqual({ kind: 'noSuchBucket' })
      expect(await rig.buckets.putObjectLockConfiguration(actor, 'x', { kind: 'clearRule' })).toEqual({
        kind: 'noSuchBucket',
      })
      expect(await rig.buckets.facts('x')).toBeNull()
    })

    test('facts: locked versions and the latest date, as time passes', async () => {
      await create('ledger', 'enabled')
      const put = (key: string, lock: object) => rig.put({ key, lock })
      const at = (count: number) => ({ mode: 'GOVERNANCE', retainUntilMs: rig.inDays(count) })
      const lastMs = rig.inDays(3)
      await put('a', { retention: at(0.25) })
      await put('b', { retention: at(3), legalHold: 'ON' })
      await put('c', { retention: at(0.25), legalHold: 'ON' })
      await put('d', { legalHold: 'ON' })
      await put('e', {})
      const seen = async () => {
        const facts = await rig.buckets.facts('ledger')
        return [facts?.lockedVersionCount, facts?.lockedUntilMs, facts?.stat.legalHoldCount]
      }
      expect(await seen()).toEqual([4, lastMs, 3])
      rig.clock.pass(dayInMs / 4)
      expect(await seen()).toEqual([4, lastMs, 3])
      rig.clock.pass(1)
      expect(await seen()).toEqual([3, lastMs, 3])
      rig.clock.pass(3 * dayInMs - dayInMs / 4 - 1)
      expect(await seen()).toEqual([3, lastMs, 3])
      rig.clock.pass(1)
      expect(await seen()).toEqual([3, null, 3])
    })

    test('facts: more expiries today than are read one by one, the whole day counts as locked', async () => {
      const { bucket } = await create('ledger', 'enabled')
      const untilMs = rig.inDays(0.5)
      const record = { key: 'k', mode: 'GOVERNANCE', legalHold: 'OFF', sizeBytes: 1 } as const
      for (let written = 0; written <= limits.factsExpiryRowsMax; written += 1000) {
        await rig.kv.transact(async (transaction) => {
          for (let index = 0; index < 1000; index += 1) {
            const offsetMs = written + index < 500 ? -1 : 1
            const row = expiryKey(bucket.id, untilMs + offsetMs, `V${written + index}`)
            transaction.put(row, expiryCodec.encode(row, record))
          }
          transaction.add(histogramKey(bucket.id, dayIndexOf(untilMs), 'GOVERNANCE', 'count'), 1000)
        })
      }
      rig.clock.pass(dayInMs / 2)
      expect(await rig.buckets.facts('ledger')).toMatchObject({ lockedVersionCount: 11_000 })
    })
  })
}
