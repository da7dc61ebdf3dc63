/** What a caller has against a change beyond the lock's own rules: asked in the transaction, able to refuse only. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { withTransact } from '../../../src/store/kv/with-transact.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { ExplicitLock, Objection } from '../../../src/store/store.ts'
import { createVersions } from '../../../src/store/versions.ts'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

const verdict = { kind: 'deny', rule: 'Ours', reason: 'GovernanceRetention', untilMs: null } as const

for (const engine of engines) {
  describe(`an objection on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      const input = {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      } as const
      await rig.buckets.create(actor, input)
    })
    afterEach(() => rig.close())

    async function put(key: string, lock: Partial<ExplicitLock> = {}): Promise<VersionRecord> {
      const result = await rig.put({ key, lock })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }

    const address = ({ key, versionId }: VersionRecord) => ({ bucket: 'ledger', key, versionId })
    const until = (mode: 'GOVERNANCE' | 'COMPLIANCE', days: number) =>
      ({ mode, retainUntilMs: rig.inDays(days) }) as const

    test('Objection: one that denies, nothing is changed and its rule is recorded', async () => {
      const governed = await put('governed', { retention: until('GOVERNANCE', 30) })
      const rows = await rig.rows()
      const change = { ...address(governed), next: until('GOVERNANCE', 31), bypassGovernance: true }
      const denied = await rig.versions.putRetention(actor, { ...change, objection: () => verdict })
      expect(denied).toEqual({ kind: 'denied', verdict })
      const held = { ...address(governed), next: 'ON', objection: () => verdict } as const
      expect(await rig.versions.putLegalHold(actor, held)).toEqual({ kind: 'denied', verdict })
      expect(await rig.rows()).toEqual(rows)
      const record = { verdict: 'deny', rule: 'Ours', versionId: governed.versionId }
      expect((await rig.audit()).slice(-2)).toMatchObject([record, record])
    })

    test('Objection: none, the rules of the lock judge as ever', async () => {
      const complied = await put('complied', { retention: until('COMPLIANCE', 30) })
      const change = { ...address(complied), bypassGovernance: true, objection: () => null }
      const weaker = await rig.versions.putRetention(actor, { ...change, next: until('GOVERNANCE', 31) })
      expect(weaker).toMatchObject({ kind: 'denied', verdict: { reason: 'ComplianceRetention' } })
      const longer = await rig.versions.putRetention(actor, { ...change, next: until('COMPLIANCE', 31) })
      expect(longer.kind).toBe('changed')
    })

    test('Objection: what it throws is thrown, and nothing is changed', async () => {
      const free = await put('free')
      const rows = await rig.rows()
      const objection = () => {
        throw new RangeError('ours')
      }
      const change = { ...address(free), next: 'ON', objection } as const
      await expect(rig.versions.putLegalHold(actor, change)).rejects.toThrow('ours')
      expect(await rig.rows()).toEqual(rows)
    })

    test('Objection: a retention was set in between, asked again on it and the retention stays', async () => {
      const free = await put('free')
      const set = until('GOVERNANCE', 3)
      const seen: unknown[] = []
      const objection: Objection = ({ lock }) => {
        const retention = lock.kind === 'known' ? lock.retention : null
        seen.push(retention)
        return retention === null ? null : verdict
      }
      const setMeanwhile = () =>
        rig.versions.putRetention(actor, { ...address(free), next: set, bypassGovernance: false })
      const versions = createVersions({ ...rig.context, kv: overtaken(rig.kv, setMeanwhile) })
      const removal = { ...address(free), next: null, bypassGovernance: true, objection }
      expect(await versions.putRetention(actor, removal)).toEqual({ kind: 'denied', verdict })
      expect(seen).toEqual([null, set])
      expect(await rig.versions.read(address(free))).toMatchObject({ version: { lock: { retention: set } } })
    })
  })
}

/** Before the first commit, when all of it is decided, `work` happens. */
function overtaken(kv: KeyValue, work: () => Promise<unknown>): KeyValue {
  let isFirst = true
  return withTransact(kv, (decide) =>
    kv.transact(async (transaction) => {
      const result = await decide(transaction)
      if (isFirst) {
        isFirst = false
        await work()
      }
      return result
    }),
  )
}
