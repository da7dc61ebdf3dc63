import { describe, expect, test } from 'vitest'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  applied,
  clusterId,
  compliance30,
  created,
  factsOf,
  governance30,
  inSync,
  nowMs,
  outcomeOf,
  policyOf,
  refused,
  seen,
  shown,
  silent,
  snapshotOf,
  stronger,
  wrongKey,
} from './locked-bucket-fixtures.ts'

const rows = [
  {
    title: 'created and read back',
    snapshot: created,
    outcome: outcomeOf(created, applied('created'), seen(factsOf(compliance30))),
    conditions: [
      'Ready=True Enforced',
      'ObjectLockEnforced=True ReadBack',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=False InSync',
    ],
    events: ['BucketCreated'],
    next: 'done',
  },
  {
    title: 'nothing to do',
    snapshot: inSync,
    outcome: outcomeOf(inSync, null),
    conditions: [
      'Ready=True Enforced',
      'ObjectLockEnforced=True ReadBack',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=False InSync',
    ],
    events: [],
    next: 'done',
  },
  {
    title: 'the policy does not exist',
    snapshot: snapshotOf(seen(null), null),
    outcome: { step: null, answer: null, server: seen(null) },
    conditions: [
      'Ready=False PolicyNotFound',
      'Reconciling=True PolicyNotFound',
      'ObjectLockEnforced=False BucketMissing',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=Unknown BucketMissing',
    ],
    events: ['PolicyNotFound'],
    next: 'done',
  },
  {
    title: 'the server does not answer',
    snapshot: snapshotOf(silent),
    outcome: { step: null, answer: null, server: silent },
    conditions: [
      'Ready=False ServerUnreachable',
      'Reconciling=True ServerUnreachable',
      'ObjectLockEnforced=Unknown ServerUnreachable',
      'DeletionProtected=True Unverified',
      'Drifted=Unknown ServerUnreachable',
    ],
    events: ['ServerUnreachable'],
    next: 'retry',
  },
  {
    title: 'the server refuses the request',
    snapshot: snapshotOf(refused),
    outcome: { step: null, answer: null, server: refused },
    conditions: [
      'Ready=False ServerRefused',
      'Stalled=True ServerRefused',
      'ObjectLockEnforced=Unknown ServerUnreachable',
      'DeletionProtected=True Unverified',
      'Drifted=Unknown ServerUnreachable',
    ],
    events: ['ServerRefused'],
    next: 'terminal',
  },
  {
    title: "the server does not know the operator's key yet",
    snapshot: snapshotOf(wrongKey),
    outcome: { step: null, answer: null, server: wrongKey },
    conditions: [
      'Ready=False ServerRefused',
      'Stalled=True ServerRefused',
      'ObjectLockEnforced=Unknown ServerUnreachable',
      'DeletionProtected=True Unverified',
      'Drifted=Unknown ServerUnreachable',
    ],
    events: ['ServerRefused'],
    next: 'retry',
  },
  {
    title: 'applied, then the server falls silent',
    snapshot: created,
    outcome: outcomeOf(created, applied('created'), silent),
    conditions: [
      'Ready=False NotVerified',
      'Reconciling=True NotVerified',
      'ObjectLockEnforced=Unknown ServerUnreachable',
      'DeletionProtected=True Unverified',
      'Drifted=Unknown ServerUnreachable',
    ],
    events: ['BucketCreated'],
    next: 'retry',
  },
  {
    title: 'the bucket belongs to another LockedBucket',
    snapshot: created,
    outcome: outcomeOf(
      created,
      { kind: 'nameConflict', owner: { clusterId, namespace: 'other', name: 'theirs', uid: 'x' } },
      seen(factsOf(compliance30, { owner: { clusterId, namespace: 'other', name: 'theirs', uid: 'x' } })),
    ),
    conditions: [
      'Ready=False NameConflict',
      'Stalled=True NameConflict',
      'ObjectLockEnforced=False BucketMissing',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=Unknown BucketMissing',
    ],
    events: ['NameConflict'],
    next: 'terminal',
  },
  {
    title: 'the bucket exists and may not be adopted',
    snapshot: created,
    outcome: outcomeOf(
      created,
      { kind: 'nameConflict', owner: null },
      seen(factsOf(compliance30, { owner: null })),
    ),
    conditions: [
      'Ready=False AdoptionRefused',
      'Stalled=True AdoptionRefused',
      'ObjectLockEnforced=False BucketMissing',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=Unknown BucketMissing',
    ],
    events: ['AdoptionRefused'],
    next: 'terminal',
  },
  {
    title: 'the server keeps a stronger COMPLIANCE retention',
    snapshot: snapshotOf(
      seen(factsOf(compliance30)),
      policyOf({ defaultRetention: { mode: 'COMPLIANCE', days: 7 } }, 2),
    ),
    outcome: outcomeOf(
      snapshotOf(
        seen(factsOf(compliance30)),
        policyOf({ defaultRetention: { mode: 'COMPLIANCE', days: 7 } }, 2),
      ),
      { kind: 'wouldShorten', aspects: ['default retention'] },
    ),
    conditions: [
      'Ready=False RetentionWouldShorten',
      'Stalled=True RetentionWouldShorten',
      'ObjectLockEnforced=True RuleDiffers',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=True ServerStronger',
    ],
    events: ['RetentionWouldShorten'],
    next: 'terminal',
  },
  {
    title: "a stronger GOVERNANCE rule behind the operator's back",
    snapshot: snapshotOf(seen(stronger), governance30),
    outcome: outcomeOf(snapshotOf(seen(stronger), governance30), null),
    conditions: [
      'Ready=True Enforced',
      'ObjectLockEnforced=True RuleDiffers',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=True ServerStronger',
    ],
    events: ['DriftDetected'],
    next: 'done',
  },
  {
    title: 'applied, but the read-back shows no Object Lock',
    snapshot: created,
    outcome: outcomeOf(created, applied('created'), seen(factsOf(compliance30, { objectLock: null }))),
    conditions: [
      'Ready=False NotVerified',
      'Reconciling=True NotVerified',
      'ObjectLockEnforced=False ObjectLockMissing',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=True ServerWeaker',
    ],
    events: ['BucketCreated'],
    next: 'retry',
  },
] as const

describe('status of a LockedBucket', () => {
  for (const { title, snapshot, outcome, conditions, events, next } of rows) {
    test(`LockedBucket: ${title}, ${conditions[0]}`, () => {
      const report = lockedBucketReport(nowMs, snapshot, outcome)
      expect(shown(report.status)).toEqual(conditions)
      expect(report.events.map(({ reason }) => reason)).toEqual(events)
      expect(report.next.kind).toBe(next)
      expect(report.status?.observedGeneration).toBe(2)
      for (const condition of report.status?.conditions ?? []) {
        expect(condition.observedGeneration).toBe(2)
        expect(condition.lastTransitionTime).toBe('2026-11-21T12:00:00Z')
        expect(condition.message).not.toBe('')
      }
    })
  }
})
