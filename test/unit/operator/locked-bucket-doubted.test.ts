import { describe, expect, test } from 'vitest'
import type { ApplyBucketAnswer, BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import { limits } from '../../../src/lib/limits.ts'
import {
  decideLockedBucket,
  type ServerView,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import type { HistoryState } from '../../../src/operator/history/volume-history.ts'
import {
  applied,
  bucketOf,
  compliance30,
  factsOf,
  governance30,
  inSync,
  nowMs,
  outcomeOf,
  policyOf,
  seen,
  settled,
  shown,
  snapshotOf,
  stronger,
} from './locked-bucket-fixtures.ts'

const history: HistoryState = { kind: 'doubted', reason: 'RollbackDetected', message: 'It was set back.' }
const compliance5 = policyOf({ defaultRetention: { mode: 'COMPLIANCE', days: 5 } })
/** What the server shows of a bucket on a volume that is not the one that it was. */
const doubted = (facts: BucketFactsAnswer | null): ServerView => ({ ...seen(facts), history }) as ServerView
const report = (server: ServerView, policy = compliance30, answer: ApplyBucketAnswer | null = null) => {
  const snapshot = snapshotOf(server, policy, bucketOf(settled(inSync)))
  return lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, answer))
}

describe('LockedBucket on a volume that was set back: what is done', () => {
  test.each([
    ['a bucket that is not there is not made', null, compliance30],
    ['one that has its policy is left alone', factsOf(compliance30), compliance30],
    ['one that enforces more is left alone', stronger, governance30],
    ['another quota is left alone', factsOf(compliance30, { quotaBytes: 1 }), compliance30],
    ['one of nobody is not taken over', factsOf(compliance5, { owner: null }), compliance30],
    [
      'GOVERNANCE is not shortened',
      factsOf(governance30),
      policyOf({ defaultRetention: { mode: 'GOVERNANCE', days: 1 } }),
    ],
  ] as const)('%s', (_title, facts, policy) => {
    expect(decideLockedBucket(snapshotOf(doubted(facts), policy))).toEqual([])
  })

  test('one that enforces less gets the period of its policy, and nothing else of it', () => {
    const facts = factsOf(compliance5, { quotaBytes: 7, requireChecksum: false })
    const longer = policyOf({ ...compliance30.spec, applyToExisting: 'ExtendOnly' }, 4)
    const [step] = decideLockedBucket(snapshotOf(doubted(facts), longer))
    expect(step).toMatchObject({
      cause: 'drift',
      request: {
        owner: facts.owner,
        quotaBytes: 7,
        requireChecksum: false,
        lifecycle: null,
        tags: null,
        // What it extends of existing versions goes on, and ends neither.
        applyToExisting: 'Keep',
        strongerRetention: 'Keep',
        policy: {
          generation: 1,
          defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 30 } },
        },
      },
    })
    // Once the volume is the right one, all of the policy is applied: the server has not been told that it has it.
    expect(decideLockedBucket(snapshotOf(seen(facts), longer))).toMatchObject([
      { cause: 'change', request: { quotaBytes: null, applyToExisting: 'ExtendOnly' } },
    ])
  })
})

describe('LockedBucket on a volume that was set back: what is said', () => {
  test('Stalled with the reason and the message, protected, and what it enforces as it was read back', () => {
    const { status, events, next } = report(doubted(factsOf(compliance30)))
    expect(shown(status)).toEqual([
      'Ready=False RollbackDetected',
      'Stalled=True RollbackDetected',
      'ObjectLockEnforced=True ReadBack',
      'DeletionProtected=True Unverified',
      'Drifted=False InSync',
    ])
    expect(status?.conditions?.[0]?.message).toBe('It was set back.')
    expect(status?.deletionProtected).toBe(true)
    expect(events.map(({ reason }) => reason)).toEqual(['RollbackDetected'])
    expect(next).toEqual({ kind: 'after', delayMs: limits.serverRetryMsMax })
  })

  test('a bucket that its status knows and the volume lacks: that is said of it, as before', () => {
    expect(shown(report(doubted(null)).status)).toContain('Ready=False VolumeReplaced')
  })

  test('a bucket that was tightened: that too does not make it Ready', () => {
    const { status } = report(doubted(factsOf(compliance5)), compliance30, applied('updated'))
    expect(shown(status)).toContain('Ready=False RollbackDetected')
  })

  test('a canary that is deleted is the worse news', () => {
    const server = {
      ...doubted(factsOf(compliance30)),
      canary: { kind: 'deleted', versionId: 'v', answer: 'x' },
    }
    expect(shown(report(server as ServerView).status)).toContain('Ready=False CanaryDeleted')
  })
})
