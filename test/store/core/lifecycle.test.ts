import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { lifecycleKey, statKey, versionKey, versionsPrefix } from '../../../src/store/keys.ts'
import { noCounts, writeLifecycleState } from '../../../src/store/lifecycle-state.ts'
import type { BucketId, VersionRecord } from '../../../src/store/records.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { engines } from '../base/support.ts'
import {
  expectWhole,
  expireAfter,
  lifecycleActor,
  listed,
  passDays,
  putRules,
  putVersion,
  removeNoncurrentAfter,
  rule,
  run,
} from './lifecycle-rig.ts'
import { actor, noLock, openRig, type Rig } from './rig.ts'
import { tableRows, wrongCounts } from './rows.ts'

const done = { kind: 'done', bucketCount: 1 }
const nothing = {
  expiredCount: 0,
  removedCount: 0,
  abortedUploadCount: 0,
  lockedCount: 0,
  unreadableCount: 0,
}

for (const engine of engines) {
  describe(`the lifecycle on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      await create('ledger', 'enabled')
    })
    afterEach(() => rig.close())

    const create = (name: string, objectLock: 'enabled' | 'none') =>
      rig.buckets.create(actor, { name, accountId: actor.accountId, region: 'r', objectLock })
    const lastRun = async (bucket = 'ledger') => (await rig.buckets.facts(bucket))?.lastLifecycleRun ?? null
    const expectCounted = async () => {
      const bucket = await rig.buckets.read('ledger')
      expect(await wrongCounts(rig.kv, bucket?.id ?? '')).toEqual([])
    }

    test('a bucket with a damaged counter keeps no other waiting, and its writes are refused as damage', async () => {
      for (const name of ['archive', 'zebra']) {
        await create(name, 'enabled')
        await rig.put({ bucket: name, key: 'a' })
        await putRules(rig, [expireAfter(3)], name)
      }
      const damaged = await rig.buckets.read('archive')
      const row = statKey(damaged?.id ?? ('' as BucketId), 'deleteMarkerCount')
      const counter = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0x40)
      await rig.kv.transact(async (transaction) => transaction.put(row, counter))
      passDays(rig, 4)
      expect((await run(rig)).kind).toBe('done')
      expect((await listed(rig, 'zebra')).map(([key, version]) => [key, version === 'marker'])).toEqual([
        ['a', true],
        ['a', false],
      ])
      expect(await listed(rig, 'archive')).toHaveLength(1)
      const refused = { kind: 'denied', verdict: { rule: 'LockStateKnown' } }
      expect(await rig.remove({ bucket: 'archive', key: 'a' })).toMatchObject(refused)
      await expect(rig.buckets.facts('archive')).rejects.toThrow(CorruptRecordError)
    })

    test('a row whose own key is damaged: keeps no other bucket waiting, and whoever meets it is told of damage', async () => {
      for (const name of ['archive', 'zebra']) {
        await create(name, 'enabled')
        await rig.put({ bucket: name, key: 'a' })
        await putRules(rig, [expireAfter(3)], name)
      }
      const id = (await rig.buckets.read('archive'))?.id ?? ('' as BucketId)
      // A string without its end.
      const row = Uint8Array.of(...versionsPrefix(id, ''), 0x62)
      await rig.kv.transact(async (transaction) => transaction.put(row, Uint8Array.of(1)))
      passDays(rig, 4)
      expect((await run(rig)).kind).toBe('done')
      expect((await listed(rig, 'zebra')).map(([key, version]) => [key, version === 'marker'])).toEqual([
        ['a', true],
        ['a', false],
      ])
      await expect(listed(rig, 'archive')).rejects.toThrow(CorruptRecordError)
    })

    test('[Lifecycle.1] Expiration: a delete marker over the current version, which stays; audited by name and rule', async () => {
      const version = await putVersion(rig, 'a')
      await putRules(rig, [expireAfter(3)])
      passDays(rig, 2)
      expect(await run(rig)).toEqual(done)
      expect(await listed(rig)).toEqual([['a', version.versionId]])
      passDays(rig, 0)
      const before = (await rig.audit()).length
      expect(await run(rig)).toEqual(done)
      expect(await listed(rig)).toEqual([
        ['a', 'marker'],
        ['a', version.versionId],
      ])
      await expectWhole(rig, version)
      expect((await rig.audit()).slice(before)).toMatchObject([
        {
          actor: lifecycleActor,
          bucket: 'ledger',
          key: 'a',
          verdict: 'allow',
          detail: { isDeleteMarker: true, lifecycleRule: 'rule' },
        },
      ])
      expect(await lastRun()).toMatchObject({ ...nothing, expiredCount: 1 })
      expect(await run(rig)).toEqual(done)
      expect(await lastRun()).toMatchObject(nothing)
      await expectCounted()
    })

    test('Expiration where there is no versioning: the object and its bytes go', async () => {
      await create('plain', 'none')
      await rig.put({ bucket: 'plain', key: 'a' })
      await putRules(rig, [expireAfter(1)], 'plain')
      passDays(rig, 1)
      expect(await run(rig)).toEqual(done)
      expect(await listed(rig, 'plain')).toEqual([])
      expect(await tableRows(rig.kv, 'list')).toEqual([])
      expect(await lastRun('plain')).toMatchObject({ ...nothing, expiredCount: 1 })
    })

    test('Expiration with versioning suspended: a null marker takes the place of the null version', async () => {
      await create('plain', 'none')
      await rig.buckets.putVersioning(actor, 'plain', 'Suspended')
      await rig.put({ bucket: 'plain', key: 'a' })
      await putRules(rig, [expireAfter(1)], 'plain')
      passDays(rig, 1)
      await run(rig)
      expect(await listed(rig, 'plain')).toEqual([['a', 'marker']])
    })

    test('[Lifecycle.2] B-27 B-29 B-30 I15: noncurrent versions under any lock stay with their bytes, free ones go', async () => {
      const retainUntilMs = rig.inDays(400)
      const held = await putVersion(rig, 'a', { legalHold: 'ON' })
      const governed = await putVersion(rig, 'a', { retention: { mode: 'GOVERNANCE', retainUntilMs } })
      const complied = await putVersion(rig, 'a', { retention: { mode: 'COMPLIANCE', retainUntilMs } })
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', {
        kind: 'enable',
        defaultRetention: { mode: 'GOVERNANCE', period: { unit: 'DAYS', count: 400 } },
      })
      const stamped = await putVersion(rig, 'a')
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' })
      const free = await putVersion(rig, 'a')
      const released = await putVersion(rig, 'a', { legalHold: 'OFF' })
      const current = await putVersion(rig, 'a')
      await putRules(rig, [removeNoncurrentAfter(1), { ...expireAfter(300), id: 'b' }])
      passDays(rig, 1)
      const audit = (await rig.audit()).length
      await run(rig)
      const kept = [current, stamped, complied, governed, held]
      expect(await listed(rig)).toEqual(kept.map(({ versionId }) => ['a', versionId]))
      for (const version of kept) await expectWhole(rig, version)
      expect(await lastRun()).toMatchObject({ ...nothing, removedCount: 2, lockedCount: 4 })
      const records = (await rig.audit()).slice(audit)
      expect(records.map((record) => [record['versionId'], record['verdict'], record['rule']])).toEqual([
        [released.versionId, 'allow', 'NoRuleDenies'],
        [free.versionId, 'allow', 'NoRuleDenies'],
      ])
      await expectCounted()
    })

    test('[Lifecycle.2] a lock that has ended: the next run removes what the last one kept', async () => {
      const retention = { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(10) } as const
      const version = await putVersion(rig, 'a', { retention })
      const current = await putVersion(rig, 'a')
      await putRules(rig, [removeNoncurrentAfter(1)])
      rig.clock.pass(rig.inDays(10) - rig.clock.wall)
      await run(rig)
      await expectWhole(rig, version)
      expect(await lastRun()).toMatchObject({ lockedCount: 1, removedCount: 0 })
      rig.clock.pass(1)
      await run(rig)
      expect(await listed(rig)).toEqual([['a', current.versionId]])
    })

    test('NewerNoncurrentVersions: so many of the newest noncurrent versions stay', async () => {
      const versions: VersionRecord[] = []
      for (let index = 0; index < 5; index += 1) versions.push(await putVersion(rig, 'a'))
      await putRules(rig, [removeNoncurrentAfter(1, 2)])
      passDays(rig, 5)
      await run(rig)
      const kept = versions.slice(2).toReversed()
      expect(await listed(rig)).toEqual(kept.map(({ versionId }) => ['a', versionId]))
    })

    test('[Lifecycle.3] ExpiredObjectDeleteMarker: the marker that is left alone goes, the one over a version stays', async () => {
      await putVersion(rig, 'a')
      await rig.remove({ key: 'a' })
      await rig.remove({ key: 'b' })
      await putRules(rig, [rule({ expiration: { kind: 'expiredObjectDeleteMarker', isWanted: true } })])
      await run(rig)
      expect((await listed(rig)).map(([key]) => key)).toEqual(['a', 'a'])
      expect(await lastRun()).toMatchObject({ ...nothing, removedCount: 1 })
    })

    test('a key runs out: marker over the version, version, marker, each in its run', async () => {
      await putVersion(rig, 'a')
      await putRules(rig, [
        rule({
          ...expireAfter(1),
          noncurrentVersionExpiration: { noncurrentDays: 1, newerNoncurrentVersions: null },
        }),
      ])
      const lengths: number[] = []
      for (let day = 0; day < 4; day += 1) {
        passDays(rig, 1)
        await run(rig)
        lengths.push((await listed(rig)).length)
      }
      expect(lengths).toEqual([2, 1, 0, 0])
      for (const table of ['stat', 'histogram'] as const) expect(await tableRows(rig.kv, table)).toEqual([])
    })

    test('[Lifecycle.4] AbortIncompleteMultipartUpload: uploads that are old enough under the prefix, and no others', async () => {
      const uploads = createUploads(rig.context)
      const begin = async (key: string) => {
        const described = { headers: {}, userMetadata: {}, tags: {}, lock: noLock }
        const checksum = { checksumAlgorithm: null, checksumType: null }
        const result = await uploads.create(actor, { bucket: 'ledger', key, ...described, ...checksum })
        if (result.kind !== 'created') throw new Error(result.kind)
        return result.upload.uploadId
      }
      await begin('logs/old')
      const other = await begin('other')
      const filter = {
        form: 'Filter',
        prefix: 'logs/',
        tags: [],
        sizeGreaterThan: null,
        sizeLessThan: null,
      } as const
      await putRules(rig, [rule({ filter, abortIncompleteMultipartUpload: { daysAfterInitiation: 2 } })])
      passDays(rig, 2)
      const young = await begin('logs/young')
      await run(rig)
      const page = { prefix: '', delimiter: '', maxKeys: 10, keyMarker: null, uploadIdMarker: null }
      const left = await uploads.list({ bucket: 'ledger', ...page })
      if (left.kind !== 'page') throw new Error(left.kind)
      expect(left.uploads.map(({ uploadId }) => uploadId)).toEqual([young, other])
      expect(await lastRun()).toMatchObject({ ...nothing, abortedUploadCount: 1 })
      expect((await rig.audit()).at(-1)).toMatchObject({ actor: lifecycleActor, key: 'logs/old' })
    })

    test('a suspect clock: nothing is done, whatever is due', async () => {
      await putVersion(rig, 'a')
      await putVersion(rig, 'a')
      await putRules(rig, [removeNoncurrentAfter(1), { ...expireAfter(1), id: 'b' }])
      // The machine was off, and its clock says for very long.
      rig.clock.reboot(400 * 86_400_000)
      const rows = await rig.rows()
      expect(await run(rig)).toEqual({ kind: 'clockSuspect' })
      expect(await rig.rows()).toEqual(rows)
    })

    test('a wall clock that steps ahead while the machine runs makes nothing older', async () => {
      const version = await putVersion(rig, 'a')
      await putRules(rig, [expireAfter(1)])
      rig.clock.wall += 20 * 3_600_000
      expect((await run(rig)).kind).not.toBe('stopped')
      expect(await listed(rig)).toEqual([['a', version.versionId]])
    })

    test('a wall clock that was behind when a version was written makes it no older', async () => {
      rig.clock.wall -= 30 * 86_400_000
      const version = await putVersion(rig, 'a')
      await putRules(rig, [expireAfter(3)])
      rig.clock.pass(86_400_000)
      await run(rig)
      expect(await listed(rig)).toEqual([['a', version.versionId]])
    })

    test('rules that cannot be read: nothing of that bucket is done, the others are', async () => {
      await create('other', 'none')
      await rig.put({ bucket: 'other', key: 'a' })
      const version = await putVersion(rig, 'a')
      await putRules(rig, [expireAfter(1)], 'other')
      await rig.documents.put(actor, 'ledger', { kind: 'lifecycle', text: '{"format":1,"rules":[]}' })
      passDays(rig, 5)
      await run(rig)
      expect(await listed(rig)).toEqual([['a', version.versionId]])
      expect(await listed(rig, 'other')).toEqual([])
      expect(await lastRun()).toBeNull()
    })

    test('a version that cannot be read: it and all that is older of its key stay, other keys are done', async () => {
      const old = await putVersion(rig, 'a')
      const broken = await putVersion(rig, 'a')
      const newer = await putVersion(rig, 'a')
      const current = await putVersion(rig, 'a')
      await putVersion(rig, 'b')
      const last = await putVersion(rig, 'b')
      const row = versionKey(broken.bucketId, 'a', broken.order, broken.versionId)
      await rig.kv.transact(async (transaction) => transaction.put(row, Uint8Array.of(1, 2, 3)))
      await putRules(rig, [removeNoncurrentAfter(1)])
      passDays(rig, 1)
      await run(rig)
      expect(await rig.kv.get(row)).toEqual(Uint8Array.of(1, 2, 3))
      await expectWhole(rig, old)
      await expectWhole(rig, current)
      await expectWhole(rig, last)
      const gone = await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: newer.versionId })
      expect(gone.kind).toBe('noSuchVersion')
      expect(await lastRun()).toMatchObject({ removedCount: 2, unreadableCount: 1 })
    })

    test('a frozen bucket: free versions go, locked ones stay', async () => {
      const held = await putVersion(rig, 'a', { legalHold: 'ON' })
      await putVersion(rig, 'a')
      const current = await putVersion(rig, 'a')
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
      await putRules(rig, [removeNoncurrentAfter(1)])
      passDays(rig, 1)
      await run(rig)
      expect(await listed(rig)).toEqual([current, held].map(({ versionId }) => ['a', versionId]))
    })

    test('no rules, disabled rules, deleted rules: nothing', async () => {
      const version = await putVersion(rig, 'a')
      passDays(rig, 5)
      expect(await run(rig)).toEqual({ kind: 'done', bucketCount: 0 })
      await putRules(rig, [{ ...expireAfter(1), status: 'Disabled' }])
      await run(rig)
      await putRules(rig, [expireAfter(1)])
      await rig.documents.delete(actor, 'ledger', 'lifecycle')
      await run(rig)
      expect(await listed(rig)).toEqual([['a', version.versionId]])
    })

    test('DeleteBucket takes along what the lifecycle remembers', async () => {
      await putRules(rig, [expireAfter(1)])
      await run(rig)
      expect(await tableRows(rig.kv, 'lifecycle')).toHaveLength(1)
      await rig.buckets.delete(actor, 'ledger')
      expect(await tableRows(rig.kv, 'lifecycle')).toEqual([])
    })

    test('a run that was broken off goes on after its last key, but only under the rules that it began with', async () => {
      await putVersion(rig, 'a')
      await putVersion(rig, 'b')
      await putRules(rig, [expireAfter(1)])
      passDays(rig, 1)
      const bucket = await rig.buckets.read('ledger')
      if (bucket === null) throw new Error('the bucket is there')
      const running = { startedMs: rig.inDays(0), revision: bucket.revision, afterKey: 'a', counts: noCounts }
      await writeLifecycleState(rig.kv, bucket, { lastRun: null, running })
      await run(rig)
      expect((await listed(rig)).map(([key]) => key)).toEqual(['a', 'b', 'b'])
      const stale = { ...running, revision: bucket.revision - 1, counts: { ...noCounts, removedCount: 9 } }
      await writeLifecycleState(rig.kv, bucket, { lastRun: null, running: stale })
      await run(rig)
      expect((await listed(rig)).map(([key]) => key)).toEqual(['a', 'a', 'b', 'b'])
      expect(await lastRun()).toMatchObject({ expiredCount: 1, removedCount: 0 })
    })

    test('what the lifecycle remembers cannot be read: it begins anew', async () => {
      await putVersion(rig, 'a')
      await putRules(rig, [expireAfter(1)])
      passDays(rig, 1)
      const bucket = await rig.buckets.read('ledger')
      const row = lifecycleKey(bucket?.id ?? '')
      await rig.kv.transact(async (transaction) => transaction.put(row, Uint8Array.of(9)))
      expect(await lastRun()).toBeNull()
      await run(rig)
      expect(await lastRun()).toMatchObject({ expiredCount: 1 })
    })
  })
}
