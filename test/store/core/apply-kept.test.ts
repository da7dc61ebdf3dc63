import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DefaultRetention, RetentionMode } from '../../../src/lock/types.ts'
import { applyToExisting } from '../../../src/store/apply-to-existing.ts'
import type { ApplyBucket } from '../../../src/store/store.ts'
import { engines, lockRule } from '../base/support.ts'
import { applyRequest, type PolicyWish } from './apply-request.ts'
import { actor, openRig, type Rig } from './rig.ts'

const rule = (mode: RetentionMode, count: number): DefaultRetention => ({
  mode,
  period: { unit: 'DAYS', count },
})
const compliance = (count: number) => rule('COMPLIANCE', count)
const governance = (count: number) => rule('GOVERNANCE', count)
const retention = (defaultRetention: DefaultRetention) => ({ defaultRetention, prefixRules: [] })
/** What a correction sends. */
const keep = { applyToExisting: 'Keep', strongerRetention: 'Keep' } as const

for (const engine of engines) {
  describe(`apply that keeps what is stronger, on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      await rig.leadership.next(actor, 'operator-0')
    })
    afterEach(() => rig.close())

    const apply = (policy: PolicyWish | DefaultRetention, wish: Partial<ApplyBucket> = {}) =>
      rig.buckets.apply(
        actor,
        applyRequest('defaultRetention' in policy ? policy : { defaultRetention: policy }, wish),
      )
    const overS3 = (wanted: DefaultRetention | null) =>
      rig.buckets.putObjectLockConfiguration(actor, 'ledger', lockRule(wanted))
    const bucket = async () => {
      const found = await rig.buckets.read('ledger')
      if (found === null) throw new Error('it is there')
      return found
    }
    const walk = async () => (await rig.buckets.facts('ledger'))?.applyToExisting ?? null
    const run = () => applyToExisting(rig.context, new AbortController().signal)
    async function untilOf(key: string) {
      const found = await rig.versions.read({ bucket: 'ledger', key, versionId: null })
      if (found.kind !== 'found' || found.version.lock.kind !== 'known') throw new Error(found.kind)
      return found.version.lock.retention?.retainUntilMs ?? null
    }

    test('a longer default over S3, then another quota: it stays, is no floor, and may be put back', async () => {
      await apply(compliance(30), { applyToExisting: 'ExtendOnly' })
      await rig.put({ key: 'a' })
      await run()
      const before = await walk()
      await overS3(compliance(3650))
      expect(await apply(compliance(30), { ...keep, quotaBytes: 5 })).toMatchObject({ change: 'updated' })
      expect(await bucket()).toMatchObject({
        quotaBytes: 5,
        objectLock: { retention: retention(compliance(3650)) },
        policy: { mode: 'COMPLIANCE', floor: retention(compliance(30)) },
      })
      expect(await walk()).toEqual(before)
      expect(await run()).toBe(0)
      expect(await untilOf('a')).toBe(rig.inDays(30))
      expect(await overS3(compliance(29))).toMatchObject({ kind: 'belowFloor' })
      expect(await overS3(compliance(30))).toMatchObject({ kind: 'changed' })
    })

    test('asked for a walk as well: it is of the rule of the policy, not of what was found', async () => {
      await apply(compliance(30))
      await rig.put({ key: 'a' })
      await overS3(compliance(3650))
      await apply(compliance(60), { ...keep, applyToExisting: 'ExtendOnly' })
      expect(await walk()).toMatchObject({ retention: retention(compliance(60)) })
      await run()
      expect(await untilOf('a')).toBe(rig.inDays(60))
      expect(await bucket()).toMatchObject({
        objectLock: { retention: retention(compliance(3650)) },
        policy: { floor: retention(compliance(60)) },
      })
    })

    test('COMPLIANCE over S3 under a GOVERNANCE policy: it stays, and the policy is none of COMPLIANCE', async () => {
      await apply(governance(30))
      await overS3(compliance(3650))
      await apply(governance(30), { ...keep, quotaBytes: 5 })
      expect(await bucket()).toMatchObject({
        objectLock: { retention: retention(compliance(3650)) },
        policy: { mode: 'GOVERNANCE', floor: null },
      })
      expect(await overS3(governance(30))).toMatchObject({ kind: 'changed' })
    })

    test.each([
      ['less', compliance(29), compliance(40)],
      ['GOVERNANCE', governance(29), compliance(40)],
      ['a longer GOVERNANCE', governance(90), compliance(40)],
      ['more', compliance(50), compliance(50)],
    ])('a floor of 40 days, asked for %s: it never falls', async (_title, asked, floor) => {
      await apply({
        defaultRetention: compliance(40),
        bounds: { minimum: compliance(3).period, maximum: null },
      })
      await overS3(compliance(3650))
      const bounds = { minimum: compliance(3).period, maximum: null }
      expect(await apply({ defaultRetention: asked, bounds }, keep)).toMatchObject({ kind: 'applied' })
      expect(await bucket()).toMatchObject({
        objectLock: { retention: retention(compliance(3650)) },
        policy: { mode: 'COMPLIANCE', floor: retention(floor) },
      })
      expect(
        await apply({ defaultRetention: asked, bounds: { minimum: null, maximum: null } }, keep),
      ).toMatchObject({ kind: 'wouldShorten' })
    })

    test('a floor that is longer from some starts only: the next one covers both', async () => {
      await apply(compliance(731))
      await overS3(compliance(3650))
      await apply({ mode: 'COMPLIANCE', period: { unit: 'YEARS', count: 2 } }, keep)
      expect(await bucket()).toMatchObject({ policy: { floor: retention(compliance(732)) } })
    })

    test('nothing stronger is there: the policy counts, and a weaker one is refused', async () => {
      await apply(compliance(30))
      expect(await apply(compliance(31), keep)).toMatchObject({ change: 'updated' })
      expect(await bucket()).toMatchObject({
        objectLock: { retention: retention(compliance(31)) },
        policy: { floor: retention(compliance(31)) },
      })
      expect(await apply(governance(99), keep)).toMatchObject({ kind: 'wouldShorten' })
      expect(await apply(compliance(31), keep)).toMatchObject({ change: 'unchanged' })
    })

    test('Keep, a walk under way: it goes on; none: none begins', async () => {
      await apply(governance(30))
      await rig.put({ key: 'a' })
      expect(await apply(governance(40), keep)).toMatchObject({ change: 'updated' })
      expect(await walk()).toBeNull()
      await apply(governance(40), { applyToExisting: 'ExtendOnly' })
      const pending = await walk()
      expect(pending).toMatchObject({ endedMs: null })
      await apply(governance(50), keep)
      expect(await walk()).toEqual(pending)
      expect(await run()).toBe(1)
      expect(await untilOf('a')).toBe(rig.inDays(40))
    })

    test.each([
      ['as it is', keep],
      ['of the same rule', { ...keep, applyToExisting: 'ExtendOnly' }],
    ] as const)(
      'a rule that was taken off over S3: the walk, asked for %s, begins again',
      async (_title, wish) => {
        await apply(governance(30), { applyToExisting: 'ExtendOnly' })
        await run()
        await overS3(null)
        await rig.put({ key: 'between' })
        expect(await untilOf('between')).toBeNull()
        await apply(governance(30), wish)
        expect(await run()).toBe(1)
        expect(await untilOf('between')).toBe(rig.inDays(30))
        await apply(governance(30), { ...wish, quotaBytes: 5 })
        expect(await run()).toBe(0)
      },
    )

    test('Keep, a frozen bucket: it thaws, and its walk begins again', async () => {
      await apply(governance(30), { applyToExisting: 'ExtendOnly' })
      await run()
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
      await rig.put({ key: 'between' })
      await apply(governance(30), keep)
      expect(await run()).toBe(1)
      expect(await untilOf('between')).toBe(rig.inDays(30))
    })
  })
}
