import { describe, expect, test } from 'vitest'
import { toBucketRetention } from '../../../src/api/RetentionPolicy.ts'
import { ServerUnreachableError } from '../../../src/client/lock-server.ts'
import { addMs, durationMs } from '../../../src/lib/units.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  applied,
  bucketOf,
  clusterId,
  compliance30,
  created,
  factsOf,
  governance30,
  nowMs,
  outcomeOf,
  policyOf,
  readOnly,
  readOnlySentence,
  seen,
  settled,
  shown,
  silent,
  snapshotOf,
  stronger,
} from './locked-bucket-fixtures.ts'

const theirs = factsOf(compliance30, { owner: { clusterId, namespace: 'other', name: 'theirs', uid: 'x' } })
const frozen = { status: 'Frozen' as const, retention: toBucketRetention(compliance30.spec) }

const evidence = [
  ['a frozen bucket', { objectLock: frozen }, 'False Frozen'],
  ['suspended versioning', { versioning: 'Suspended' as const }, 'False ObjectLockMissing'],
  ['no Object Lock', { objectLock: null }, 'False ObjectLockMissing'],
] as const
for (const [title, different, expected] of evidence) {
  test(`LockedBucket: ${title} at the read-back, ObjectLockEnforced=${expected} and not Ready`, () => {
    const facts = factsOf(compliance30, different)
    const { status } = lockedBucketReport(nowMs, created, outcomeOf(created, applied('updated'), seen(facts)))
    expect(shown(status)).toContain(`ObjectLockEnforced=${expected}`)
    expect(shown(status)).toContain('Ready=False NotVerified')
  })
}

test("LockedBucket: the bucket is somebody else's and there is no policy, nothing of it is shown", () => {
  const snapshot = snapshotOf(seen(theirs), null)
  const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
  expect(status?.bucket).toBeUndefined()
  expect(status?.objectLock).toBeUndefined()
  expect(shown(status)).toContain('ObjectLockEnforced=False BucketMissing')
})

test('LockedBucket: only a legal hold or only a retention is left, the object is protected', () => {
  for (const different of [{ legalHoldCount: 1 }, { lockedVersionCount: 1 }]) {
    const status = settled(snapshotOf(seen(factsOf(compliance30, different))))
    expect(shown(status)).toContain('DeletionProtected=True LockedVersions')
    expect(status.deletionProtected).toBe(true)
  }
})

test('LockedBucket: a drift that lasts, it is told once', () => {
  const first = snapshotOf(seen(stronger), governance30)
  const again = snapshotOf(seen(stronger), governance30, bucketOf(settled(first)))
  expect(lockedBucketReport(nowMs, again, outcomeOf(again, null))).toMatchObject({ status: null, events: [] })
})

test('LockedBucket: a drift that was corrected, the event says so and the status is in sync', () => {
  const weak = factsOf(governance30, { objectLock: null })
  const snapshot = snapshotOf(
    seen(weak),
    governance30,
    bucketOf(settled(snapshotOf(seen(factsOf(governance30)), governance30))),
  )
  const report = lockedBucketReport(
    nowMs,
    snapshot,
    outcomeOf(snapshot, applied('updated'), seen(factsOf(governance30))),
  )
  expect(report.events.map(({ reason }) => reason)).toEqual(['DriftCorrected'])
  expect(report.status).toBeNull()
})

test('LockedBucket: the epoch is stale, nothing is said at all', () => {
  const outcome = outcomeOf(created, { kind: 'staleEpoch', epoch: 8 })
  expect(lockedBucketReport(nowMs, created, outcome)).toEqual({
    status: null,
    events: [],
    next: { kind: 'done' },
  })
})

test('LockedBucket: what the server answered, the status body is that and nothing of the spec', () => {
  const policy = policyOf({
    defaultRetention: { mode: 'COMPLIANCE', days: 30 },
    rules: [{ prefix: 'audit/', years: 1 }],
  })
  const facts = factsOf(policy, {
    lockedVersionCount: 3,
    legalHoldCount: 1,
    lockedUntil: '2027-01-02T03:04:05.001Z',
  })
  const retention = { mode: 'COMPLIANCE', days: 30, rules: [{ prefix: 'audit/', years: 1 }] }
  expect(settled(snapshotOf(seen(facts), policy))).toMatchObject({
    bucket: {
      name: 'backups',
      endpoint: 'http://127.0.0.1:9000',
      region: 'us-east-1',
      uid: '00000000000000aa',
    },
    objectLock: { retention: '30 days, 1 rule', ...retention },
    floor: retention,
    policy: { name: 'keep', uid: 'policy-uid', generation: 1 },
    lockedVersions: 3,
    legalHolds: 1,
    lockedUntil: '2027-01-02T03:04:06Z',
    lastVerifiedTime: '2026-11-21T12:00:00Z',
    deletionProtected: true,
  })
})

test('LockedBucket: the server falls silent, the last answer stays with its time and the object counts as protected', () => {
  const before = settled(snapshotOf(seen(factsOf(compliance30, { lockedVersionCount: 2 }))))
  const snapshot = snapshotOf(silent, compliance30, bucketOf(before))
  const { status } = lockedBucketReport(addMs(nowMs, durationMs(60_000)), snapshot, outcomeOf(snapshot, null))
  expect(status).toMatchObject({
    bucket: before.bucket,
    lockedVersions: 2,
    lastVerifiedTime: '2026-11-21T12:00:00Z',
    deletionProtected: true,
  })
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  expect(ready).toMatchObject({ status: 'False', lastTransitionTime: '2026-11-21T12:01:00Z' })
})

test('LockedBucket: the server says why it takes nothing, the status says it too', () => {
  const snapshot = snapshotOf(readOnly)
  const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null, readOnly))
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  expect(ready).toMatchObject({ status: 'False', reason: 'ServerUnreachable', message: readOnlySentence })
})

test('LockedBucket: still silent with another error text, nothing is written and nothing is told again', () => {
  const before = settled(snapshotOf(silent))
  const other = { kind: 'failed', error: new ServerUnreachableError('socket hang up') } as const
  const snapshot = snapshotOf(other, compliance30, bucketOf(before))
  const report = lockedBucketReport(addMs(nowMs, durationMs(1000)), snapshot, outcomeOf(snapshot, null))
  expect(report).toMatchObject({ status: null, events: [], next: { kind: 'retry', delayMsMax: 30_000 } })
})

describe('writes of a LockedBucket status', () => {
  const before = settled(snapshotOf(seen(factsOf(compliance30, { lockedVersionCount: 2 }))))
  const statusLater = (facts: Parameters<typeof seen>[0], afterMs: number) => {
    const snapshot = snapshotOf(seen(facts), compliance30, bucketOf(before))
    return lockedBucketReport(addMs(nowMs, durationMs(afterMs)), snapshot, outcomeOf(snapshot, null)).status
  }
  const more = factsOf(compliance30, { lockedVersionCount: 3 })
  const same = factsOf(compliance30, { lockedVersionCount: 2 })
  const free = factsOf(compliance30, { lockedVersionCount: 0 })

  test('LockedBucket: nothing changed, no write before six hours', () => {
    expect(statusLater(same, 6 * 3_600_000 - 1000)).toBeNull()
    expect(statusLater(same, 6 * 3_600_000)).not.toBeNull()
  })

  test('LockedBucket: only counts changed, no write before five minutes', () => {
    expect(statusLater(more, 299_000)).toBeNull()
    expect(statusLater(more, 300_000)?.lockedVersions).toBe(3)
  })

  test('LockedBucket: the last lock is gone, it is written at once', () => {
    expect(statusLater(free, 1000)).toMatchObject({ deletionProtected: false, lockedVersions: 0 })
  })

  test('LockedBucket: a condition keeps its status, its time stays', () => {
    const written = statusLater(more, 300_000)
    expect(written?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime).toBe(
      '2026-11-21T12:00:00Z',
    )
  })

  test('LockedBucket: the spec changed without effect, the new generation is observed', () => {
    const object = { ...bucketOf(before), metadata: { ...bucketOf().metadata, generation: 3 } }
    const snapshot = snapshotOf(seen(same), compliance30, object)
    expect(lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null)).status).toMatchObject({
      observedGeneration: 3,
      conditions: expect.arrayContaining([expect.objectContaining({ type: 'Ready', observedGeneration: 3 })]),
    })
  })
})
