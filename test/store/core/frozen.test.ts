import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DefaultRetention, Retention } from '../../../src/lock/types.ts'
import type { ApplyBucket, Uploads } from '../../../src/store/store.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { engines } from '../base/support.ts'
import { applyRequest, owner } from './apply-request.ts'
import { actor, always, bytesOf, openRig, type PutInput, type Rig } from './rig.ts'

const compliance = (count: number): DefaultRetention => ({
  mode: 'COMPLIANCE',
  period: { unit: 'DAYS', count },
})

for (const engine of engines) {
  describe(`a frozen bucket on ${engine.name}`, () => {
    let rig: Rig
    let uploads: Uploads
    beforeEach(async () => {
      rig = await openRig(engine)
      uploads = createUploads(rig.context)
    })
    afterEach(() => rig.close())

    const put = (change: Parameters<typeof rig.buckets.putObjectLockConfiguration>[2]) =>
      rig.buckets.putObjectLockConfiguration(actor, 'ledger', change)
    const freeze = () => put({ kind: 'freeze' })
    const create = (objectLock: 'enabled' | 'none') =>
      rig.buckets.create(actor, { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock })
    const governance = (count: number): Retention => ({
      mode: 'GOVERNANCE',
      retainUntilMs: rig.inDays(count),
    })

    /** A locked bucket with a rule, then frozen. */
    async function frozen(days = 5): Promise<void> {
      await create('enabled')
      await put({ kind: 'enable', defaultRetention: compliance(days) })
      expect(await freeze()).toMatchObject({ kind: 'changed' })
    }

    async function written(input: PutInput) {
      const result = await rig.put(input)
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    async function apply(defaultRetention: DefaultRetention, wish: Partial<ApplyBucket> = {}) {
      const epoch = (await rig.leadership.current())?.epoch ?? (await rig.leadership.next(actor, 'o')).epoch
      return rig.buckets.apply(actor, applyRequest({ defaultRetention }, { epoch, ...wish }))
    }

    test('freeze: versioning and the rule stay as they were, and it is in the audit log', async () => {
      await frozen()
      expect(await rig.buckets.read('ledger')).toMatchObject({
        versioning: 'Enabled',
        objectLock: { status: 'Frozen', retention: { defaultRetention: compliance(5) } },
        revision: 3,
      })
      expect((await rig.audit()).at(-1)).toMatchObject({
        verdict: 'allow',
        detail: { objectLockBefore: 'Enabled', objectLock: 'Frozen' },
      })
      const rows = await rig.rows()
      expect(await freeze()).toMatchObject({ kind: 'changed', bucket: { revision: 3 } })
      expect(await rig.rows()).toEqual(rows)
    })

    test('freeze: a bucket that never had Object Lock, changed without a change', async () => {
      const { bucket } = await create('none')
      const rows = await rig.rows()
      expect(await freeze()).toEqual({ kind: 'changed', bucket })
      expect(await rig.rows()).toEqual(rows)
      expect(await rig.buckets.putObjectLockConfiguration(actor, 'x', { kind: 'freeze' })).toEqual({
        kind: 'noSuchBucket',
      })
    })

    test('new versions: no lock by the rule; a date or a hold asked for, denied and recorded', async () => {
      await frozen()
      expect((await written({ key: 'a' })).lock).toEqual({ kind: 'known', retention: null, legalHold: null })
      const rows = await rig.rows()
      for (const lock of [{ retention: governance(9) }, { legalHold: 'ON' as const }]) {
        expect(await rig.put({ key: 'b', lock })).toMatchObject({
          kind: 'denied',
          verdict: { reason: 'BucketFrozen', untilMs: null },
        })
      }
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).slice(-2)).toMatchObject([
        { verdict: 'deny', rule: 'BucketFrozen' },
        { verdict: 'deny', rule: 'BucketFrozen' },
      ])
      expect(await written({ key: 'c', lock: { legalHold: 'OFF' } })).toMatchObject({
        lock: { legalHold: 'OFF' },
      })
    })

    test('existing locks: enforced and not changed by anybody, but a hold may go OFF', async () => {
      await create('enabled')
      const { versionId } = await written({ key: 'a', lock: { retention: governance(9), legalHold: 'ON' } })
      const open = await written({ key: 'open' })
      await freeze()
      const rows = await rig.rows()
      const address = { bucket: 'ledger', key: 'a', versionId }
      const changes = [governance(10), governance(8), null, { ...governance(9), mode: 'COMPLIANCE' as const }]
      for (const next of changes) {
        const answer = await rig.versions.putRetention(actor, { ...address, next, bypassGovernance: true })
        expect(answer).toMatchObject({ kind: 'denied', verdict: { rule: 'BucketFrozen' } })
      }
      const hold = (next: 'ON' | 'OFF', key: string, id: string) =>
        rig.versions.putLegalHold(actor, { bucket: 'ledger', key, versionId: id, next })
      expect(await hold('ON', 'open', open.versionId)).toMatchObject({ verdict: { rule: 'BucketFrozen' } })
      expect(await rig.remove({ key: 'a', versionId })).toMatchObject({ kind: 'denied' })
      expect(await rig.rows()).toEqual(rows)
      expect(await hold('OFF', 'a', versionId)).toMatchObject({ kind: 'changed' })
      expect(await hold('ON', 'a', versionId)).toMatchObject({ verdict: { rule: 'BucketFrozen' } })
      expect(await rig.remove({ key: 'a', versionId })).toMatchObject({
        verdict: { reason: 'GovernanceRetention' },
      })
    })

    test('thaw: enable and clearRule both stamp, and change locks, again', async () => {
      await frozen()
      await put({ kind: 'clearRule' })
      expect(await rig.buckets.read('ledger')).toMatchObject({
        objectLock: { status: 'Enabled', retention: { defaultRetention: null } },
      })
      expect(await written({ key: 'a', lock: { retention: governance(1) } })).toMatchObject({
        lock: { retention: governance(1) },
      })
      await freeze()
      await put({ kind: 'enable', defaultRetention: compliance(3) })
      expect((await written({ key: 'b' })).lock).toMatchObject({
        retention: { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(3) },
      })
    })

    test('freeze under a COMPLIANCE floor: belowFloor, recorded, unchanged; under GOVERNANCE it goes', async () => {
      await apply(compliance(10))
      const rows = await rig.rows()
      expect(await freeze()).toMatchObject({
        kind: 'belowFloor',
        policy: { namespace: 'team', name: 'keep' },
      })
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).at(-1)).toMatchObject({
        verdict: 'deny',
        rule: 'BelowFloor',
        detail: { requested: 'freeze' },
      })
      await rig.buckets.create(actor, {
        name: 'other',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      })
      const other = { name: 'other', owner: { ...owner, name: 'other' } }
      await apply({ ...compliance(10), mode: 'GOVERNANCE' }, other)
      const frozenOther = await rig.buckets.putObjectLockConfiguration(actor, 'other', { kind: 'freeze' })
      expect(frozenOther).toMatchObject({ bucket: { objectLock: { status: 'Frozen' } } })
      expect(await apply({ ...compliance(10), mode: 'GOVERNANCE' }, other)).toMatchObject({
        change: 'updated',
        bucket: { objectLock: { status: 'Enabled' } },
      })
    })

    test('apply: adoption thaws, but not with a rule that is shorter than the frozen COMPLIANCE one', async () => {
      await frozen(10)
      const rows = await rig.rows()
      expect(await apply(compliance(9), { adoptionPolicy: 'Never' })).toMatchObject({ kind: 'nameConflict' })
      expect(await apply(compliance(9))).toMatchObject({ kind: 'wouldShorten' })
      const kept = (await rig.rows()).filter((row) => rows.includes(row))
      expect(kept).toHaveLength(rows.length)
      expect(await apply(compliance(10))).toMatchObject({
        change: 'adopted',
        bucket: { objectLock: { status: 'Enabled' } },
      })
      expect((await rig.audit()).at(-1)).toMatchObject({ detail: { objectLock: 'Enabled' } })
      expect((await written({ key: 'a' })).lock).toMatchObject({
        retention: { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(10) },
      })
    })

    test('PutBucketVersioning and DeleteBucket: as on every bucket with Object Lock', async () => {
      await frozen()
      expect(await rig.buckets.putVersioning(actor, 'ledger', 'Suspended')).toEqual({
        kind: 'objectLockPresent',
      })
      const { versionId } = await written({ key: 'a' })
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'notEmpty' })
      await rig.remove({ key: 'a', versionId })
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'deleted' })
    })

    async function begun(lock: Parameters<Uploads['create']>[1]['lock']) {
      const made = await uploads.create(actor, {
        bucket: 'ledger',
        key: 'm',
        headers: {},
        userMetadata: {},
        tags: {},
        lock,
        checksumAlgorithm: null,
        checksumType: null,
      })
      if (made.kind !== 'created') return { made, lockAfter: null }
      const address = { bucket: 'ledger', key: 'm', uploadId: made.upload.uploadId }
      const body = await rig.versions.stage(bytesOf('part'), 100)
      const part = await uploads.putPart(actor, { ...address, partNumber: 1, body, checksum: null })
      if (part.kind !== 'put') throw new Error(part.kind)
      const parts = [{ partNumber: 1, etag: part.part.etag, checksum: null }]
      const lockAfter = async () => {
        const done = await uploads.complete(actor, {
          ...address,
          parts,
          checksum: null,
          precondition: always,
        })
        if (done.kind !== 'completed') throw new Error(done.kind)
        return done.version.lock
      }
      return { made, lockAfter }
    }

    test('uploads begun before the freeze: date, hold and rule of Create are stamped at Complete', async () => {
      await create('enabled')
      await put({ kind: 'enable', defaultRetention: compliance(5) })
      const byRule = await begun({ retention: null, legalHold: null })
      const explicit = await begun({ retention: governance(9), legalHold: 'ON' })
      await freeze()
      expect(await byRule.lockAfter?.()).toMatchObject({
        retention: { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(5) },
      })
      expect(await explicit.lockAfter?.()).toMatchObject({ retention: governance(9), legalHold: 'ON' })
    })

    test('uploads begun while frozen: lock headers are denied; a rule that thaws in between counts', async () => {
      await frozen()
      const { made } = await begun({ retention: governance(9), legalHold: null })
      expect(made).toMatchObject({ kind: 'denied', verdict: { reason: 'BucketFrozen' } })
      const whileFrozen = await begun({ retention: null, legalHold: null })
      expect(await whileFrozen.lockAfter?.()).toMatchObject({ retention: null, legalHold: null })
      const thawed = await begun({ retention: null, legalHold: null })
      await put({ kind: 'enable', defaultRetention: compliance(2) })
      expect(await thawed.lockAfter?.()).toMatchObject({ retention: { retainUntilMs: rig.inDays(2) } })
    })
  })
}
