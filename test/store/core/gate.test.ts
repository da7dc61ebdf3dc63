import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bucketKey, currentKey, nullKey, versionKey } from '../../../src/store/keys.ts'
import type { BucketRecord, VersionRecord } from '../../../src/store/records.ts'
import { encodeNull } from '../../../src/store/version-rows.ts'
import { createVersions } from '../../../src/store/versions.ts'
import { engines } from '../base/support.ts'
import { actor, bytesOf, openRig, type Rig } from './rig.ts'
import { RoundCounter } from './rounds.ts'

for (const engine of engines) {
  describe(`the gate on ${engine.name}`, () => {
    let rig: Rig
    let bucket: BucketRecord
    let held: VersionRecord
    let governed: VersionRecord
    let complied: VersionRecord
    let nullVersion: VersionRecord

    beforeEach(async () => {
      rig = await openRig(engine)
      const input = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
      await rig.buckets.create(actor, input)
      nullVersion = await put('null', {})
      await rig.buckets.putVersioning(actor, 'ledger', 'Enabled')
      await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'clearRule' })
      const retainUntilMs = rig.inDays(30)
      held = await put('held', { legalHold: 'ON' })
      governed = await put('governed', { retention: { mode: 'GOVERNANCE', retainUntilMs } })
      complied = await put('complied', { retention: { mode: 'COMPLIANCE', retainUntilMs } })
      const found = await rig.buckets.read('ledger')
      if (found === null) throw new Error('the bucket is there')
      bucket = found
    })
    afterEach(() => rig.close())

    async function put(key: string, lock: object): Promise<VersionRecord> {
      const result = await rig.put({ key, lock })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    function address(version: VersionRecord) {
      const versionId = version.isNull ? 'null' : version.versionId
      return { bucket: 'ledger', key: version.key, versionId }
    }

    function remove(version: VersionRecord, bypassGovernance: boolean, bucketName = 'ledger') {
      return rig.versions.delete(actor, { ...address(version), bucket: bucketName, bypassGovernance })
    }

    function retain(
      version: VersionRecord,
      days: number | null,
      options: { mode?: string; bypass?: boolean } = {},
    ) {
      const mode = (options.mode ?? 'COMPLIANCE') as 'COMPLIANCE'
      const next = days === null ? null : { mode, retainUntilMs: rig.inDays(days) }
      const bypassGovernance = options.bypass ?? false
      return rig.versions.putRetention(actor, { ...address(version), next, bypassGovernance })
    }

    /** Every row but the audit log is the same afterwards; the refusal is recorded once. */
    async function expectRefused(work: () => Promise<{ kind: string }>, reason: string): Promise<void> {
      const rows = await rig.rows()
      const records = await rig.audit()
      expect(await work()).toMatchObject({ kind: 'denied', verdict: { kind: 'deny', reason } })
      expect(await rig.rows()).toEqual(rows)
      const added = (await rig.audit()).slice(records.length)
      expect(added).toMatchObject([{ verdict: 'deny', bucket: 'ledger' }])
    }

    async function damage(row: Uint8Array, change: (text: string) => string): Promise<void> {
      await rig.kv.transact(async (transaction) => {
        const value = await transaction.get(row)
        if (value === null) throw new Error('the row is there')
        transaction.put(row, new Uint8Array(Buffer.from(change(Buffer.from(value).toString('utf8')))))
      })
    }

    function rowOf(version: VersionRecord): Uint8Array {
      return versionKey(version.bucketId, version.key, version.order, version.versionId)
    }

    test('refusals: all rows byte-identical, each recorded', async () => {
      await expectRefused(() => remove(held, true), 'LegalHold')
      await expectRefused(() => remove(governed, false), 'GovernanceRetention')
      await expectRefused(() => remove(complied, true), 'ComplianceRetention')
      await expectRefused(() => retain(complied, 29, { bypass: true }), 'ComplianceRetention')
      await expectRefused(
        () => retain(complied, 31, { mode: 'GOVERNANCE', bypass: true }),
        'ComplianceRetention',
      )
      await expectRefused(() => retain(complied, null, { bypass: true }), 'ComplianceRetention')
      await expectRefused(() => retain(governed, 29, { mode: 'GOVERNANCE' }), 'GovernanceRetention')
      await expectRefused(() => retain(governed, 31), 'GovernanceRetention')
      await expectRefused(() => retain(governed, null), 'GovernanceRetention')
    })

    test('a lock that cannot be read: nothing is removed or changed, not even tags or a delete marker (I3)', async () => {
      const marker = await rig.remove({ key: 'marked' })
      const markerId = marker.kind === 'deleted' ? marker.versionId : null
      const markerVersion = await rig.versions.read({ bucket: 'ledger', key: 'marked', versionId: markerId })
      if (markerVersion.kind !== 'found') throw new Error(markerVersion.kind)
      const free = await put('free', {})
      for (const version of [free, held, nullVersion, markerVersion.version]) {
        await damage(rowOf(version), (text) => text.replace('"legalHold":', '"legalhold":'))
        await expectRefused(() => remove(version, true), 'LockStateUnknown')
      }
      for (const version of [free, held, nullVersion]) {
        await expectRefused(() => retain(version, 40, { bypass: true }), 'LockStateUnknown')
        await expectRefused(
          () => rig.versions.putLegalHold(actor, { ...address(version), next: 'OFF' }),
          'LockStateUnknown',
        )
        await expectRefused(
          () => rig.versions.putTags(actor, { ...address(version), tags: {} }),
          'LockStateUnknown',
        )
      }
    })

    test('a null version whose lock cannot be read: a put does not replace it', async () => {
      const input = { name: 'plain', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
      await rig.buckets.create(actor, input)
      const result = await rig.put({ bucket: 'plain', key: 'a' })
      if (result.kind !== 'put') throw new Error(result.kind)
      await damage(rowOf(result.version), (text) => text.replace('"retention":null', '"retention":{}'))
      for (const versioning of ['Unversioned', 'Suspended']) {
        if (versioning === 'Suspended') await rig.buckets.putVersioning(actor, 'plain', 'Suspended')
        const rows = await rig.rows()
        expect(await rig.put({ bucket: 'plain', key: 'a' })).toMatchObject({ kind: 'denied' })
        expect(await rig.remove({ bucket: 'plain', key: 'a' })).toMatchObject({ kind: 'denied' })
        expect(await rig.rows()).toEqual(rows)
      }
    })

    test('a version row that cannot be read: denied and recorded', async () => {
      const free = await put('free', {})
      await damage(rowOf(free), (text) => text.slice(0, -5))
      await expectRefused(() => remove(free, true), 'LockStateUnknown')
      await expectRefused(() => retain(free, 1), 'LockStateUnknown')
      await expectRefused(
        () => rig.versions.putLegalHold(actor, { ...address(free), next: 'OFF' }),
        'LockStateUnknown',
      )
    })

    test('a bucket row that cannot be read: every mutation denied (B-01, B-02, B-03, B-51)', async () => {
      const free = await put('free', {})
      await damage(bucketKey('ledger'), (text) => text.replace('"objectLock":', '"objectlock":'))
      await expectRefused(() => remove(free, true), 'LockStateUnknown')
      await expectRefused(() => rig.remove({ key: 'free' }), 'LockStateUnknown')
      await expectRefused(() => retain(free, 1), 'LockStateUnknown')
      await expectRefused(() => rig.put({ key: 'free' }), 'LockStateUnknown')
      await expect(rig.buckets.delete(actor, 'ledger')).rejects.toThrow('stored record')
      await expect(rig.buckets.read('ledger')).rejects.toThrow('stored record')
    })

    test('a bucket row that is gone: no version is reached', async () => {
      await rig.kv.transact(async (transaction) => transaction.delete(bucketKey('ledger')))
      const rows = await rig.rows()
      expect(await remove(complied, true)).toEqual({ kind: 'noSuchBucket' })
      expect(await rig.remove({ key: 'complied' })).toEqual({ kind: 'noSuchBucket' })
      await rig.buckets.create(actor, {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'none',
      })
      expect(await rig.versions.read(address(complied))).toEqual({ kind: 'noSuchVersion' })
      expect(await remove(complied, true)).toMatchObject({ kind: 'deleted', versionId: null })
      expect((await rig.rows()).filter((row) => rows.includes(row))).toEqual(rows)
    })

    test('a current or null row that cannot be read: nothing is written over it', async () => {
      await damage(currentKey(bucket.id, 'held'), () => '{}')
      await expectRefused(() => rig.put({ key: 'held' }), 'LockStateUnknown')
      await damage(nullKey(bucket.id, 'null'), () => 'x')
      await expectRefused(() => remove(nullVersion, true), 'LockStateUnknown')
    })

    test('a null row that names another version: that version is not reached through it', async () => {
      const free = await put('null', {})
      const row = nullKey(bucket.id, 'null')
      const value = encodeNull(row, free.versionId)
      await rig.kv.transact(async (transaction) => transaction.put(row, value))
      await expectRefused(() => remove(nullVersion, true), 'LockStateUnknown')
    })

    test('a batch with one unreadable key: the others are done (I6)', async () => {
      const free = await put('free', {})
      const broken = await put('broken', {})
      await damage(rowOf(broken), () => 'x')
      const jobs = [free, broken, held].map((version) => ({ ...address(version), bypassGovernance: true }))
      const answers = await rig.versions.deleteMany(actor, jobs)
      expect(answers.map(({ kind }) => kind)).toEqual(['deleted', 'denied', 'denied'])
    })

    test('audit: a used bypass is named, an unneeded one is not', async () => {
      await rig.versions.putRetention(actor, {
        ...address(governed),
        next: { mode: 'GOVERNANCE', retainUntilMs: rig.inDays(31) },
        bypassGovernance: true,
      })
      expect((await rig.audit()).at(-1)).toMatchObject({ verdict: 'allow', rule: 'NoRuleDenies', change: 2 })
      await remove(governed, true)
      expect((await rig.audit()).at(-1)).toMatchObject({
        verdict: 'allow',
        rule: 'BypassGovernanceRetention',
        key: 'governed',
        versionId: governed.versionId,
        lockBefore: { kind: 'known', retention: { mode: 'GOVERNANCE' } },
      })
    })

    test('batch: the same answers, rows and records as a fold of single deletes (I6)', async () => {
      const jobsFor = (name: string, versions: readonly VersionRecord[]) =>
        [...versions, ...versions.slice(0, 2)].flatMap((version) => [
          { bucket: name, key: version.key, versionId: version.versionId, bypassGovernance: false },
          { bucket: name, key: version.key, versionId: null, bypassGovernance: false },
        ])
      const outcomes = []
      for (const name of ['batch', 'fold']) {
        await rig.buckets.create(actor, {
          name,
          accountId: actor.accountId,
          region: 'r',
          objectLock: 'enabled',
        })
        const versions: VersionRecord[] = []
        for (const [index, legalHold] of (['ON', null, 'OFF', 'ON'] as const).entries()) {
          const result = await rig.put({ bucket: name, key: `k${index}`, lock: { legalHold } })
          if (result.kind === 'put') versions.push(result.version)
        }
        const before = (await rig.audit()).length
        const jobs = jobsFor(name, versions)
        const answers = []
        if (name === 'batch') answers.push(...(await rig.versions.deleteMany(actor, jobs)))
        else for (const job of jobs) answers.push(await rig.versions.delete(actor, job))
        const records = (await rig.audit()).slice(before)
        outcomes.push({
          kinds: answers.map(({ kind }) => kind),
          records: records
            .map(({ key, verdict, rule, detail }) => JSON.stringify({ key, verdict, rule, detail }))
            .sort(),
        })
      }
      expect(outcomes[0]).toEqual(outcomes[1])
      expect(outcomes[0]?.kinds).toContain('denied')
    })

    test('batch: a thousand keys in transactions of a hundred, each with its answer', async () => {
      const jobs = Array.from({ length: 1000 }, (_, index) => ({
        bucket: 'ledger',
        key: `k${index % 990}`,
        versionId: null,
        bypassGovernance: false,
      }))
      const answers = await rig.versions.deleteMany(actor, jobs)
      expect(answers).toHaveLength(1000)
      expect(new Set(answers.map((answer) => answer.kind === 'deleted' && answer.versionId)).size).toBe(1000)
    })

    test('rounds: at most two rounds of reads and one commit, once the bucket is known', async () => {
      const counter = new RoundCounter(rig.kv)
      const bodies = { ...rig.context, kv: counter.kv }
      const versions = createVersions(bodies as Parameters<typeof createVersions>[0])
      const stageBody = () => versions.stage(bytesOf('x'), 10)
      const putOnce = async () => {
        const body = await stageBody()
        return versions.put(actor, {
          bucket: 'ledger',
          key: 'rounds',
          content: { kind: 'staged', body, etag: body.md5 },
          description: { headers: {}, userMetadata: {}, tags: {}, checksum: null },
          lock: { retention: null, legalHold: null },
          precondition: { ifMatch: null, ifNoneMatch: null },
        })
      }
      await putOnce()
      const jobs = Array.from({ length: 50 }, (_, index) => ({
        bucket: 'ledger',
        key: `k${index}`,
        versionId: null,
        bypassGovernance: false,
      }))
      const free = await put('free', {})
      const operations: [string, number, () => Promise<unknown>][] = [
        ['put', 1, putOnce],
        ['read', 2, () => versions.read(address(held))],
        ['delete', 2, () => versions.delete(actor, { ...address(free), bypassGovernance: false })],
        [
          'marker',
          1,
          () =>
            versions.delete(actor, {
              bucket: 'ledger',
              key: 'held',
              versionId: null,
              bypassGovernance: false,
            }),
        ],
        ['batch', 1, () => versions.deleteMany(actor, jobs)],
        [
          'retention',
          1,
          () => versions.putRetention(actor, { ...address(held), next: null, bypassGovernance: false }),
        ],
        ['hold', 1, () => versions.putLegalHold(actor, { ...address(held), next: 'ON' })],
      ]
      for (const [name, rounds, operation] of operations) {
        counter.reset()
        await operation()
        expect([name, counter.rounds]).toEqual([name, rounds])
        expect(counter.commits).toBeLessThanOrEqual(1)
      }
    })

    test('race: retention against delete of the same version, one of them and never both', async () => {
      for (let index = 0; index < 30; index += 1) {
        const version = await put(`race${index}`, {})
        const [retained, removed] = await Promise.all([retain(version, 9), remove(version, true)])
        const outcome = `${retained.kind} ${removed.kind}`
        expect(['changed denied', 'noSuchVersion deleted']).toContain(outcome)
        const read = await rig.versions.read(address(version))
        expect(read.kind).toBe(removed.kind === 'denied' ? 'found' : 'noSuchVersion')
      }
    })

    test('race: bucket delete against put, never a version in a bucket that is gone (I18)', async () => {
      for (let index = 0; index < 20; index += 1) {
        const name = `race-${index}`
        await rig.buckets.create(actor, { name, accountId: actor.accountId, region: 'r', objectLock: 'none' })
        const [written, removed] = await Promise.all([
          rig.put({ bucket: name, key: 'a' }),
          rig.buckets.delete(actor, name),
        ])
        expect(['put notEmpty', 'noSuchBucket deleted']).toContain(`${written.kind} ${removed.kind}`)
      }
    })

    for (const versioning of ['Unversioned', 'Enabled'] as const) {
      test(`a remembered bucket id: a bucket created again, ${versioning}, is found at its new place`, async () => {
        const input = { name: 'again', accountId: actor.accountId, region: 'r', objectLock: 'none' } as const
        for (const _round of [1, 2]) {
          await rig.buckets.create(actor, input)
          if (versioning === 'Enabled') await rig.buckets.putVersioning(actor, 'again', 'Enabled')
          const written = []
          for (const _write of [1, 2]) written.push(await rig.put({ bucket: 'again', key: 'a' }))
          const versions = versioning === 'Enabled' ? written : written.slice(1)
          for (const result of versions) {
            if (result.kind !== 'put') throw new Error(result.kind)
            expect(await remove(result.version, false, 'again')).toMatchObject({ kind: 'deleted' })
          }
          expect(await rig.buckets.delete(actor, 'again')).toEqual({ kind: 'deleted' })
        }
      })
    }
  })
}
