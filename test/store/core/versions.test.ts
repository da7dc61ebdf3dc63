import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import type { Retention } from '../../../src/lock/types.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { engines } from '../base/support.ts'
import { actor, dayInMs, openRig, type PutInput, type Rig, readText } from './rig.ts'

for (const engine of engines) {
  describe(`versions on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
    })
    afterEach(() => rig.close())

    async function bucket(objectLock: 'enabled' | 'none' = 'enabled'): Promise<void> {
      await rig.buckets.create(actor, { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock })
    }

    async function put(input: PutInput): Promise<VersionRecord> {
      const result = await rig.put(input)
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    async function read(key: string, versionId: string | null = null): Promise<VersionRecord> {
      const result = await rig.versions.read({ bucket: 'ledger', key, versionId })
      if (result.kind !== 'found') throw new Error(result.kind)
      return result.version
    }

    function compliance(days: number): Retention {
      return { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(days) }
    }

    function setRule(days: number) {
      const rule = { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: days } } as const
      return rig.buckets.putObjectLockConfiguration(actor, 'ledger', {
        kind: 'enable',
        defaultRetention: rule,
      })
    }

    test('put: an object, read back with its bytes and lock', async () => {
      await bucket()
      const retention = compliance(30)
      const written = await put({ key: 'a', body: 'hello', lock: { retention, legalHold: 'ON' } })
      const found = await read('a', written.versionId)
      expect(found).toEqual(written)
      expect(found.lock).toEqual({ kind: 'known', retention, legalHold: 'ON' })
      expect(await readText(rig.versions, found)).toBe('hello')
    })

    test('put: a default rule, stamped once; changing or removing the rule changes no version (I11, B-10)', async () => {
      await bucket()
      await setRule(10)
      const first = await put({ key: 'a' })
      const stamped = { kind: 'known', retention: compliance(10), legalHold: null }
      expect(first.lock).toEqual(stamped)
      await setRule(1)
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' })
      expect((await read('a', first.versionId)).lock).toEqual(stamped)
      expect((await put({ key: 'a' })).lock).toEqual({ kind: 'known', retention: null, legalHold: null })
    })

    test('put: a hold header and a default rule, both apply (B-37)', async () => {
      await bucket()
      await setRule(10)
      const version = await put({ key: 'a', lock: { legalHold: 'ON' } })
      expect(version.lock).toEqual({ kind: 'known', retention: compliance(10), legalHold: 'ON' })
    })

    test('put: any lock header into a bucket without Object Lock, bucketLockMissing', async () => {
      await bucket('none')
      for (const lock of [{ legalHold: 'OFF' }, { legalHold: 'ON' }, { retention: compliance(1) }] as const) {
        expect(await rig.put({ key: 'a', lock })).toEqual({ kind: 'bucketLockMissing' })
      }
      expect(await rig.put({ bucket: 'nothing', key: 'a' })).toEqual({ kind: 'noSuchBucket' })
    })

    test('put: over a locked version, a new one; the old one keeps its bytes and lock (I12)', async () => {
      await bucket()
      const old = await put({ key: 'a', body: 'old', lock: { retention: compliance(9) } })
      await put({ key: 'a', body: 'new' })
      expect(await readText(rig.versions, await read('a'))).toBe('new')
      expect(await read('a', old.versionId)).toEqual(old)
      expect(await readText(rig.versions, await read('a', old.versionId))).toBe('old')
    })

    test('delete: a marker on top, the locked version below stays locked (B-15)', async () => {
      await bucket()
      const locked = await put({ key: 'a', lock: { retention: compliance(9) } })
      const marker = await rig.remove({ key: 'a' })
      expect(marker).toMatchObject({ kind: 'deleted', isDeleteMarker: true })
      expect(
        await rig.remove({ key: 'a', versionId: locked.versionId, bypassGovernance: true }),
      ).toMatchObject({
        kind: 'denied',
        verdict: { reason: 'ComplianceRetention', untilMs: rig.inDays(9) },
      })
      const versionId = marker.kind === 'deleted' ? marker.versionId : null
      expect(await rig.remove({ key: 'a', versionId })).toEqual({
        kind: 'deleted',
        versionId,
        isDeleteMarker: true,
      })
      expect((await read('a')).versionId).toBe(locked.versionId)
    })

    test('delete: at the retain-until date denied, one millisecond later done', async () => {
      await bucket()
      const version = await put({ key: 'a', lock: { retention: compliance(1) } })
      const address = { key: 'a', versionId: version.versionId }
      rig.clock.pass(dayInMs)
      expect(await rig.remove(address)).toMatchObject({ kind: 'denied' })
      rig.clock.pass(1)
      expect(await rig.remove(address)).toEqual({
        kind: 'deleted',
        versionId: version.versionId,
        isDeleteMarker: false,
      })
      expect(await rig.versions.read({ bucket: 'ledger', ...address })).toEqual({ kind: 'noSuchVersion' })
      expect(await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: null })).toEqual({
        kind: 'noSuchKey',
      })
    })

    test('delete: hold ON, denied also with expired retention and bypass (B-08, B-32)', async () => {
      await bucket()
      const retention = { mode: 'GOVERNANCE', retainUntilMs: rig.inDays(1) } as const
      const { versionId } = await put({ key: 'a', lock: { retention, legalHold: 'ON' } })
      rig.clock.pass(2 * dayInMs)
      const removal = { key: 'a', versionId, bypassGovernance: true }
      expect(await rig.remove(removal)).toMatchObject({ kind: 'denied', verdict: { reason: 'LegalHold' } })
      await rig.versions.putLegalHold(actor, { bucket: 'ledger', key: 'a', versionId, next: 'OFF' })
      expect(await rig.remove(removal)).toMatchObject({ kind: 'deleted' })
    })

    test('delete: a key ending in a slash, under the same rules (I13, B-16, B-17)', async () => {
      await bucket()
      const { versionId } = await put({ key: 'dir/', body: '', lock: { legalHold: 'ON' } })
      const free = await put({ key: 'free' })
      const job = { bucket: 'ledger', bypassGovernance: true }
      const answers = await rig.versions.deleteMany(actor, [
        { ...job, key: 'free', versionId: free.versionId },
        { ...job, key: 'dir/', versionId },
        { ...job, key: 'dir/', versionId: 'null' },
      ])
      expect(answers.map(({ kind }) => kind)).toEqual(['deleted', 'denied', 'deleted'])
      expect(await readText(rig.versions, await read('dir/', versionId))).toBe('')
    })

    test('null version: written before versioning, addressed as null, locked and never overwritten (B-18)', async () => {
      await bucket('none')
      const first = await put({ key: 'a', body: 'first' })
      expect(first.isNull).toBe(true)
      await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')
      await setRule(5)
      await put({ key: 'a', body: 'second' })
      expect((await read('a', 'null')).versionId).toBe(first.versionId)
      const lock = {
        bucket: 'ledger',
        key: 'a',
        versionId: 'null',
        next: compliance(3),
        bypassGovernance: false,
      }
      expect(await rig.versions.putRetention(actor, lock)).toMatchObject({ kind: 'changed' })
      await put({ key: 'a', body: 'third' })
      await rig.remove({ key: 'a' })
      expect(await rig.remove({ key: 'a', versionId: 'null' })).toMatchObject({ kind: 'denied' })
      expect(await readText(rig.versions, await read('a', 'null'))).toBe('first')
    })

    test('null version: the id behind it, unknown to clients', async () => {
      await bucket('none')
      const { versionId } = await put({ key: 'a' })
      expect(await rig.versions.read({ bucket: 'ledger', key: 'a', versionId })).toEqual({
        kind: 'noSuchVersion',
      })
      expect(await rig.remove({ key: 'a', versionId })).toEqual({
        kind: 'deleted',
        versionId: null,
        isDeleteMarker: false,
      })
      expect((await read('a', 'null')).versionId).toBe(versionId)
    })

    test('null version: suspended, a put replaces it and nothing else (B-19)', async () => {
      await bucket('none')
      await put({ key: 'a', body: 'null 1' })
      await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')
      const kept = await put({ key: 'a', body: 'kept' })
      await rig.buckets.putVersioning(actor, 'ledger', 'Suspended')
      const replacing = await put({ key: 'a', body: 'null 2' })
      expect(await readText(rig.versions, await read('a', 'null'))).toBe('null 2')
      expect(await readText(rig.versions, await read('a', kept.versionId))).toBe('kept')
      expect(await rig.remove({ key: 'a' })).toEqual({
        kind: 'deleted',
        versionId: 'null',
        isDeleteMarker: true,
      })
      expect((await read('a', 'null')).object).toBeNull()
      expect((await rig.audit()).at(-1)).toMatchObject({ detail: { replacedVersionId: replacing.versionId } })
      expect(await rig.remove({ key: 'a', versionId: 'null' })).toMatchObject({ isDeleteMarker: true })
      expect((await read('a')).versionId).toBe(kept.versionId)
    })

    test('null version: unversioned, a delete removes the bytes and the key', async () => {
      await bucket('none')
      await put({ key: 'a' })
      expect(await rig.remove({ key: 'a' })).toEqual({
        kind: 'deleted',
        versionId: null,
        isDeleteMarker: false,
      })
      expect(await rig.remove({ key: 'a' })).toEqual({
        kind: 'deleted',
        versionId: null,
        isDeleteMarker: false,
      })
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'deleted' })
      const left = (await rig.rows()).filter((row) => !row.startsWith('6d'))
      expect(left).toEqual([])
    })

    test('putRetention and putLegalHold: on the addressed version, not the current one (B-39)', async () => {
      await bucket()
      const old = await put({ key: 'a' })
      await put({ key: 'a' })
      const address = { bucket: 'ledger', key: 'a', versionId: old.versionId }
      await rig.versions.putRetention(actor, { ...address, next: compliance(1), bypassGovernance: false })
      await rig.versions.putLegalHold(actor, { ...address, next: 'ON' })
      expect(await read('a', old.versionId)).toMatchObject({
        change: 3,
        lock: { retention: compliance(1), legalHold: 'ON' },
      })
      expect((await read('a')).lock).toEqual({ kind: 'known', retention: null, legalHold: null })
    })

    test('change of lock: answers in the order bucket, key, version, Object Lock, delete marker', async () => {
      const change = { key: 'a', versionId: null, next: 'ON' } as const
      const ask = (input: object) =>
        rig.versions.putLegalHold(actor, { bucket: 'ledger', ...change, ...input })
      expect(await ask({})).toEqual({ kind: 'noSuchBucket' })
      await bucket('none')
      expect(await ask({})).toEqual({ kind: 'noSuchKey' })
      await put({ key: 'a' })
      expect(await ask({ versionId: '1F0000000000000000000000000000ZZ' })).toEqual({ kind: 'noSuchVersion' })
      expect(await ask({})).toEqual({ kind: 'bucketLockMissing' })
      await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')
      await setRule(1)
      await rig.remove({ key: 'a' })
      expect(await ask({})).toEqual({ kind: 'isDeleteMarker', isCurrent: true })
      expect(await ask({ versionId: 'null' })).toMatchObject({ kind: 'changed' })
    })

    test('precondition: judged on the current version', async () => {
      await bucket()
      const ask = (precondition: PutInput['precondition'] & object) =>
        rig.put({ key: 'a', body: 'x', precondition })
      expect(await ask({ ifMatch: 'e' })).toEqual({ kind: 'noSuchKey' })
      const first = await ask({ ifNoneMatch: '*' })
      if (first.kind !== 'put') throw new Error(first.kind)
      expect(await ask({ ifNoneMatch: '*' })).toEqual({ kind: 'preconditionFailed' })
      expect(await ask({ ifMatch: 'other' })).toEqual({ kind: 'preconditionFailed' })
      expect(await ask({ ifMatch: first.version.object?.etag ?? '' })).toMatchObject({ kind: 'put' })
      await rig.remove({ key: 'a' })
      expect(await ask({ ifMatch: first.version.object?.etag ?? '' })).toEqual({ kind: 'noSuchKey' })
      expect(await ask({ ifNoneMatch: '*' })).toMatchObject({ kind: 'put' })
    })

    test('precondition: twenty racing creations, one wins', async () => {
      await bucket()
      const racing = Array.from({ length: 20 }, (_, index) =>
        rig.put({ key: 'a', body: `${index}`, precondition: { ifNoneMatch: '*' } }).then(
          ({ kind }) => kind,
          ({ name }) => name,
        ),
      )
      const kinds = await Promise.all(racing)
      expect(kinds.filter((kind) => kind === 'put')).toHaveLength(1)
    })

    test('suspect clock: a lock by period is refused, an explicit date and a free object are not', async () => {
      await bucket()
      await setRule(1)
      rig.clock.reboot(40 * dayInMs)
      expect(await rig.put({ key: 'a' })).toMatchObject({ kind: 'clockSuspect' })
      const refusal = { verdict: 'deny', rule: 'ClockSuspect', bucket: 'ledger', key: 'a' }
      expect((await rig.audit()).at(-1)).toMatchObject(refusal)
      const retention = { mode: 'COMPLIANCE', retainUntilMs: epochMs(rig.clock.wall + 1) } as const
      expect(await rig.put({ key: 'a', lock: { retention } })).toMatchObject({ kind: 'put' })
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' })
      expect(await rig.put({ key: 'b' })).toMatchObject({ kind: 'put' })
    })

    test('order: a clock that went back, the newer version still comes first', async () => {
      await bucket()
      const first = await put({ key: 'a' })
      rig.clock.wall -= 5 * dayInMs
      rig.clock.uptime = 0
      rig.clock.boot += 1
      const second = await put({ key: 'a', body: 'newer' })
      expect(second.order).toBeGreaterThan(first.order)
      expect(await readText(rig.versions, await read('a'))).toBe('newer')
    })
  })
}
