/** Clock, damage, refusals and lifecycle in the status of a LockedBucket, and what of them is worth a write. */
import { describe, expect, test } from 'vitest'
import type { LockedBucketStatus } from '../../../src/api/LockedBucket.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import { limits } from '../../../src/lib/limits.ts'
import { type EpochMs, epochMs } from '../../../src/lib/units.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  bucketOf,
  compliance30,
  factsOf,
  info,
  nowMs,
  outcomeOf,
  seen,
  settled,
  shownHealth,
  silent,
  snapshotOf,
} from './locked-bucket-fixtures.ts'

type Different = Partial<BucketFactsAnswer>
type Look = { readonly status?: LockedBucketStatus; readonly atMs?: EpochMs; readonly suspect?: boolean }

function look(different: Different, { status, atMs = nowMs, suspect = false }: Look = {}) {
  const server = seen(factsOf(compliance30, different))
  if (server.kind !== 'seen') throw new Error('the server answered')
  const clock = { ...info.clock, suspect }
  const snapshot = snapshotOf({ ...server, info: { ...info, clock } }, compliance30, bucketOf(status))
  return lockedBucketReport(atMs, snapshot, outcomeOf(snapshot, null))
}
const earlier = (different: Different = {}) => settled(snapshotOf(seen(factsOf(compliance30, different))))

const whole = {
  lastScrub: '2026-11-20T03:00:00.000Z',
  unreadableCount: 0,
  owners: 'known',
  stoppedCount: 0,
  quarantinedCount: 0,
  quarantined: [],
} as const
const damagedVersion = { key: 'ledger/1', versionId: 'V1', problem: 'block 0' }
const damaged = { ...whole, quarantinedCount: 1, quarantined: [damagedVersion] }
const denial = {
  time: '2026-11-21T11:00:00.500Z',
  operation: 'DeleteObject',
  accessKeyId: 'AK',
  key: 'ledger/1',
  versionId: 'V1',
  rule: 'ComplianceRetention',
  count: 1,
}
const run = {
  started: '2026-11-21T03:00:00.000Z',
  ended: '2026-11-21T03:00:09.000Z',
  expiredCount: 1,
  removedCount: 2,
  abortedUploadCount: 3,
  lockedCount: 4,
  unreadableCount: 5,
}

describe('ClockSuspect and IntegrityVerified', () => {
  test('LockedBucket: the clock jumped, ClockSuspect=True, one event, Ready as it was', () => {
    const { status, events } = look({}, { status: earlier(), suspect: true })
    expect(shownHealth(status)).toContain('ClockSuspect=True ClockJumped')
    expect(status?.conditions?.[0]).toMatchObject({ type: 'Ready', status: 'True' })
    expect(events.map(({ reason }) => reason)).toEqual(['ClockSuspect'])
    const again = look({}, { status: status ?? {}, suspect: true })
    expect(again).toMatchObject({ status: null, events: [] })
    const after = look({}, { status: status ?? {} })
    expect(shownHealth(after.status)).toContain('ClockSuspect=False ClockTrusted')
    expect(after.events).toEqual([])
  })

  test.each([
    ['a pass without damage', whole, 'True Scrubbed'],
    ['no pass yet', { ...whole, lastScrub: null }, 'Unknown NotScrubbed'],
    ['a scrub that the disk stopped', { ...whole, stoppedCount: 1 }, 'Unknown ScrubStopped'],
    ['a first one that it stopped', { ...whole, lastScrub: null, stoppedCount: 2 }, 'Unknown ScrubStopped'],
    ['damage, and it stopped', { ...damaged, stoppedCount: 1 }, 'False Quarantined'],
    ['records that cannot be read', { ...whole, unreadableCount: 1 }, 'Unknown UnreadableVersions'],
    ['damage that may be of others too', { ...whole, owners: 'searching' }, 'Unknown DamageUnassigned'],
    ['damage that is known of it', { ...damaged, owners: 'searching' }, 'False Quarantined'],
    ['damage, and no pass yet', { ...damaged, lastScrub: null, unreadableCount: 1 }, 'False Quarantined'],
  ] as const)('LockedBucket: %s, IntegrityVerified says so', (_title, integrity, expected) => {
    expect(shownHealth(look({ integrity }).status)).toContain(`IntegrityVerified=${expected}`)
  })

  test('LockedBucket: a damaged version, named in message and event, once; the next one is written too', () => {
    const { status, events } = look({ integrity: damaged }, { status: earlier() })
    const condition = status?.conditions?.find(({ type }) => type === 'IntegrityVerified')
    expect(condition?.message).toContain('ledger/1 (V1).')
    expect(status?.integrity?.quarantinedVersions).toBe(1)
    expect(events.map(({ reason }) => reason)).toEqual(['VersionsQuarantined'])
    expect(events[0]?.message).toContain('ledger/1 (V1)')
    expect(look({ integrity: damaged }, { status: status ?? {} })).toMatchObject({ status: null, events: [] })
    const more = { ...damaged, quarantinedCount: 7 }
    const next = look({ integrity: more }, { status: status ?? {} })
    expect(next.status?.conditions?.find(({ type }) => type === 'IntegrityVerified')?.message).toContain(
      'and 6 more',
    )
    expect(next.events).toEqual([])
  })

  test('LockedBucket: the server is silent, both Unknown; the bucket is not there, only its bytes are', () => {
    const snapshot = snapshotOf(silent, compliance30, bucketOf(earlier()))
    const quiet = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null, silent))
    expect(shownHealth(quiet.status)).toEqual([
      'ClockSuspect=Unknown ServerUnreachable',
      'IntegrityVerified=Unknown ServerUnreachable',
    ])
    const none = snapshotOf(seen(null))
    const conflict = outcomeOf(none, { kind: 'nameConflict', owner: null })
    expect(shownHealth(lockedBucketReport(nowMs, none, conflict).status)).toEqual([
      'ClockSuspect=False ClockTrusted',
      'IntegrityVerified=Unknown BucketMissing',
    ])
  })
})

describe('what else is shown', () => {
  test('LockedBucket: denials and the last lifecycle run, in whole seconds', () => {
    const { status } = look({
      lastDenials: [denial, { ...denial, key: null, versionId: null, count: 9 }],
      lastLifecycleRun: run,
    })
    const base = {
      time: '2026-11-21T11:00:00Z',
      operation: 'DeleteObject',
      rule: 'ComplianceRetention',
      accessKeyId: 'AK',
    }
    expect(status?.lastDenials).toEqual([
      { ...base, key: 'ledger/1', versionId: 'V1', count: 1 },
      { ...base, count: 9 },
    ])
    expect(status?.lastLifecycleRun).toEqual({
      startTime: '2026-11-21T03:00:00Z',
      completionTime: '2026-11-21T03:00:09Z',
      expired: 1,
      removed: 2,
      abortedUploads: 3,
      locked: 4,
      unreadable: 5,
    })
  })

  test('LockedBucket: a key of 1024 characters is cut, and not within a pair of surrogates', () => {
    const key = `${'x'.repeat(limits.statusTextLengthMax - 2)}\u{1f512}${'y'.repeat(700)}`
    const [shown] = look({ lastDenials: [{ ...denial, key }] }).status?.lastDenials ?? []
    expect(shown?.key?.length).toBe(limits.statusTextLengthMax)
    expect(shown?.key?.isWellFormed()).toBe(true)
    expect(shown?.key?.endsWith('…')).toBe(true)
  })
})

describe('what is worth a write', () => {
  const later = (ms: number) => epochMs(nowMs + ms)
  const written = (different: Different, afterMs: number) =>
    look(different, { status: earlier({ lastLifecycleRun: run }), atMs: later(afterMs) }).status !== null
  const facts = (different: Different): Different => ({ lastLifecycleRun: run, ...different })

  test.each([
    ['a denial', { lastDenials: [denial] }],
    ['a lifecycle run that did something else', { lastLifecycleRun: { ...run, expiredCount: 2 } }],
  ])('LockedBucket: %s, written after five minutes and not before', (_title, different) => {
    expect(written(facts(different), limits.countsWriteIntervalMs - 1)).toBe(false)
    expect(written(facts(different), limits.countsWriteIntervalMs)).toBe(true)
  })

  test.each([
    [
      'another run of the lifecycle that did the same',
      { lastLifecycleRun: { ...run, ended: '2026-11-21T12:00:00.000Z' } },
    ],
    ['another scrub without damage', { integrity: { ...whole, lastScrub: '2026-11-21T12:00:00.000Z' } }],
  ])('LockedBucket: %s, no reason to write before the refresh after six hours', (_title, different) => {
    expect(written(facts(different), limits.statusRefreshMs - 1)).toBe(false)
    expect(written(facts(different), limits.statusRefreshMs)).toBe(true)
  })

  test('LockedBucket: the status is of a time to come, by a clock that was ahead: the next look is written', () => {
    expect(written(facts({ lastDenials: [denial] }), -1000)).toBe(true)
    expect(written(facts({}), -1000)).toBe(true)
  })
})
