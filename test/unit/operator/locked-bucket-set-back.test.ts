import { describe, expect, test } from 'vitest'
import type { RetentionPolicySpec } from '../../../src/api/RetentionPolicy.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import {
  decideLockedBucket,
  type LockedBucketSnapshot,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  applied,
  bucketOf,
  factsOf,
  nowMs,
  outcomeOf,
  policyOf,
  seen,
  settled,
  shown,
  snapshotOf,
} from './locked-bucket-fixtures.ts'

const days = (count: number) => ({ unit: 'DAYS', count }) as const
const governance = (count: number, more: Omit<RetentionPolicySpec, 'defaultRetention'> = {}) => ({
  defaultRetention: { mode: 'GOVERNANCE' as const, days: count },
  ...more,
})
const newer = policyOf(governance(60, { minimum: { days: 5 } }), 5)
const older = (spec: RetentionPolicySpec) => policyOf(spec, 3)
const ready = settled(snapshotOf(seen(factsOf(newer)), newer))
const walk = (ended: string | null): NonNullable<BucketFactsAnswer['applyToExisting']> => ({
  scope: 'ExtendOnly',
  retention: null,
  policyGeneration: 5,
  started: '2026-11-21T11:00:00.000Z',
  ended,
  ...{ versionCount: 9, seenCount: 1, extendedCount: 1 },
  ...{ otherModeCount: 0, deniedCount: 0, unreadableCount: 0, deferredCount: 0 },
})

/** The server has generation 5, the API server 3 again. */
function setBack(
  spec: RetentionPolicySpec,
  facts: Partial<BucketFactsAnswer> = {},
  status = ready,
): LockedBucketSnapshot {
  return snapshotOf(seen(factsOf(newer, facts)), older(spec), bucketOf(status))
}

function confirmed(snapshot: LockedBucketSnapshot): LockedBucketSnapshot {
  const { metadata, ...rest } = snapshot.object
  const annotations = { 'holdfast.dev/reconcile-now': 'meant' }
  return { ...snapshot, object: { ...rest, metadata: { ...metadata, annotations } } }
}

describe('LockedBucket: the server has a newer generation of the policy', () => {
  test.each([
    ['a shorter default', governance(30, { minimum: { days: 5 } }), {}, 'a shorter retention.'],
    ['no minimum', governance(60), {}, 'a lower minimum, or none.'],
    ['a lower minimum', governance(60, { minimum: { days: 4 } }), {}, 'a lower minimum, or none.'],
    ['both', governance(30), {}, 'a shorter retention; a lower minimum, or none.'],
    [
      'no walk while one goes on',
      governance(60, { minimum: { days: 5 } }),
      { applyToExisting: walk(null) },
      'another walk over existing versions than the one that goes on.',
    ],
  ] as const)(
    '%s: nothing is sent, Stalled says why, and the status what is enforced',
    (_title, spec, facts, less) => {
      const snapshot = setBack(spec, facts)
      expect(decideLockedBucket(snapshot)).toEqual([])
      const { status, events } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
      expect(shown(status)).toEqual(
        expect.arrayContaining(['Ready=False PolicySetBack', 'Stalled=True PolicySetBack']),
      )
      const message = status?.conditions?.[0]?.message
      expect(message).toContain('generation 3 here and generation 5 on the lock server')
      expect(message).toContain(`It asks for less: ${less}`)
      expect(message).toContain('keeps enforcing GOVERNANCE 60 days')
      expect(message).toContain('holdfast.dev/reconcile-now')
      expect(status).toMatchObject({ objectLock: { days: 60 }, policy: { generation: 5 } })
      expect(events).toMatchObject([{ reason: 'PolicySetBack' }])
    },
  )

  test('it lasts: it is told once, and nothing else of the spec is applied', () => {
    const { status } = lockedBucketReport(
      nowMs,
      setBack(governance(30)),
      outcomeOf(setBack(governance(30)), null),
    )
    const again = setBack(governance(30), { quotaBytes: 7 }, status ?? undefined)
    expect(decideLockedBucket(again)).toEqual([])
    expect(lockedBucketReport(nowMs, again, outcomeOf(again, null)).events).toEqual([])
  })

  test('reconcile-now confirms it, once: it is applied as it is, and is Ready then', () => {
    const snapshot = confirmed(setBack(governance(30)))
    expect(decideLockedBucket(snapshot)).toMatchObject([
      {
        cause: 'change',
        request: {
          strongerRetention: 'Replace',
          policy: { generation: 3, defaultRetention: { period: days(30) }, bounds: { minimum: null } },
        },
      },
    ])
    const after = seen(factsOf(older(governance(30))))
    const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, applied('updated'), after))
    expect(shown(status)).toContain('Ready=True Enforced')
    expect(status?.lastHandledReconcileAt).toBe('meant')
    // The same word does not count for the next time.
    const next = confirmed(setBack(governance(30), {}, status ?? undefined))
    expect(decideLockedBucket(next)).toEqual([])
  })

  test.each([
    ['as much', governance(60, { minimum: { days: 5 } }), {}],
    ['more', governance(61, { minimum: { days: 6 } }), {}],
    [
      'as much, and the walk is over',
      governance(60, { minimum: { days: 5 } }),
      { applyToExisting: walk('2026-11-21T11:01:00.000Z') },
    ],
  ] as const)('it asks for %s: it is applied', (_title, spec, facts) => {
    expect(decideLockedBucket(setBack(spec, facts))).toMatchObject([
      { cause: 'change', request: { policy: { generation: 3 } } },
    ])
  })

  test('a frozen bucket thaws, with what it had and under the name of the newer policy', () => {
    const { objectLock } = factsOf(newer)
    if (objectLock === null) throw new Error('a managed bucket')
    const snapshot = setBack(governance(30, { minimum: { days: 5 } }), {
      objectLock: { ...objectLock, status: 'Frozen' },
    })
    const { server } = snapshot
    if (server.kind === 'failed') throw new Error('it is seen')
    const observed = { versioning: 'Enabled', objectLockEnabled: false, defaultRetention: null } as const
    expect(decideLockedBucket({ ...snapshot, server: { ...server, observed } })).toMatchObject([
      { cause: 'drift', request: { strongerRetention: 'Keep', policy: { generation: 5 } } },
    ])
  })
})

describe('LockedBucket: what is no policy that was set back', () => {
  const of = (
    policy: Partial<NonNullable<BucketFactsAnswer['policy']>>,
    facts: Partial<BucketFactsAnswer> = {},
  ) => {
    const had = factsOf(newer).policy
    if (had === null) throw new Error('a managed bucket')
    return setBack(governance(30), { policy: { ...had, ...policy }, ...facts })
  }

  test.each([
    ['another policy, of another uid', of({ uid: 'another' })],
    ['an edit: its generation is the next one', of({ generation: 2 })],
    [
      'a bucket of somebody else: the server judges',
      of({}, { owner: { clusterId: 'other', namespace: 'team', name: 'backups', uid: 'x' } }),
    ],
    ['COMPLIANCE: the server refuses what is less', of({ mode: 'COMPLIANCE' })],
  ])('%s: it is sent', (_title, snapshot) => {
    expect(decideLockedBucket(snapshot)).toMatchObject([
      { cause: 'change', request: { policy: { generation: 3 } } },
    ])
  })

  test('paused meanwhile: nothing is sent, and the confirmation waits for the end of the pause', () => {
    const snapshot = confirmed(setBack(governance(30)))
    const annotations = { ...snapshot.object.metadata.annotations, 'holdfast.dev/paused': 'true' }
    const object = { ...snapshot.object, metadata: { ...snapshot.object.metadata, annotations } }
    const paused = { ...snapshot, object }
    expect(decideLockedBucket(paused)).toEqual([])
    const { status } = lockedBucketReport(nowMs, paused, outcomeOf(paused, null))
    expect(shown(status)).toContain('Ready=False Paused')
    expect(status?.lastHandledReconcileAt).toBeUndefined()
  })
})
