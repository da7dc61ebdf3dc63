import { describe, expect, test } from 'vitest'
import type { ClusterRetentionPolicySpec } from '../../../src/api/ClusterRetentionPolicy.ts'
import type { RetentionPolicy } from '../../../src/api/RetentionPolicy.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import type { BucketRetention } from '../../../src/lock/types.ts'
import {
  decideLockedBucket,
  type LockedBucketSnapshot,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  applied,
  bucketOf,
  compliance30,
  factsOf,
  governance30,
  nowMs,
  outcomeOf,
  policyOf,
  seen,
  shown,
  snapshotOf,
} from './locked-bucket-fixtures.ts'

const days = (count: number) => ({ unit: 'DAYS', count }) as const
const compliance = (count: number): BucketRetention => ({
  defaultRetention: { mode: 'COMPLIANCE', period: days(count) },
  prefixRules: [],
})
const extending = policyOf({ ...compliance30.spec, applyToExisting: 'ExtendOnly' })
const walkOf = (
  retention: BucketRetention | null,
  scope: 'ExtendOnly' | 'IncludingModeChange' = 'ExtendOnly',
): NonNullable<BucketFactsAnswer['applyToExisting']> => ({
  scope,
  retention,
  policyGeneration: 1,
  started: '2026-11-21T11:00:00.000Z',
  ended: '2026-11-21T11:01:00.000Z',
  ...{ versionCount: 1, seenCount: 1, extendedCount: 1 },
  ...{ otherModeCount: 0, deniedCount: 0, unreadableCount: 0, deferredCount: 0 },
})
/** The facts of `extending` with a bucket, a walk and a server's floor of these periods. */
function extended(
  bucketDays: number,
  { walk, floor = bucketDays }: { readonly walk: number; readonly floor?: number },
  different: Partial<BucketFactsAnswer> = {},
): BucketFactsAnswer {
  const facts = factsOf(extending)
  if (facts.policy === null) throw new Error('a managed bucket')
  return {
    ...facts,
    objectLock: { status: 'Enabled', retention: compliance(bucketDays) },
    policy: { ...facts.policy, floor: compliance(floor) },
    applyToExisting: walkOf(compliance(walk)),
    ...different,
  }
}

function under(snapshot: LockedBucketSnapshot, floorDays: number): LockedBucketSnapshot {
  const spec: ClusterRetentionPolicySpec = {
    namespaceSelector: {},
    floor: { mode: 'COMPLIANCE', days: floorDays },
  }
  const metadata = { namespace: '' as const, name: 'baseline', uid: 'c', generation: 1, resourceVersion: '5' }
  const policy = { apiVersion: 'holdfast.dev/v1', kind: 'ClusterRetentionPolicy', metadata, spec } as const
  return { ...snapshot, cluster: { kind: 'known', policies: [policy] } }
}

const of = (facts: BucketFactsAnswer, policy: RetentionPolicy = extending) => snapshotOf(seen(facts), policy)
const request = (snapshot: LockedBucketSnapshot) => decideLockedBucket(snapshot)[0]?.request ?? null

/** A change is asked for; until the server has it the object is not Ready. */
function expectChange(snapshot: LockedBucketSnapshot, expected: object): void {
  expect(decideLockedBucket(snapshot)).toMatchObject([{ cause: 'change', request: expected }])
  const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, applied('updated')))
  expect(shown(status)).toContain('Ready=False NotVerified')
}

describe('LockedBucket: the walk over existing versions', () => {
  test('as the policy asks, done or stronger than that: nothing is asked', () => {
    expect(request(of(extended(30, { walk: 30 })))).toBeNull()
    expect(request(under(of(extended(60, { walk: 60 })), 60))).toBeNull()
    expect(request(of(extended(60, { walk: 60 })))).toBeNull()
  })

  test('the bucket was tightened on an older copy, and the copy was accepted: the walk begins for the floor', () => {
    const accepted = under(of(extended(365, { walk: 30 })), 365)
    expectChange(accepted, {
      applyToExisting: 'ExtendOnly',
      policy: { defaultRetention: { period: days(365) }, generation: 1 },
    })
  })

  test.each([
    ['none, and the policy asks for one', factsOf(extending), extending, 'ExtendOnly'],
    ['one, and the policy asks for none', { ...extended(30, { walk: 30 }) }, compliance30, 'No'],
    [
      'one of another scope',
      extended(30, { walk: 30 }, { applyToExisting: walkOf(compliance(30), 'IncludingModeChange') }),
      extending,
      'ExtendOnly',
    ],
  ] as const)('of the same generation there is %s: it is applied', (_title, facts, policy, scope) => {
    expectChange(of(facts, policy), { applyToExisting: scope, strongerRetention: 'Keep' })
  })

  test('a server that does not tell the rule of the walk: the scope is compared alone', () => {
    const facts = extended(30, { walk: 1 }, { applyToExisting: walkOf(null) })
    expect(request(of(facts))).toBeNull()
  })

  test('a correction of something else leaves the walk as it is', () => {
    const facts = extended(30, { walk: 30 }, { quotaBytes: 1 })
    expect(request(of(facts))).toMatchObject({ applyToExisting: 'Keep', strongerRetention: 'Keep' })
  })

  test('paused: nothing is asked, and it says that something is held back', () => {
    const { metadata, ...rest } = bucketOf()
    const annotations = { 'holdfast.dev/paused': 'true' }
    const snapshot = {
      ...of(factsOf(extending)),
      object: { ...rest, metadata: { ...metadata, annotations } },
    }
    expect(request(snapshot)).toBeNull()
    const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(shown(status)).toContain('Ready=False Paused')
  })

  test('barred: none is begun, and a correction begins none', () => {
    const snapshot = of(factsOf(extending))
    const spec: ClusterRetentionPolicySpec = { namespaceSelector: {}, ceiling: { days: 29 } }
    const bound = under(snapshot, 1)
    const [policy] = bound.cluster.kind === 'known' ? bound.cluster.policies : []
    if (policy === undefined) throw new Error('one is bound')
    const cluster = { kind: 'known', policies: [{ ...policy, spec }] } as const
    expect(request({ ...snapshot, cluster })).toBeNull()
    const drifted = of(factsOf(extending, { quotaBytes: 1 }))
    expect(request({ ...drifted, cluster })).toMatchObject({ applyToExisting: 'Keep' })
  })
})

describe('LockedBucket: a default rule that somebody made stronger over S3', () => {
  test('a correction of something else: the request has the period of the policy, and begins no walk', () => {
    const found = extended(3650, { walk: 30, floor: 30 })
    expect(request(of({ ...found, quotaBytes: 1 }))).toMatchObject({
      strongerRetention: 'Keep',
      applyToExisting: 'Keep',
      policy: { defaultRetention: { period: days(30) } },
    })
  })

  test('a ClusterRetentionPolicy asks for more than the policy: the floor and the walk get that, not what was found', () => {
    const found = extended(3650, { walk: 30, floor: 30 })
    expectChange(under(of(found), 365), {
      strongerRetention: 'Keep',
      applyToExisting: 'ExtendOnly',
      policy: { defaultRetention: { mode: 'COMPLIANCE', period: days(365) } },
    })
    expect(request(under(of(extended(3650, { walk: 365, floor: 365 })), 365))).toBeNull()
  })

  test('a floor in COMPLIANCE over what was found: applied, else S3 could take it back', () => {
    const stronger = factsOf(governance30, {
      objectLock: { status: 'Enabled', retention: compliance(3650) },
    })
    expectChange(under(of(stronger, governance30), 7), {
      policy: { defaultRetention: { mode: 'COMPLIANCE', period: days(30) } },
    })
  })
})

describe('LockedBucket: the minimum of the same generation', () => {
  const at = (minimum: number | null, maximum: number | null = null) => {
    const { policy, ...facts } = factsOf(compliance30)
    if (policy === null) throw new Error('a managed bucket')
    const bounds = {
      minimum: minimum === null ? null : days(minimum),
      maximum: maximum === null ? null : days(maximum),
    }
    return { ...facts, policy: { ...policy, bounds } }
  }
  const atLeast30 = policyOf({ ...compliance30.spec, minimum: { days: 30 } })

  test('lower at the server, or none: it is applied', () => {
    expectChange(of(at(1), atLeast30), { policy: { bounds: { minimum: days(30) } } })
    expectChange(of(at(null), atLeast30), { policy: { bounds: { minimum: days(30) } } })
    expect(request(of(at(30), atLeast30))).toBeNull()
  })

  test('higher at the server: nothing is asked, and no correction lowers it', () => {
    expect(request(of(at(40), atLeast30))).toBeNull()
    expect(request(of({ ...at(40, 90), quotaBytes: 1 }, atLeast30))).toMatchObject({
      policy: { bounds: { minimum: days(40), maximum: days(90) } },
    })
  })
})
