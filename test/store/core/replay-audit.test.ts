/** A restored volume takes what a later audit log locked, and nothing that would be weaker. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LegalHoldStatus, Retention } from '../../../src/lock/types.ts'
import type { AuditLine } from '../../../src/store/audit-export.ts'
import type { ImportedLine } from '../../../src/store/audit-import.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import { countDifferences } from '../../../src/store/recount.ts'
import { replayAudit } from '../../../src/store/replay-audit.ts'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

for (const engine of engines) {
  describe(`replayAudit on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
      const { kind } = await rig.buckets.create(actor, {
        name: 'ledger',
        accountId: '1'.repeat(12),
        region: 'r',
        objectLock: 'enabled',
      })
      expect(kind).toBe('created')
    })
    afterEach(() => rig.close())

    const put = async (lock: { retention?: Retention; legalHold?: LegalHoldStatus }) => {
      const result = await rig.put({ key: 'key', body: 'body', lock })
      if (result.kind !== 'put') throw new Error(result.kind)
      return result.version
    }
    const record = (
      version: { key: string; versionId: string },
      lockAfter: unknown,
      verdict = 'allow',
    ): AuditLine => {
      const { key, versionId } = version
      const link = { sequence: 90, previousHash: '0'.repeat(64), hash: '0'.repeat(64) }
      return { ...link, record: { verdict, bucket: 'ledger', key, versionId, lockAfter } }
    }
    const replay = async (...lines: readonly ImportedLine[]) => {
      const denied: string[] = []
      const onDenied = (sentence: string) => denied.push(sentence)
      const { kv, clock } = rig
      return { ...(await replayAudit({ kv, clock, actor, onDenied }, each(lines))), denied }
    }
    const lockOf = async ({ key, versionId }: VersionRecord) => {
      const found = await rig.versions.read({ bucket: 'ledger', key, versionId })
      return found.kind === 'found' ? found.version.lock : null
    }
    const until = (mode: 'GOVERNANCE' | 'COMPLIANCE', days: number): Retention => ({
      mode,
      retainUntilMs: rig.inDays(days),
    })
    const known = (retention: Retention | null, legalHold: LegalHoldStatus | null = null) =>
      ({ kind: 'known', retention, legalHold }) as const

    const cases = [
      ['a later date', ['COMPLIANCE', 5], ['COMPLIANCE', 9], ['COMPLIANCE', 9]],
      ['an earlier date', ['COMPLIANCE', 5], ['COMPLIANCE', 4], ['COMPLIANCE', 5]],
      ['the same date', ['COMPLIANCE', 5], ['COMPLIANCE', 5], ['COMPLIANCE', 5]],
      ['COMPLIANCE over GOVERNANCE', ['GOVERNANCE', 5], ['COMPLIANCE', 5], ['COMPLIANCE', 5]],
      ['a shorter GOVERNANCE', ['GOVERNANCE', 5], ['GOVERNANCE', 1], ['GOVERNANCE', 5]],
      ['no retention', ['GOVERNANCE', 5], null, ['GOVERNANCE', 5]],
      ['a retention where there was none', null, ['GOVERNANCE', 2], ['GOVERNANCE', 2]],
      ['a retention that is over', null, ['COMPLIANCE', -1], null],
    ] as const

    test.each(cases)('replayAudit: %s, never weakens the lock', async (_name, had, logged, gets) => {
      const retention = (given: readonly ['GOVERNANCE' | 'COMPLIANCE', number] | null) =>
        given === null ? null : until(...given)
      const before = retention(had)
      const version = await put(before === null ? {} : { retention: before })
      const change = JSON.stringify(had) === JSON.stringify(gets) ? 0 : 1
      expect(await replay(record(version, known(retention(logged))))).toEqual({
        ...{ extendedCount: change, missingCount: 0, deniedCount: 0 },
        denied: [],
      })
      expect(await lockOf(version)).toMatchObject({ retention: retention(gets) })
      const bucket = await rig.buckets.read('ledger')
      for await (const difference of countDifferences(rig.kv, bucket?.id ?? ''))
        expect.unreachable(JSON.stringify(difference))
      const last = (await rig.audit()).filter(({ detail }) => JSON.stringify(detail).includes('replayed'))
      expect(last).toHaveLength(change)
    })

    const neither = [
      ['COMPLIANCE for less time', ['GOVERNANCE', 5], ['COMPLIANCE', 4]],
      ['GOVERNANCE for longer than COMPLIANCE', ['COMPLIANCE', 5], ['GOVERNANCE', 9]],
    ] as const
    test.each(neither)('replayAudit: %s, is told and what was there stays', async (_name, had, logged) => {
      const version = await put({ retention: until(had[0], had[1]) })
      const counts = await replay(record(version, known(until(logged[0], logged[1]))))
      expect(counts).toEqual({
        ...{ extendedCount: 0, missingCount: 0, deniedCount: 1 },
        denied: [
          expect.stringMatching(new RegExp(`says: ${had[0]} until \\S+Z stays, and ${logged[0]} until`)),
        ],
      })
      expect(await lockOf(version)).toMatchObject({ retention: until(had[0], had[1]) })
    })

    test('replayAudit: a hold ON is set, one that was lifted later stays', async () => {
      const version = await put({ retention: until('GOVERNANCE', 1) })
      const lines = [
        record(version, known(until('COMPLIANCE', 3), 'ON')),
        record(version, known(null, 'OFF')),
      ]
      expect(await replay(...lines)).toMatchObject({ extendedCount: 2, deniedCount: 0 })
      expect(await lockOf(version)).toEqual(known(until('COMPLIANCE', 3), 'ON'))
      const details = (await rig.audit()).slice(-2)
      expect(details).toMatchObject([
        { lockAfter: known(until('COMPLIANCE', 3)), detail: { replayedAuditSequence: 90 } },
        { lockBefore: known(until('COMPLIANCE', 3)), lockAfter: known(until('COMPLIANCE', 3), 'ON') },
      ])
    })

    test('replayAudit: refusals, delete markers, other records and versions that are not there, lock nothing', async () => {
      const version = await put({})
      const marker = await rig.remove({ key: 'key' })
      if (marker.kind !== 'deleted' || marker.versionId === null) throw new Error(marker.kind)
      const stronger = known(until('COMPLIANCE', 3), 'ON')
      const last = version.versionId.endsWith('0') ? '1' : '0'
      const other = { key: 'key', versionId: `${version.versionId.slice(0, -1)}${last}` }
      const counts = await replay(
        record(version, stronger, 'deny'),
        record(version, { kind: 'unknown', cause: 'damage' }),
        record(version, null),
        record({ key: 'key', versionId: marker.versionId }, stronger),
        record({ key: 'key', versionId: 'not an id' }, stronger),
        record(other, stronger),
        { sequence: 90, previousHash: '', hash: '', unreadableBytes: 'AAAA' },
      )
      expect(counts).toEqual({
        ...{ extendedCount: 0, missingCount: 2, deniedCount: 1 },
        denied: ['audit record 90 cannot be read: what it locked is not known'],
      })
      expect(await lockOf(version)).toEqual(known(null))
    })

    test('replayAudit: a record that the chain does not name, is told with what it says and locks nothing', async () => {
      const version = await put({})
      const doubted = record(version, known(until('COMPLIANCE', 3)))
      const { deniedCount, extendedCount, denied } = await replay({ sequence: 90, doubted })
      expect([deniedCount, extendedCount]).toEqual([1, 0])
      const { versionId } = version
      const words = JSON.stringify({ bucket: 'ledger', key: 'key', versionId })
      expect(denied).toEqual([expect.stringContaining(`audit record 90 is not known to be`)])
      expect(denied[0]).toContain(words)
      expect(await lockOf(version)).toEqual(known(null))
    })

    test('replayAudit: what the gate denies, is told and stays', async () => {
      const version = await put({ retention: until('GOVERNANCE', 1) })
      const frozen = await rig.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'freeze' })
      expect(frozen.kind).toBe('changed')
      const { deniedCount, denied } = await replay(record(version, known(until('COMPLIANCE', 3))))
      expect(deniedCount).toBe(1)
      expect(denied).toEqual([
        expect.stringMatching(/^s3:\/\/ledger\/key\?versionId=\w+: not locked as audit record 90 says: \w+$/),
      ])
      expect(await lockOf(version)).toMatchObject({ retention: until('GOVERNANCE', 1) })
    })
  })
}
