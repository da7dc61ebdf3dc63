import { describe, expect, test } from 'vitest'
import { annotations } from '../../../src/api/annotations.ts'
import type { LockedBucket, LockedBucketStatus } from '../../../src/api/LockedBucket.ts'
import { type RetentionPolicy, toBucketRetention } from '../../../src/api/RetentionPolicy.ts'
import { ServerUnreachableError } from '../../../src/client/lock-server.ts'
import {
  decideLockedBucket,
  type LockedBucketSnapshot,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import { retentionPolicyReport } from '../../../src/operator/controllers/RetentionPolicy.ts'
import { handledRequests, isPaused, requestsOf, revisionOf } from '../../../src/operator/requests.ts'
import {
  bucketOf,
  clusterId,
  compliance30,
  factsOf,
  governance30,
  info,
  nowMs,
  observedOf,
  policyOf,
  shown,
  unbound,
} from './locked-bucket-fixtures.ts'

const { paused, reconcileNow, verifyNow } = annotations

function annotated<T extends LockedBucket | RetentionPolicy>(object: T, values: Record<string, string>): T {
  return { ...object, metadata: { ...object.metadata, annotations: values } }
}

type Parts = { object?: LockedBucket; policy?: RetentionPolicy; served?: RetentionPolicy | null }

/** The server enforces `served` (null: it has no such bucket). */
function snapshotOf({
  object = bucketOf(),
  policy = compliance30,
  served = policy,
}: Parts): LockedBucketSnapshot {
  const facts = served === null ? null : factsOf(served)
  const observed = served === null ? null : observedOf(toBucketRetention(served.spec))
  const server = {
    kind: 'seen',
    info,
    facts,
    observed,
    canary: { kind: 'refused' },
    history: { kind: 'continuous' },
  } as const
  return { object, policy, server, clusterId, epoch: 7, guard: null, storage: null, cluster: unbound }
}

function statusOf(snapshot: LockedBucketSnapshot): LockedBucketStatus | null {
  const { server } = snapshot
  return lockedBucketReport(nowMs, snapshot, { step: null, answer: null, server }).status
}

describe('paused', () => {
  test('isPaused: only the text true', () => {
    for (const [value, expected] of [
      ['true', true],
      ['True', false],
      ['false', false],
      ['', false],
    ] as const) {
      expect(isPaused(annotated(bucketOf(), { [paused]: value }))).toBe(expected)
    }
    expect(isPaused(bucketOf())).toBe(false)
  })

  test('LockedBucket: paused and the bucket is missing, nothing is decided and the status says what is held back', () => {
    const snapshot = snapshotOf({ object: annotated(bucketOf(), { [paused]: 'true' }), served: null })
    expect(decideLockedBucket(snapshot)).toEqual([])
    const status = statusOf(snapshot)
    expect(shown(status)).toEqual([
      'Ready=False Paused',
      'Stalled=True Paused',
      'Paused=True Paused',
      'ObjectLockEnforced=False BucketMissing',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=True BucketMissing',
    ])
    expect(status?.conditions?.[0]?.message).toContain('LockedBucket backups is paused')
  })

  test('LockedBucket: paused and in sync, it is Ready by evidence and says that it is paused', () => {
    const status = statusOf(snapshotOf({ object: annotated(bucketOf(), { [paused]: 'true' }) }))
    expect(shown(status)).toEqual([
      'Ready=True Enforced',
      'Paused=True Paused',
      'ObjectLockEnforced=True ReadBack',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=False InSync',
    ])
  })

  test('LockedBucket: its policy is paused, a change of the policy is held back and names the policy', () => {
    const longer = policyOf({ defaultRetention: { mode: 'COMPLIANCE', days: 60 } }, 2)
    const policy = annotated(longer, { [paused]: 'true' })
    const snapshot = snapshotOf({ policy, served: compliance30 })
    expect(decideLockedBucket(snapshotOf({ policy: longer, served: compliance30 }))).toHaveLength(1)
    expect(decideLockedBucket(snapshot)).toEqual([])
    const status = statusOf(snapshot)
    expect(shown(status).slice(0, 2)).toEqual(['Ready=False Paused', 'Stalled=True Paused'])
    expect(status?.conditions?.[0]?.message).toContain('RetentionPolicy keep is paused')
    expect(status?.objectLock).toMatchObject({ mode: 'COMPLIANCE', days: 30 })
  })

  test('LockedBucket: paused while somebody weakens it, the drift is shown and not corrected', () => {
    const weaker = policyOf({ defaultRetention: { mode: 'GOVERNANCE', days: 1 } })
    const object = annotated(bucketOf(), { [paused]: 'true' })
    const snapshot = snapshotOf({ object, policy: governance30, served: weaker })
    expect(decideLockedBucket(snapshot)).toEqual([])
    expect(shown(statusOf(snapshot))).toContain('Drifted=True ServerWeaker')
  })

  test('RetentionPolicy: paused, the condition says so', () => {
    const report = retentionPolicyReport(nowMs, {
      object: annotated(compliance30, { [paused]: 'true', [reconcileNow]: '1', [verifyNow]: '2' }),
      bucketNames: [],
      unparsableNames: [],
      guard: null,
      cluster: unbound,
    })
    expect(report.status?.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual([
      'Ready=True',
      'Paused=True',
      'DeletionProtected=False',
    ])
    expect(report.status?.lastHandledReconcileAt).toBeUndefined()
    expect(report.status?.lastHandledVerifyAt).toBe('2')
  })
})

describe('reconcile-now and verify-now', () => {
  test('LockedBucket: reconcile-now with nothing to change, it is applied once more and the value is in the status', () => {
    const object = annotated(bucketOf(), { [reconcileNow]: 'monday' })
    const snapshot = snapshotOf({ object })
    expect(decideLockedBucket(snapshot)).toMatchObject([{ cause: 'request' }])
    const status = statusOf(snapshot)
    expect(status?.lastHandledReconcileAt).toBe('monday')
    const next = snapshotOf({ object: { ...object, ...(status === null ? {} : { status }) } })
    expect(decideLockedBucket(next)).toEqual([])
    expect(statusOf(next)).toBeNull()
    const again = annotated(next.object, { [reconcileNow]: 'tuesday' })
    expect(decideLockedBucket(snapshotOf({ object: again }))).toMatchObject([{ cause: 'request' }])
  })

  test('LockedBucket: the server does not answer, no request is handled and the last values stay', () => {
    const status = { lastHandledReconcileAt: 'monday', lastHandledVerifyAt: 'sunday' }
    const object = annotated(bucketOf(status), { [reconcileNow]: 'tuesday', [verifyNow]: 'tuesday' })
    const failed = { kind: 'failed', error: new ServerUnreachableError('away') } as const
    const written = statusOf({ ...snapshotOf({ object }), server: failed })
    expect(written).toMatchObject(status)
  })

  test('LockedBucket: paused, verify-now is handled and reconcile-now waits for the end of the pause', () => {
    const marks = { [paused]: 'true', [reconcileNow]: 'monday', [verifyNow]: 'monday' }
    const snapshot = snapshotOf({ object: annotated(bucketOf(), marks) })
    expect(decideLockedBucket(snapshot)).toEqual([])
    const status = statusOf(snapshot)
    expect(status?.lastHandledVerifyAt).toBe('monday')
    expect(status?.lastHandledReconcileAt).toBeUndefined()
    expect(shown(status)[0]).toBe('Ready=True Enforced')
  })

  test('requestsOf: a value longer than its echo, it is handled once and not for ever', () => {
    const object = annotated(bucketOf(), { [verifyNow]: 'x'.repeat(1000) })
    expect(requestsOf(object).verify).toBe('open')
    const status = handledRequests(object, { reconcile: 'handled', verify: 'handled' })
    expect(status.lastHandledVerifyAt).toHaveLength(253)
    expect(requestsOf({ ...object, status }).verify).toBe('none')
  })

  test('revisionOf: it changes with uid, generation and each annotation of ours, not with labels or others', () => {
    const { metadata } = bucketOf()
    const base = revisionOf(metadata)
    const changes = [
      { ...metadata, uid: 'other' },
      { ...metadata, generation: 3 },
      ...[paused, reconcileNow, verifyNow].map((name) => ({ ...metadata, annotations: { [name]: 'true' } })),
    ]
    expect(new Set([base, ...changes.map(revisionOf)]).size).toBe(changes.length + 1)
    expect(revisionOf({ ...metadata, annotations: { 'team.example/note': 'x' } })).toBe(base)
  })
})
