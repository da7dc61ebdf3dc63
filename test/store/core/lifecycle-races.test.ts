/** What comes between the lifecycle's plan and its transaction: the transaction decides, by what it reads itself. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { createClockStore } from '../../../src/store/trusted-clock.ts'
import { createUploads } from '../../../src/store/uploads.ts'
import { engines } from '../base/support.ts'
import {
  abortAfter,
  expectWhole,
  expireAfter,
  interrupted,
  lifecycleActor,
  listed,
  passDays,
  putRules,
  putVersion,
  removeNoncurrentAfter,
  rule,
  run,
} from './lifecycle-rig.ts'
import { actor, dayInMs, openRig, type Rig } from './rig.ts'
import { wrongCounts } from './rows.ts'

for (const engine of engines) {
  describe(`the lifecycle races on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      await create()
    })
    afterEach(() => rig.close())

    const create = () =>
      rig.buckets.create(actor, {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      })
    const addressed = (version: VersionRecord) => ({
      bucket: 'ledger',
      key: version.key,
      versionId: version.versionId,
    })
    const lastRun = async () => (await rig.buckets.facts('ledger'))?.lastLifecycleRun ?? null

    /** Two versions, of which the older is due. */
    async function twoVersions(): Promise<readonly [VersionRecord, VersionRecord]> {
      const versions = [await putVersion(rig, 'a'), await putVersion(rig, 'a')] as const
      await putRules(rig, [removeNoncurrentAfter(1)])
      passDays(rig, 1)
      return versions
    }

    test('[Lifecycle.2] PutObjectLegalHold first: the gate denies, the denial is recorded, the version is whole', async () => {
      const [old] = await twoVersions()
      const hold = () => rig.versions.putLegalHold(actor, { ...addressed(old), next: 'ON' })
      await run(rig, { kv: interrupted(rig, hold) })
      await expectWhole(rig, old)
      expect((await rig.audit()).at(-1)).toMatchObject({
        actor: lifecycleActor,
        versionId: old.versionId,
        verdict: 'deny',
        rule: 'LegalHold',
        detail: { lifecycleRule: 'rule' },
      })
      expect(await lastRun()).toMatchObject({ removedCount: 0, lockedCount: 1 })
    })

    test('[Lifecycle.2] PutObjectRetention in GOVERNANCE first: nothing bypasses it', async () => {
      const [old] = await twoVersions()
      const next = { mode: 'GOVERNANCE', retainUntilMs: rig.inDays(50) } as const
      const retain = () =>
        rig.versions.putRetention(actor, { ...addressed(old), next, bypassGovernance: false })
      await run(rig, { kv: interrupted(rig, retain) })
      await expectWhole(rig, old)
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'deny', rule: 'GovernanceRetention' })
    })

    test('the rules are deleted or replaced first: nothing is done by the old ones', async () => {
      const [old] = await twoVersions()
      await run(rig, { kv: interrupted(rig, () => rig.documents.delete(actor, 'ledger', 'lifecycle')) })
      await expectWhole(rig, old)
      await putRules(rig, [removeNoncurrentAfter(1)])
      await run(rig, { kv: interrupted(rig, () => putRules(rig, [removeNoncurrentAfter(900)])) })
      await expectWhole(rig, old)
      expect((await rig.audit()).some((record) => record['operation'] === 'LifecycleExpiration')).toBe(false)
    })

    test('the clock turns suspect first: nothing is done', async () => {
      const [old] = await twoVersions()
      // The mark is of now, so that trusted time is past the due date after the jump too.
      await createClockStore(rig.kv, rig.clock).tick()
      const jump = async () => rig.clock.reboot(400 * 86_400_000)
      await run(rig, { kv: interrupted(rig, jump) })
      await expectWhole(rig, old)
    })

    test('trusted time falls behind the due date first, by a reboot that lost it: nothing is done', async () => {
      const old = await putVersion(rig, 'a')
      await putVersion(rig, 'a')
      await putRules(rig, [removeNoncurrentAfter(1)])
      rig.clock.pass(2 * dayInMs - 3_600_000)
      await createClockStore(rig.kv, rig.clock).tick()
      rig.clock.pass(2 * 3_600_000)
      await run(rig, { kv: interrupted(rig, async () => rig.clock.reboot(0)) })
      await expectWhole(rig, old)
    })

    test('the current version is deleted first: what became current stays', async () => {
      const [old, current] = await twoVersions()
      const remove = () => rig.versions.delete(actor, { ...addressed(current), bypassGovernance: false })
      await run(rig, { kv: interrupted(rig, remove) })
      expect(await listed(rig)).toEqual([['a', old.versionId]])
      await expectWhole(rig, old)
    })

    test.each([
      ['a version', () => putVersion(rig, 'a')],
      ['a delete marker', () => rig.remove({ key: 'a' })],
    ])(
      '%s over it is deleted and another comes first: noncurrent for a moment, it stays for its days',
      async (_, cover) => {
        const old = await putVersion(rig, 'a')
        await cover()
        await putRules(rig, [removeNoncurrentAfter(1)])
        passDays(rig, 1)
        const next: VersionRecord[] = []
        const overwrite = async () => {
          const over = await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: null })
          if (over.kind !== 'found') throw new Error(over.kind)
          await rig.versions.delete(actor, { ...addressed(over.version), bypassGovernance: false })
          next.push(await putVersion(rig, 'a'))
        }
        await run(rig, { kv: interrupted(rig, overwrite) })
        await expectWhole(rig, old)
        const left = next.map(({ versionId }) => ['a', versionId])
        expect(await listed(rig)).toEqual([...left, ['a', old.versionId]])
        passDays(rig, 1)
        await run(rig)
        expect(await listed(rig)).toEqual(left)
      },
    )

    test('a version that a rule keeps is deleted first: the one that takes its place stays', async () => {
      const versions: VersionRecord[] = []
      for (let index = 0; index < 4; index += 1) versions.push(await putVersion(rig, 'a'))
      const [removed, , neighbour] = versions
      if (removed === undefined || neighbour === undefined) throw new Error('there are four versions')
      await putRules(rig, [removeNoncurrentAfter(1, 2)])
      passDays(rig, 1)
      const remove = () => rig.versions.delete(actor, { ...addressed(neighbour), bypassGovernance: false })
      await run(rig, { kv: interrupted(rig, remove) })
      await expectWhole(rig, removed)
      await run(rig)
      expect(await listed(rig)).toHaveLength(3)
    })

    test('the current version is deleted first: the one that took its place does not count as kept', async () => {
      const versions: VersionRecord[] = []
      for (let index = 0; index < 4; index += 1) versions.push(await putVersion(rig, 'a'))
      const [old, , , current] = versions
      if (old === undefined || current === undefined) throw new Error('there are four versions')
      await putRules(rig, [removeNoncurrentAfter(1, 2)])
      passDays(rig, 1)
      const remove = () => rig.versions.delete(actor, { ...addressed(current), bypassGovernance: false })
      await run(rig, { kv: interrupted(rig, remove) })
      await expectWhole(rig, old)
      expect(await listed(rig)).toHaveLength(3)
    })

    test('a kept version loses the tag of the rule first: it does not count any more', async () => {
      const filter = {
        form: 'Filter',
        prefix: null,
        tags: [{ key: 'a', value: '1' }],
        sizeGreaterThan: null,
        sizeLessThan: null,
      } as const
      const versions: VersionRecord[] = []
      for (let index = 0; index < 3; index += 1) versions.push(await putVersion(rig, 'a'))
      for (const version of versions)
        await rig.versions.putTags(actor, { ...addressed(version), tags: { a: '1' } })
      const [old, counted] = versions
      if (old === undefined || counted === undefined) throw new Error('there are three versions')
      await putRules(rig, [{ ...removeNoncurrentAfter(1, 1), filter }])
      passDays(rig, 1)
      const untag = () => rig.versions.putTags(actor, { ...addressed(counted), tags: {} })
      await run(rig, { kv: interrupted(rig, untag) })
      expect(await listed(rig)).toHaveLength(3)
    })

    test('a version that is due loses the tag of the rule first: it stays', async () => {
      const filter = {
        form: 'Filter',
        prefix: null,
        tags: [{ key: 'a', value: '1' }],
        sizeGreaterThan: null,
        sizeLessThan: null,
      } as const
      const [old] = await twoVersions()
      await rig.versions.putTags(actor, { ...addressed(old), tags: { a: '1' } })
      await putRules(rig, [{ ...removeNoncurrentAfter(1), filter }])
      const untag = () => rig.versions.putTags(actor, { ...addressed(old), tags: { a: '2' } })
      await run(rig, { kv: interrupted(rig, untag) })
      expect(await listed(rig)).toHaveLength(2)
    })

    test('a newer version comes first: it is not hidden under a marker that was meant for the old one', async () => {
      await putVersion(rig, 'a')
      await putRules(rig, [expireAfter(1)])
      passDays(rig, 1)
      await run(rig, { kv: interrupted(rig, () => putVersion(rig, 'a')) })
      const kinds = (await listed(rig)).map(([, id]) => id)
      expect(kinds).toHaveLength(2)
      expect(kinds).not.toContain('marker')
    })

    /** An upload that is due; gives its key where it is still there, and what aborts recorded. */
    async function oldUpload() {
      const uploads = createUploads(rig.context)
      const lock = { retention: null, legalHold: null }
      const described = { headers: {}, userMetadata: {}, tags: {}, lock }
      const checksum = { checksumAlgorithm: null, checksumType: null }
      const made = await uploads.create(actor, { bucket: 'ledger', key: 'a', ...described, ...checksum })
      if (made.kind !== 'created') throw new Error(made.kind)
      await putRules(rig, [abortAfter(1)])
      passDays(rig, 1)
      const { uploadId } = made.upload
      return async () => ({
        found: (await uploads.read('ledger', 'a', uploadId)).kind,
        aborts: (await rig.audit())
          .filter(({ actor: by }) => JSON.stringify(by).includes('"LifecycleExpiration"'))
          .map(({ detail }) => detail),
        counted: (await lastRun())?.abortedUploadCount ?? 0,
      })
    }
    const kept = { found: 'found', aborts: [], counted: 0 }

    test('an upload that is due: its abort is recorded with the rule that asked for it', async () => {
      const state = await oldUpload()
      await run(rig)
      expect(await state()).toEqual({
        found: 'noSuchUpload',
        aborts: [{ lifecycleRule: 'rule', uploadId: expect.any(String) }],
        counted: 1,
      })
    })

    test('an upload whose rule is deleted or replaced first is not aborted', async () => {
      const state = await oldUpload()
      await run(rig, { kv: interrupted(rig, () => rig.documents.delete(actor, 'ledger', 'lifecycle')) })
      expect(await state()).toEqual(kept)
      await putRules(rig, [abortAfter(1)])
      await run(rig, { kv: interrupted(rig, () => putRules(rig, [abortAfter(900)])) })
      expect(await state()).toEqual(kept)
    })

    test('an upload is not aborted when the clock turns suspect first', async () => {
      const state = await oldUpload()
      await createClockStore(rig.kv, rig.clock).tick()
      await run(rig, { kv: interrupted(rig, async () => rig.clock.reboot(400 * dayInMs)) })
      expect(await state()).toEqual(kept)
    })

    test('an upload is not aborted when trusted time falls behind its date, by a reboot that lost it, first', async () => {
      const state = await oldUpload()
      await run(rig, { kv: interrupted(rig, async () => rig.clock.reboot(0)) })
      expect(await state()).toEqual(kept)
    })

    test('a version comes below a lonely marker, or in its place, first: the marker stays', async () => {
      await rig.remove({ key: 'a' })
      await putRules(rig, [rule({ expiration: { kind: 'expiredObjectDeleteMarker', isWanted: true } })])
      await run(rig, { kv: interrupted(rig, () => putVersion(rig, 'a')) })
      expect(await listed(rig)).toHaveLength(2)
    })

    test('the bucket is deleted and made again under its name first: the new one is not touched', async () => {
      await rig.remove({ key: 'a' })
      await putRules(rig, [rule({ expiration: { kind: 'expiredObjectDeleteMarker', isWanted: true } })])
      const markers = await listed(rig)
      const remake = async () => {
        const found = await rig.versions.read({ bucket: 'ledger', key: 'a', versionId: null })
        if (found.kind !== 'found') throw new Error(found.kind)
        await rig.versions.delete(actor, { ...addressed(found.version), bypassGovernance: false })
        expect((await rig.buckets.delete(actor, 'ledger')).kind).toBe('deleted')
        await create()
        await rig.remove({ key: 'a' })
      }
      await run(rig, { kv: interrupted(rig, remake) })
      expect(await listed(rig)).toEqual(markers)
      expect(await lastRun()).toBeNull()
    })
  })

  describe(`long runs of the lifecycle on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      const bucket = { name: 'ledger', accountId: actor.accountId, region: 'r' }
      await rig.buckets.create(actor, { ...bucket, objectLock: 'enabled' })
    })
    afterEach(() => rig.close())

    /** Versions of one key and of many, every seventh held; gives those that must stay. */
    async function manyVersions(): Promise<readonly VersionRecord[]> {
      const kept: VersionRecord[] = []
      let last: VersionRecord | null = null
      for (let index = 0; index < 320; index += 1) {
        const isHeld = index % 7 === 0
        last = await putVersion(rig, 'many', isHeld ? { legalHold: 'ON' } : {})
        if (isHeld) kept.push(last)
      }
      if (last !== null) kept.push(last)
      for (let index = 0; index < 60; index += 1) {
        await putVersion(rig, `key-${index}`)
        kept.push(await putVersion(rig, `key-${index}`))
      }
      return kept
    }

    test('hundreds of versions: broken off again and again, every run goes on, and what must stay is whole', async () => {
      const kept = await manyVersions()
      await putRules(rig, [removeNoncurrentAfter(1)])
      passDays(rig, 1)
      const outcomes: string[] = []
      for (let round = 0; round < 40 && outcomes.at(-1) !== 'done'; round += 1) {
        const stopping = new AbortController()
        outcomes.push((await run(rig, { signal: stopping.signal, kv: stoppedAfter(rig, stopping, 3) })).kind)
        if (stopping.signal.aborted) outcomes.push('stopped')
      }
      expect(outcomes.filter((kind) => kind === 'stopped').length).toBeGreaterThan(2)
      await run(rig)
      expect((await listed(rig)).length).toBe(kept.length)
      for (const version of kept) await expectWhole(rig, version)
      const bucket = await rig.buckets.read('ledger')
      expect(await wrongCounts(rig.kv, bucket?.id ?? '')).toEqual([])
      const records = (await rig.audit()).filter((record) => record['rule'] === 'NoRuleDenies')
      const removed = records.filter(
        ({ detail }) => detail !== null && JSON.stringify(detail).includes('lifecycleRule'),
      )
      expect(removed).toHaveLength(320 + 120 - kept.length)
    })

    test('a transaction removes at most so many, and a run counts what all of them did', async () => {
      await manyVersions()
      await putRules(rig, [removeNoncurrentAfter(1, 10)])
      passDays(rig, 1)
      const sizes: number[] = []
      const before = (await rig.audit()).length
      const counting: KeyValue = {
        ...interrupted(rig, async () => {}),
        transact: async (work) => {
          const result = await rig.kv.transact(work)
          sizes.push(Array.isArray(result) ? result.length : 0)
          return result
        },
      }
      await run(rig, { kv: counting })
      expect(Math.max(...sizes)).toBe(limits.lifecycleDeletesPerTransactionMax)
      const removedCount = (await rig.audit()).length - before
      const facts = await rig.buckets.facts('ledger')
      expect(facts?.lastLifecycleRun).toMatchObject({ removedCount, unreadableCount: 0 })
      expect(removedCount).toBeGreaterThan(200)
    })
  })
}

/** Gives the signal in the middle of a run: after so many transactions. */
function stoppedAfter(rig: Rig, stopping: AbortController, transactionsMax: number): KeyValue {
  let count = 0
  return {
    ...interrupted(rig, async () => {}),
    transact: async (work) => {
      const result = await rig.kv.transact(work)
      count += 1
      if (count >= transactionsMax) stopping.abort()
      return result
    },
  }
}
