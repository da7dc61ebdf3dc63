import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DefaultRetention, RetentionPeriod } from '../../../src/lock/types.ts'
import { weakerAspects } from '../../../src/store/apply-bucket.ts'
import type { ApplyBucket, ApplyBucketResult } from '../../../src/store/store.ts'
import { bucketRecord } from '../../support/records.ts'
import { engines, lockRule } from '../base/support.ts'
import { applyRequest, owner } from './apply-request.ts'
import { actor, openRig, type Rig } from './rig.ts'

const period = (count: number): RetentionPeriod => ({ unit: 'DAYS', count })
const compliance = (count: number): DefaultRetention => ({ mode: 'COMPLIANCE', period: period(count) })
const governance = (count: number): DefaultRetention => ({ mode: 'GOVERNANCE', period: period(count) })

const noBounds = { minimum: null, maximum: null }

type Wish = Partial<Omit<ApplyBucket, 'policy'>> & { readonly policy?: Partial<ApplyBucket['policy']> }

describe('weakerAspects', () => {
  test('a default rule below the floor, however it came there: the floor is still what counts', () => {
    const floor = { defaultRetention: compliance(10), prefixRules: [] }
    const policy = {
      namespace: 'n',
      name: 'p',
      uid: 'u',
      generation: 1,
      mode: 'COMPLIANCE',
      bounds: noBounds,
      floor,
    } as const
    const bucket = bucketRecord({ objectLock: 'Enabled', days: 5 })
    const current = { ...bucket, policy }
    const next = {
      ...bucket,
      policy: { ...policy, floor: null },
      objectLock: { status: 'Enabled', retention: { defaultRetention: compliance(7), prefixRules: [] } },
    } as const
    expect(weakerAspects(current, next)).toHaveLength(1)
    expect(weakerAspects(current, { ...next, objectLock: { status: 'Enabled', retention: floor } })).toEqual(
      [],
    )
  })
})

for (const engine of engines) {
  describe(`apply on ${engine.name}`, () => {
    let rig: Rig
    let epoch: number
    beforeEach(async () => {
      rig = await openRig(engine)
      epoch = (await rig.leadership.next(actor, 'operator-0')).epoch
    })
    afterEach(() => rig.close())

    function apply({ policy, ...wish }: Wish = {}): Promise<ApplyBucketResult> {
      const asked = applyRequest(
        { defaultRetention: compliance(10) },
        { epoch, owner, adoptionPolicy: 'Never', ...wish },
      )
      return rig.buckets.apply(actor, { ...asked, policy: { ...asked.policy, ...policy } })
    }

    async function enforced() {
      const bucket = await rig.buckets.read('ledger')
      return bucket?.objectLock?.retention.defaultRetention
    }

    /** Refused with all rows as they were and one record of it. */
    async function expectRefused(wish: Wish, expected: object): Promise<void> {
      const rows = await rig.rows()
      const recordCount = (await rig.audit()).length
      expect(await apply(wish)).toMatchObject(expected)
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).slice(recordCount)).toMatchObject([{ verdict: 'deny', bucket: 'ledger' }])
    }

    test('new name: one step to owner, lock, versioning, rule, prefix rules and floor', async () => {
      const prefixRules = [{ prefix: 'a/', period: period(20) }]
      const result = await apply({ policy: { prefixRules } })
      expect(result).toMatchObject({ kind: 'applied', change: 'created' })
      const bucket = await rig.buckets.read('ledger')
      const retention = { defaultRetention: compliance(10), prefixRules }
      expect(bucket).toMatchObject({
        owner,
        versioning: 'Enabled',
        objectLock: { status: 'Enabled', retention },
        policy: { name: 'keep', mode: 'COMPLIANCE', floor: retention },
        accountId: '100000000001',
      })
      const put = await rig.put({ key: 'a/x' })
      expect(put).toMatchObject({ version: { lock: { retention: { retainUntilMs: rig.inDays(20) } } } })
    })

    test('the same state again: unchanged, no row written', async () => {
      await apply()
      const rows = await rig.rows()
      const audit = await rig.audit()
      expect(await apply()).toMatchObject({ kind: 'applied', change: 'unchanged' })
      expect(await rig.rows()).toEqual(rows)
      expect(await rig.audit()).toEqual(audit)
    })

    test('accounts: one for each cluster and namespace, kept for good', async () => {
      const account = async (name: string, clusterId: string, namespace: string) => {
        const applied = await apply({
          name,
          accountNamespace: { clusterId, namespace },
          owner: { ...owner, name },
        })
        return applied.kind === 'applied' ? applied.bucket.accountId : applied.kind
      }
      const first = await account('b-1', 'c1', 'team')
      expect(await account('b-2', 'c1', 'team')).toBe(first)
      expect(await account('b-3', 'c1', 'other')).toBe('100000000002')
      expect(await account('b-4', 'c2', 'team')).toBe('100000000003')
      expect(await account('b-5', 'c1', 'team')).toBe(first)
    })

    test('epoch: older or unknown, refused before anything else', async () => {
      await apply()
      const deposed = epoch
      epoch = (await rig.leadership.next(actor, 'operator-1')).epoch
      expect(epoch).toBe(deposed + 1)
      await expectRefused({ epoch: deposed }, { kind: 'staleEpoch', epoch })
      await expectRefused({ epoch: epoch + 1 }, { kind: 'staleEpoch', epoch })
      expect(await apply()).toMatchObject({ change: 'unchanged' })
      expect(await rig.leadership.current()).toEqual({ epoch, holder: 'operator-1' })
    })

    test('owner: another uid is the same LockedBucket, another name, namespace or cluster is not', async () => {
      await apply()
      expect(await apply({ owner: { ...owner, uid: 'u2' } })).toMatchObject({ change: 'updated' })
      for (const other of [{ name: 'x' }, { namespace: 'x' }, { clusterId: 'x' }]) {
        const wish = { owner: { ...owner, ...other }, adoptionPolicy: 'IfUnowned' } as const
        await expectRefused(wish, { kind: 'nameConflict', owner: { ...owner, uid: 'u2' } })
      }
    })

    test('a bucket of nobody: adopted only if asked, lock and versioning on, account kept', async () => {
      await rig.buckets.create(actor, {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'none',
      })
      await rig.put({ key: 'old' })
      await expectRefused({}, { kind: 'nameConflict', owner: null })
      expect(await apply({ adoptionPolicy: 'IfUnowned' })).toMatchObject({
        change: 'adopted',
        bucket: { versioning: 'Enabled', owner, accountId: actor.accountId, revision: 2 },
      })
      const old = await rig.versions.read({ bucket: 'ledger', key: 'old', versionId: 'null' })
      expect(old).toMatchObject({ version: { lock: { retention: null } } })
    })

    test('a bucket of nobody with a stronger COMPLIANCE rule: not weakened by adoption', async () => {
      await rig.buckets.create(actor, {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      })
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', {
        kind: 'enable',
        defaultRetention: compliance(11),
      })
      const wish = { adoptionPolicy: 'IfUnowned' } as const
      await expectRefused(wish, { kind: 'wouldShorten' })
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', {
        kind: 'enable',
        defaultRetention: governance(11),
      })
      expect(await apply(wish)).toMatchObject({ change: 'adopted' })
    })

    test('COMPLIANCE: shorter, another mode or a lost prefix rule, wouldShorten with its aspects', async () => {
      const prefixRules = [{ prefix: 'a/', period: period(20) }]
      await apply({ policy: { prefixRules } })
      await expectRefused(
        { policy: { prefixRules, defaultRetention: compliance(9) } },
        {
          kind: 'wouldShorten',
          aspects: ['defaultRetention: COMPLIANCE 10 DAYS would become COMPLIANCE 9 DAYS'],
        },
      )
      await expectRefused(
        { policy: { prefixRules, defaultRetention: governance(30) } },
        {
          kind: 'wouldShorten',
          aspects: ['defaultRetention: COMPLIANCE 10 DAYS would become GOVERNANCE 30 DAYS'],
        },
      )
      await expectRefused(
        {},
        { kind: 'wouldShorten', aspects: ['rules: keys under "a/" would lose 20 DAYS'] },
      )
      expect(await apply({ policy: { defaultRetention: compliance(20) } })).toMatchObject({
        change: 'updated',
      })
    })

    test('COMPLIANCE: another policy, the floor stays (policy switch, delete and re-create)', async () => {
      await apply()
      const policy = { name: 'other', uid: 'p2', defaultRetention: compliance(9) }
      await expectRefused({ policy, owner: { ...owner, uid: 'u9' } }, { kind: 'wouldShorten' })
    })

    test('COMPLIANCE: minimum only rises, maximum is free', async () => {
      const bounds = (minimum: number | null, maximum: number | null) => ({
        minimum: minimum === null ? null : period(minimum),
        maximum: maximum === null ? null : period(maximum),
      })
      await apply({ policy: { bounds: bounds(3, 30) } })
      await expectRefused({ policy: { bounds: bounds(2, 30) } }, { kind: 'wouldShorten' })
      await expectRefused({ policy: { bounds: bounds(null, 30) } }, { kind: 'wouldShorten' })
      expect(await apply({ policy: { bounds: bounds(4, null) } })).toMatchObject({ change: 'updated' })
      expect(await apply({ policy: { bounds: bounds(4, 5) } })).toMatchObject({ change: 'updated' })
    })

    test('GOVERNANCE: free to change, no floor', async () => {
      await apply({
        policy: { defaultRetention: governance(10), bounds: { minimum: period(5), maximum: null } },
      })
      expect(await apply({ policy: { defaultRetention: governance(1) } })).toMatchObject({
        change: 'updated',
      })
      expect(
        await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' }),
      ).toMatchObject({
        kind: 'changed',
      })
      expect(await apply({ policy: { defaultRetention: governance(1) } })).toMatchObject({
        change: 'updated',
      })
      expect(await enforced()).toEqual(governance(1))
    })

    test('PutObjectLockConfiguration: below the floor refused to anybody, above it free and not lowered by apply', async () => {
      const prefixRules = [{ prefix: 'a/', period: period(20) }]
      await apply({ policy: { prefixRules } })
      const root = { ...actor, accessKeyId: 'root', accountId: '000000000000' }
      const rows = await rig.rows()
      for (const rule of [null, compliance(9), governance(100)]) {
        expect(await rig.buckets.putObjectLockConfiguration(root, 'ledger', lockRule(rule))).toEqual({
          kind: 'belowFloor',
          policy: { namespace: 'team', name: 'keep' },
          floor: { defaultRetention: compliance(10), prefixRules },
        })
      }
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'deny', rule: 'BelowFloor' })
      const raised = await rig.buckets.putObjectLockConfiguration(root, 'ledger', {
        kind: 'enable',
        defaultRetention: compliance(40),
      })
      expect(raised).toMatchObject({ bucket: { objectLock: { retention: { prefixRules } } } })
      await expectRefused({ policy: { prefixRules } }, { kind: 'wouldShorten' })
      expect(await enforced()).toEqual(compliance(40))
    })

    test('delete: a managed bucket, refused even when empty', async () => {
      await apply()
      const rows = await rig.rows()
      expect(await rig.buckets.delete(actor, 'ledger')).toEqual({ kind: 'managed', owner })
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'deny', rule: 'BucketManaged' })
    })

    test('bounds: a client date outside them is denied, on put and on change', async () => {
      await apply({ policy: { bounds: { minimum: period(5), maximum: period(50) } } })
      const lock = (count: number) => ({
        retention: { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(count) } as const,
      })
      const rows = await rig.rows()
      expect(await rig.put({ key: 'a', lock: lock(4) })).toMatchObject({
        verdict: { reason: 'BelowMinimum' },
      })
      expect(await rig.put({ key: 'a', lock: lock(51) })).toMatchObject({
        verdict: { reason: 'AboveMaximum' },
      })
      expect(await rig.rows()).toEqual(rows)
      expect((await rig.audit()).slice(-2)).toMatchObject([{ verdict: 'deny' }, { verdict: 'deny' }])
      expect(await rig.put({ key: 'a', lock: lock(5) })).toMatchObject({ kind: 'put' })
    })

    test('race: two operators with one wish, one creates and one finds it unchanged', async () => {
      const results = await Promise.all([apply(), apply(), apply()])
      const changes = results
        .map((result) => (result.kind === 'applied' ? result.change : result.kind))
        .sort()
      expect(changes).toEqual(['created', 'unchanged', 'unchanged'])
    })
  })
}
