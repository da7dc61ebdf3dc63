import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { DefaultRetention, Retention } from '../../../src/lock/types.ts'
import { applyToExisting, stepExisting } from '../../../src/store/apply-to-existing.ts'
import { pendingBuckets, readExisting, writeExisting } from '../../../src/store/existing-rows.ts'
import { existingKey, versionKey } from '../../../src/store/keys.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { ApplyBucket } from '../../../src/store/store.ts'
import { engines } from '../base/support.ts'
import { applyRequest } from './apply-request.ts'
import { actor, bound, dayInMs, openRig, type PutInput, type Rig } from './rig.ts'
import { tableRows, wrongCounts } from './rows.ts'

const rule = (mode: DefaultRetention['mode'], count: number): DefaultRetention => ({
  mode,
  period: { unit: 'DAYS', count },
})
const page = limits.existingPageVersionsMax

for (const engine of engines) {
  describe(`applyToExisting on ${engine.name}`, () => {
    let rig: Rig
    let bucketId: string
    beforeEach(async () => {
      rig = await openRig(engine)
      await rig.leadership.next(actor, 'o')
      const input = {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      } as const
      bucketId = (await rig.buckets.create(actor, input)).bucket.id
    })
    afterEach(() => rig.close())

    function apply(defaultRetention: DefaultRetention, wish: Partial<ApplyBucket> = {}, generation = 1) {
      return rig.buckets.apply(
        actor,
        applyRequest({ defaultRetention, generation }, { applyToExisting: 'ExtendOnly', ...wish }),
      )
    }

    async function put(input: PutInput): Promise<VersionRecord> {
      const result = await rig.put(input)
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    const run = () => applyToExisting(rig.context, new AbortController().signal)
    const progress = async () => (await rig.buckets.facts('ledger'))?.applyToExisting ?? null
    const at = (mode: Retention['mode'], days: number): Retention => ({
      mode,
      retainUntilMs: rig.inDays(days),
    })
    async function retention({ key, versionId }: VersionRecord): Promise<Retention | null | string> {
      const found = await rig.versions.read({ bucket: 'ledger', key, versionId })
      if (found.kind !== 'found') return found.kind
      const { lock } = found.version
      return lock.kind === 'known' ? lock.retention : lock.kind
    }

    test('ExtendOnly: each version at least the rule from its creation; holds, markers, other modes as they were', async () => {
      const free = await put({ key: 'free' })
      const held = await put({ key: 'held', lock: { legalHold: 'ON' } })
      const shorter = await put({ key: 'shorter', lock: { retention: at('COMPLIANCE', 9) } })
      const longer = await put({ key: 'longer', lock: { retention: at('COMPLIANCE', 50) } })
      const governed = await put({ key: 'governed', lock: { retention: at('GOVERNANCE', 50) } })
      await rig.remove({ key: 'free' })
      const until = at('COMPLIANCE', 30)
      const kept = { longer: at('COMPLIANCE', 50), governed: at('GOVERNANCE', 50) }
      rig.clock.pass(5 * dayInMs)
      expect(await apply(rule('COMPLIANCE', 30))).toMatchObject({ change: 'adopted' })
      expect(await progress()).toMatchObject({
        scope: 'ExtendOnly',
        seenCount: 0,
        versionCount: 5,
        endedMs: null,
      })
      expect(await run()).toBe(1)
      expect(await Promise.all([free, held, shorter].map(retention))).toEqual([until, until, until])
      expect(await retention(longer)).toEqual(kept.longer)
      expect(await retention(governed)).toEqual(kept.governed)
      expect(await rig.versions.read({ bucket: 'ledger', key: 'held', versionId: null })).toMatchObject({
        version: { lock: { legalHold: 'ON' }, change: 2 },
      })
      expect(await progress()).toMatchObject({
        seenCount: 5,
        extendedCount: 3,
        otherModeCount: 1,
        deniedCount: 0,
      })
      expect((await progress())?.endedMs).toBe(rig.inDays(0))
      expect(await wrongCounts(rig.kv, bucketId)).toEqual([])
      const rows = await rig.rows()
      expect(await run()).toBe(0)
      expect(await rig.rows()).toEqual(rows)
    })

    test('audit: one record a changed version, with the lock before and after and the policy', async () => {
      const version = await put({ key: 'a', lock: { retention: at('COMPLIANCE', 1) } })
      await put({ key: 'b', lock: { retention: at('COMPLIANCE', 90) } })
      await apply(rule('COMPLIANCE', 30))
      const before = (await rig.audit()).length
      await run()
      const added = (await rig.audit()).slice(before)
      expect(added).toMatchObject([
        {
          actor: { operation: 'ApplyToExisting', accessKeyId: actor.accessKeyId },
          key: 'a',
          versionId: version.versionId,
          change: 2,
          verdict: 'allow',
          lockBefore: { retention: at('COMPLIANCE', 1) },
          lockAfter: { retention: at('COMPLIANCE', 30) },
          detail: { policyNamespace: 'team', policyName: 'keep', policyGeneration: 1 },
        },
      ])
    })

    test('IncludingModeChange: GOVERNANCE becomes COMPLIANCE, with the later of both dates', async () => {
      const short = await put({ key: 'short', lock: { retention: at('GOVERNANCE', 1) } })
      const long = await put({ key: 'long', lock: { retention: at('GOVERNANCE', 50) } })
      await apply(rule('COMPLIANCE', 30), { applyToExisting: 'IncludingModeChange' })
      await run()
      expect(await retention(short)).toEqual(at('COMPLIANCE', 30))
      expect(await retention(long)).toEqual(at('COMPLIANCE', 50))
    })

    test('bounds on clients are none on the policy itself', async () => {
      const version = await put({ key: 'a' })
      const period = (count: number) => ({ unit: 'DAYS', count }) as const
      rig.clock.pass(5 * dayInMs)
      const policyName = { namespace: 'team', name: 'keep', uid: 'p1', generation: 1 }
      const bounds = { minimum: period(29), maximum: period(29) }
      const policy = { ...policyName, defaultRetention: rule('COMPLIANCE', 30), prefixRules: [], bounds }
      await apply(rule('COMPLIANCE', 30), { policy })
      await run()
      expect(await retention(version)).toEqual(at('COMPLIANCE', 25))
    })

    test('No: nothing is walked, and one under way stops; what it extended stays', async () => {
      for (let index = 0; index < page + 5; index += 1)
        await put({ key: `k${String(index).padStart(4, '0')}` })
      await apply(rule('COMPLIANCE', 30), { applyToExisting: 'No' })
      expect(await progress()).toBeNull()
      expect(await run()).toBe(0)
      await apply(rule('COMPLIANCE', 30))
      expect(await stepExisting(rig.context, bucketId)).toBe('more')
      expect(await apply(rule('COMPLIANCE', 30), { applyToExisting: 'No' })).toMatchObject({
        change: 'updated',
      })
      expect(await progress()).toBeNull()
      expect(await run()).toBe(0)
      expect((await rig.buckets.facts('ledger'))?.lockedVersionCount).toBe(page)
    })

    test('a walk in pages: goes on where it was, and another generation of the same rule does not begin it again', async () => {
      for (let index = 0; index < page + 5; index += 1)
        await put({ key: `k${String(index).padStart(4, '0')}` })
      await apply(rule('COMPLIANCE', 30))
      expect(await stepExisting(rig.context, bucketId)).toBe('more')
      expect(await progress()).toMatchObject({ seenCount: page, extendedCount: page, endedMs: null })
      expect(await apply(rule('COMPLIANCE', 30))).toMatchObject({ change: 'unchanged' })
      expect(await apply(rule('COMPLIANCE', 30), {}, 2)).toMatchObject({ change: 'updated' })
      expect(await progress()).toMatchObject({ seenCount: page, policy: { generation: 2 } })
      expect(await stepExisting(rig.context, bucketId)).toBe('done')
      expect(await progress()).toMatchObject({ seenCount: page + 5, extendedCount: page + 5 })
      expect(await apply(rule('COMPLIANCE', 40), {}, 3)).toMatchObject({ change: 'updated' })
      expect(await progress()).toMatchObject({ seenCount: 0, endedMs: null })
      await run()
      expect((await rig.buckets.facts('ledger'))?.lockedUntilMs).toBe(rig.inDays(40))
    })

    test('versions written during the walk: keep what their writers asked for, also before the cursor', async () => {
      await put({ key: 'm' })
      await apply(rule('COMPLIANCE', 30))
      const short = at('COMPLIANCE', 1)
      const early = await put({ key: 'a', lock: { retention: short } })
      const late = await put({ key: 'z', lock: { retention: short } })
      await run()
      expect(await retention(early)).toEqual(short)
      expect(await retention(late)).toEqual(short)
      expect(await progress()).toMatchObject({ seenCount: 1, extendedCount: 1 })
    })

    test('a version that is removed or locked longer between plan and commit: judged as it is then', async () => {
      const gone = await put({ key: 'a' })
      const locked = await put({ key: 'b' })
      await apply(rule('COMPLIANCE', 30))
      const { kv } = rig.context
      let isFirst = true
      const meddled = {
        ...rig.context,
        kv: {
          ...bound(kv),
          transact: async <T>(work: Parameters<typeof kv.transact<T>>[0]) => {
            if (isFirst) {
              isFirst = false
              await rig.remove({ key: 'a', versionId: gone.versionId })
              const address = { bucket: 'ledger', key: 'b', versionId: locked.versionId }
              const next = at('COMPLIANCE', 60)
              await rig.versions.putRetention(actor, { ...address, next, bypassGovernance: false })
            }
            return kv.transact(work)
          },
        },
      }
      expect(await stepExisting(meddled, bucketId)).toBe('done')
      expect(await retention(gone)).toBe('noSuchVersion')
      expect(await retention(locked)).toEqual(at('COMPLIANCE', 60))
      expect(await progress()).toMatchObject({ extendedCount: 0 })
    })

    test('two walkers of one page: one counts it, each version changes once', async () => {
      const version = await put({ key: 'a' })
      await apply(rule('COMPLIANCE', 30))
      const steps = await Promise.all([1, 2, 3].map(() => stepExisting(rig.context, bucketId)))
      expect(steps.toSorted()).toEqual(['changed', 'changed', 'done'])
      expect(await progress()).toMatchObject({ seenCount: 1, extendedCount: 1 })
      const found = await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: version.versionId })
      expect(found).toMatchObject({ version: { change: 2 } })
    })

    test('frozen in between: every change is denied and counted, nothing is written', async () => {
      const version = await put({ key: 'a' })
      await apply(rule('GOVERNANCE', 30))
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
      await run()
      expect(await retention(version)).toBeNull()
      expect(await progress()).toMatchObject({ seenCount: 1, extendedCount: 0, deniedCount: 1 })
    })

    test.each([
      ['an apply', () => apply(rule('GOVERNANCE', 30))],
      ['an apply of another generation', () => apply(rule('GOVERNANCE', 30), {}, 2)],
      [
        'a client',
        () => {
          const wanted = { kind: 'enable', defaultRetention: rule('GOVERNANCE', 1) } as const
          return rig.buckets.putObjectLockConfiguration(actor, 'ledger', wanted)
        },
      ],
    ])(
      'frozen in between, and thawed by %s: the walk begins again, also over what came meanwhile',
      async (_, thaw) => {
        const before = await put({ key: 'm' })
        await apply(rule('GOVERNANCE', 30))
        await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
        expect(await run()).toBe(1)
        expect(await progress()).toMatchObject({ deniedCount: 1, endedMs: rig.inDays(0) })
        const during = await put({ key: 'a' })
        await thaw()
        expect(await progress()).toMatchObject({ seenCount: 0, deniedCount: 0, endedMs: null })
        const until = at('GOVERNANCE', 30)
        const after = await put({ key: 'b', lock: { retention: at('GOVERNANCE', 2) } })
        expect(await run()).toBe(1)
        expect(await progress()).toMatchObject({ seenCount: 2, extendedCount: 2, deniedCount: 0 })
        expect(await Promise.all([before, during].map(retention))).toEqual([until, until])
        expect(await retention(after)).toEqual(at('GOVERNANCE', 2))
      },
    )

    test('frozen when the walk was done: a thaw begins it again, a change of a bucket that is not frozen does not', async () => {
      await put({ key: 'a' })
      await apply(rule('GOVERNANCE', 30))
      expect(await run()).toBe(1)
      const wanted = { kind: 'enable', defaultRetention: rule('GOVERNANCE', 1) } as const
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', wanted)
      expect(await run()).toBe(0)
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
      expect(await run()).toBe(0)
      const during = await put({ key: 'b' })
      await apply(rule('GOVERNANCE', 30))
      expect(await run()).toBe(1)
      expect(await retention(during)).toEqual(at('GOVERNANCE', 30))
    })

    test('thawed by an apply that asks for No, or where there was no walk: nothing is walked', async () => {
      await put({ key: 'a' })
      await apply(rule('GOVERNANCE', 30))
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
      await apply(rule('GOVERNANCE', 30), { applyToExisting: 'No' })
      expect(await progress()).toBeNull()
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' })
      expect([await progress(), await run()]).toEqual([null, 0])
    })

    test('damage: a version that cannot be read or has an unknown lock is counted, the others are done', async () => {
      const bad = await put({ key: 'a' })
      const unknown = await put({ key: 'b' })
      const good = await put({ key: 'c' })
      const spoil = async ({ key, order, versionId }: VersionRecord, from: string) => {
        const row = versionKey(bucketId, key, order, versionId)
        await rig.kv.transact(async (transaction) => {
          const text = Buffer.from((await transaction.get(row)) ?? []).toString('latin1')
          transaction.put(row, new Uint8Array(Buffer.from(text.replace(from, 'x'), 'latin1')))
        })
      }
      await spoil(bad, '"isNull"')
      await spoil(unknown, '"legalHold"')
      await apply(rule('COMPLIANCE', 30))
      expect(await run()).toBe(1)
      expect(await retention(good)).toEqual(at('COMPLIANCE', 30))
      expect(await progress()).toMatchObject({ unreadableCount: 2, extendedCount: 1 })
    })

    test('damage of the walk itself: facts have none, the next apply begins it again', async () => {
      const version = await put({ key: 'a' })
      await apply(rule('COMPLIANCE', 30))
      await rig.kv.transact(async (transaction) => transaction.put(existingKey(bucketId), Uint8Array.of(1)))
      expect(await progress()).toBeNull()
      expect(await run()).toBe(0)
      expect(await retention(version)).toBeNull()
      expect(await apply(rule('COMPLIANCE', 30))).toMatchObject({ change: 'updated' })
      expect(await run()).toBe(1)
      expect(await retention(version)).toEqual(at('COMPLIANCE', 30))
    })

    test('a signal ends the walk between pages; a bucket that is deleted leaves no row of it', async () => {
      await apply(rule('GOVERNANCE', 30))
      const stopped = new AbortController()
      stopped.abort()
      expect(await applyToExisting(rig.context, stopped.signal)).toBe(0)
      expect(await progress()).toMatchObject({ endedMs: null })
      await run()
      const record = await readExisting(rig.kv, bucketId)
      if (record === null) throw new Error('the walk is there')
      const input = { name: 'plain', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
      const { bucket } = await rig.buckets.create(actor, input)
      const pending = { ...record, endedMs: null }
      await rig.kv.transact(async (transaction) => writeExisting(transaction, bucket.id, pending))
      expect(await rig.buckets.delete(actor, 'plain')).toEqual({ kind: 'deleted' })
      expect(await tableRows(rig.kv, 'existing')).toHaveLength(1)
      expect(await pendingBuckets(rig.kv, null, 10)).toEqual([])
    })
  })
}
