/** A restored volume takes what a later audit log locked, and nothing that would be weaker. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LegalHoldStatus, Retention } from '../../../src/lock/types.ts'
import { readAuditHead } from '../../../src/store/audit-chain.ts'
import { type AuditLine, exportAudit } from '../../../src/store/audit-export.ts'
import { exportedAfter, verifyExport } from '../../../src/store/audit-import.ts'
import { hex } from '../../../src/store/hex.ts'
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
    const replay = async (...lines: readonly AuditLine[]) => {
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

describe('an exported audit log', () => {
  const [engine] = engines
  let rig: Rig
  let lines: string[]
  let hashes: string[]
  beforeEach(async () => {
    if (engine === undefined) throw new Error('there is an engine')
    rig = await openRig(engine)
    for (const name of ['one', 'two', 'three'])
      await rig.buckets.create(actor, { name, accountId: '1'.repeat(12), region: 'r', objectLock: 'none' })
    const head = await readAuditHead(rig.kv)
    const records: AuditLine[] = []
    for await (const page of exportAudit(rig.kv, { afterSequence: 0, head })) records.push(...page)
    const end = { volumeId: 'volume', head: { sequence: head.sequence, hash: hex(head.hash) } }
    lines = [...records, end].map((line) => JSON.stringify(line))
    hashes = records.map(({ hash }) => hash)
  })
  afterEach(() => rig.close())
  const anchor = (sequence: number) => ({ sequence, hash: hashes[sequence - 1] ?? '0'.repeat(64) })

  test('verifyExport: unbroken, says where it ends and whether it goes through a record', async () => {
    expect(lines).toHaveLength(4)
    for (const sequence of [0, 1, 2, 3]) {
      const log = await verifyExport(each(lines), [anchor(sequence)])
      expect(log).toMatchObject({
        kind: 'intact',
        volumeId: 'volume',
        head: { sequence: 3 },
        passed: [anchor(sequence)],
      })
    }
    const later = await verifyExport(each(lines.slice(1)), [anchor(1)])
    expect(later).toMatchObject({ kind: 'intact', passed: [anchor(1)] })
    const tooLate = await verifyExport(each(lines.slice(2)), [anchor(1)])
    expect(tooLate).toMatchObject({ kind: 'intact', passed: [] })
    const foreign = { sequence: 2, hash: 'f'.repeat(64) }
    const some = await verifyExport(each(lines), [anchor(3), foreign, anchor(2)])
    expect(some).toMatchObject({ kind: 'intact', passed: [anchor(3), anchor(2)] })
    const [end = ''] = lines.slice(-1)
    const empty = await verifyExport(each([end]), [anchor(3), anchor(2)])
    expect(empty).toMatchObject({ kind: 'intact', passed: [anchor(3)] })
  })

  async function sequencesOf(given: readonly string[]): Promise<number[]> {
    const found: number[] = []
    const log = { anchor: anchor(1), head: anchor(3) }
    for await (const { sequence } of exportedAfter(each(given), log)) found.push(sequence)
    return found
  }

  test('exportedAfter: the log that was verified, its records behind the anchor', async () => {
    expect(await sequencesOf(lines)).toEqual([2, 3])
    expect(await sequencesOf(lines.slice(1))).toEqual([2, 3])
  })

  test('exportedAfter: the log is another one by now, throws', async () => {
    const [one = '', two = '', three = '', end = ''] = lines
    const shorter = JSON.stringify({ volumeId: 'volume', head: anchor(2) })
    const others = [
      [[], 'it is another log now: it does not end with a head'],
      [[one, two, three], 'it is another log now: it does not end with a head'],
      [[one, two, shorter], 'it is another log now: it ends elsewhere'],
      [[three, end], 'it is another log now: it ends elsewhere'],
      [[one, two.replace('"two"', '"six"'), three, end], 'its hash is not that of its record'],
    ] as const
    for (const [given, cause] of others) await expect(sequencesOf(given)).rejects.toThrow(cause)
  })

  test('verifyExport: changed, missing, reordered, cut off or continued, is broken', async () => {
    const [one = '', two = '', three = '', end = ''] = lines
    const broken = [
      [[one, two.replace('"two"', '"six"'), three, end], 'line 2: its hash is not that of its record'],
      [[one, three, end], 'line 2: it does not continue the line before'],
      [[two, one, three, end], 'line 2: it does not continue the line before'],
      [[one, two, three], 'it does not end with a head'],
      [[one, two, end], 'the last record is not the head'],
      [[one, two, three, end, end], 'line 5: there is a line behind the head'],
      [['{'], 'line 1: it is not JSON'],
      [['[]'], 'line 1: it is not an object'],
      [[one.replace('"sequence":1', '"sequence":0'), end], 'line 1: records are numbered from 1'],
      [[one.replace('"record"', '"other"'), end], 'line 1: stored record'],
      [[one, asUnreadable(two), three, end], 'line 2: it calls a record unreadable that can be read'],
      [[], 'it does not end with a head'],
    ] as const
    for (const [given, cause] of broken) {
      const log = await verifyExport(each<string>(given), [anchor(1)])
      expect(log).toEqual({ kind: 'broken', cause: expect.stringContaining(cause) })
    }
  })
})

/** The same hash: it is that of the bytes. */
function asUnreadable(line: string): string {
  const { record, ...link } = JSON.parse(line) as { readonly record: unknown }
  return JSON.stringify({ ...link, unreadableBytes: Buffer.from(JSON.stringify(record)).toString('base64') })
}
