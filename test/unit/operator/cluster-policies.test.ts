import { describe, expect, test } from 'vitest'
import type {
  ClusterRetentionPolicy,
  ClusterRetentionPolicySpec,
} from '../../../src/api/ClusterRetentionPolicy.ts'
import type { Labels } from '../../../src/api/label-selector.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import {
  BindingChanges,
  type ClusterPolicies,
  clusterPoliciesOf,
} from '../../../src/operator/cluster-policies.ts'
import { clusterRetentionPolicyReport } from '../../../src/operator/controllers/ClusterRetentionPolicy.ts'
import {
  decideLockedBucket,
  type LockedBucketSnapshot,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import { retentionPolicyReport } from '../../../src/operator/controllers/RetentionPolicy.ts'
import { NamespaceLabels } from '../../../src/operator/sources/namespace-labels.ts'
import type { Source } from '../../../src/operator/sources/source.ts'
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
  settled,
  shown,
  silent,
  snapshotOf,
  unbound,
  unparsableObject,
} from './locked-bucket-fixtures.ts'

type Rest = Omit<ClusterRetentionPolicySpec, 'namespaceSelector'>
const clusterPolicy = (rest: Rest, generation = 1): ClusterRetentionPolicy => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'ClusterRetentionPolicy',
  metadata: { namespace: '', name: 'baseline', uid: 'cluster-uid', generation, resourceVersion: '5' },
  spec: { namespaceSelector: {}, ...rest },
})
const bound = (rest: Rest): ClusterPolicies => ({ kind: 'known', policies: [clusterPolicy(rest)] })
const days = (count: number) => ({ unit: 'DAYS', count }) as const
const floor60: Rest = { floor: { mode: 'GOVERNANCE', days: 60 } }

/** The server has this of governance30. */
function enforcing(count: number, maximum: number | null = null, different: Partial<BucketFactsAnswer> = {}) {
  const facts = factsOf(governance30)
  if (facts.policy === null) throw new Error('a managed bucket')
  const retention = {
    defaultRetention: { mode: 'GOVERNANCE', period: days(count) },
    prefixRules: [],
  } as const
  const bounds = { minimum: null, maximum: maximum === null ? null : days(maximum) }
  return seen({
    ...facts,
    objectLock: { status: 'Enabled', retention },
    policy: { ...facts.policy, bounds },
    ...different,
  })
}

function under(
  cluster: ClusterPolicies,
  server = enforcing(30),
  policy = governance30,
): LockedBucketSnapshot {
  return { ...snapshotOf(server, policy), cluster }
}

function steps(snapshot: LockedBucketSnapshot) {
  return decideLockedBucket(snapshot).map(({ cause, request }) => {
    const { defaultRetention, bounds } = request.policy
    const { mode, period } = defaultRetention
    const stronger = request.strongerRetention === 'Keep' ? ' or stronger' : ''
    return `${cause}: ${mode} ${period.count}${stronger}, at most ${bounds.maximum?.count ?? 'any'}`
  })
}

function conditions(snapshot: LockedBucketSnapshot): readonly string[] {
  return shown(lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null)).status)
}

describe('LockedBucket under a ClusterRetentionPolicy', () => {
  test('a floor: a new bucket begins with it, one that is there is raised, one that has it is left alone', () => {
    expect(steps(under(bound(floor60), seen(null)))).toEqual(['new: GOVERNANCE 60, at most any'])
    expect(steps(under(bound(floor60)))).toEqual(['change: GOVERNANCE 60 or stronger, at most any'])
    expect(steps(under(bound(floor60), enforcing(60)))).toEqual([])
    expect(steps(under(bound({ floor: { mode: 'GOVERNANCE', days: 20 } })))).toEqual([])
  })

  test('a floor in COMPLIANCE: the mode of the floor, the period of the policy', () => {
    const cluster = bound({ floor: { mode: 'COMPLIANCE', days: 7 } })
    expect(steps(under(cluster))).toEqual(['change: COMPLIANCE 30 or stronger, at most any'])
  })

  test('a ceiling: dates of clients are capped, once', () => {
    const cluster = bound({ ceiling: { days: 90 } })
    expect(steps(under(cluster))).toEqual(['change: GOVERNANCE 30 or stronger, at most 90'])
    expect(steps(under(cluster, enforcing(30, 90)))).toEqual([])
    expect(steps(under(cluster, enforcing(30, 80)))).toEqual([])
    expect(steps(under(cluster, enforcing(30, 91)))).toEqual([
      'change: GOVERNANCE 30 or stronger, at most 90',
    ])
  })

  test('loosened or deleted: nothing is asked of the server, and no correction takes it back either', () => {
    expect(steps(under(unbound, enforcing(60, 90)))).toEqual([])
    const drifted = enforcing(60, 90, { quotaBytes: 1 })
    expect(steps(under(unbound, drifted))).toEqual(['change: GOVERNANCE 30 or stronger, at most 90'])
    expect(steps(under(bound(floor60), enforcing(61, null, { quotaBytes: 1 })))).toEqual([
      'change: GOVERNANCE 60 or stronger, at most any',
    ])
  })

  test('loosened, then edited or asked for by annotation: what the policy says now', () => {
    const edited = policyOf(governance30.spec, 2)
    expect(steps(under(unbound, enforcing(60, 90), edited))).toEqual(['change: GOVERNANCE 30, at most any'])
    const { metadata, ...rest } = bucketOf()
    const annotated = {
      ...rest,
      metadata: { ...metadata, annotations: { 'holdfast.dev/reconcile-now': 'x' } },
    }
    const asked = { ...under(unbound, enforcing(60)), object: annotated }
    expect(steps(asked)).toEqual(['request: GOVERNANCE 30, at most any'])
  })

  test('somebody weakens the bucket behind the operator: drift, corrected up to the floor', () => {
    expect(steps(under(bound(floor60), enforcing(10)))).toEqual([
      'drift: GOVERNANCE 60 or stronger, at most any',
    ])
  })

  test('one that nobody understands: nothing is begun, what is enforced stays, and drift is corrected', () => {
    const cluster: ClusterPolicies = { kind: 'unparsable', names: ['baseline'] }
    expect(steps(under(cluster, seen(null)))).toEqual([])
    expect(steps(under(cluster, enforcing(60, 90)))).toEqual([])
    expect(steps(under(cluster, enforcing(60, 90), policyOf(governance30.spec, 2)))).toEqual([])
    expect(steps(under(cluster, enforcing(10, 90)))).toEqual(['drift: GOVERNANCE 30 or stronger, at most 90'])
    expect(conditions(under(cluster, enforcing(60, 90)))).toEqual(
      expect.arrayContaining([
        'Ready=False ClusterPolicyUnparsable',
        'Stalled=True ClusterPolicyUnparsable',
        'ClusterPolicyMet=Unknown ClusterPolicyUnparsable',
      ]),
    )
  })

  test('beyond the ceiling: a bucket is not made and an edit is not applied', () => {
    const cluster = bound({ ceiling: { days: 29 } })
    expect(steps(under(cluster, seen(null)))).toEqual([])
    expect(steps(under(cluster, enforcing(20), policyOf(governance30.spec, 2)))).toEqual([])
    const report = conditions(under(cluster, seen(null)))
    expect(report).toEqual(
      expect.arrayContaining([
        'Ready=False ExceedsCeiling',
        'Stalled=True ExceedsCeiling',
        'ClusterPolicyMet=False ExceedsCeiling',
        'ObjectLockEnforced=False BucketMissing',
      ]),
    )
  })

  test('beyond a ceiling that came later: Stalled, stays enforced, and is kept up', () => {
    const snapshot = under(bound({ ceiling: { days: 29 } }))
    expect(steps(snapshot)).toEqual([])
    const { status, events, next } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(shown(status)).toEqual([
      'Ready=False ExceedsCeiling',
      'Stalled=True ExceedsCeiling',
      'ObjectLockEnforced=True ReadBack',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=False InSync',
      'ClusterPolicyMet=False ExceedsCeiling',
    ])
    expect(status?.conditions?.[0]?.message).toBe(
      'the default of 30 days exceeds the ceiling of 29 days of ClusterRetentionPolicy baseline. ' +
        'The lock server keeps enforcing GOVERNANCE 30 days.',
    )
    expect(events.map(({ reason }) => reason)).toEqual(['ExceedsCeiling'])
    expect(next.kind).toBe('terminal')
    expect(steps(under(bound({ ceiling: { days: 29 } }), enforcing(10)))).toEqual([
      'drift: GOVERNANCE 30 or stronger, at most any',
    ])
  })

  test('met: the condition says who raised it and is True only for what the server has', () => {
    const snapshot = under(bound(floor60), enforcing(60))
    const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(shown(status)).toContain('Ready=True Enforced')
    expect(status?.conditions?.find(({ type }) => type === 'ClusterPolicyMet')).toMatchObject({
      status: 'True',
      message: 'ClusterRetentionPolicy baseline raises GOVERNANCE 30 days to GOVERNANCE 60 days.',
    })
    const before = under(bound(floor60))
    const lagging = lockedBucketReport(nowMs, before, outcomeOf(before, applied('updated')))
    expect(shown(lagging.status)).toEqual(
      expect.arrayContaining(['Ready=False NotVerified', 'ClusterPolicyMet=False NotVerified']),
    )
    const uncapped = under(bound({ ceiling: { days: 90 } }))
    expect(
      shown(lockedBucketReport(nowMs, uncapped, outcomeOf(uncapped, applied('updated'))).status),
    ).toEqual(expect.arrayContaining(['Ready=False NotVerified', 'ClusterPolicyMet=False NotVerified']))
    expect(conditions(under(bound(floor60), silent))).toContain('ClusterPolicyMet=Unknown ServerUnreachable')
  })

  test('no ClusterRetentionPolicy binds: no condition; none may be read: Unknown, and the policy is applied', () => {
    expect(conditions(under(unbound)).join()).not.toContain('ClusterPolicyMet')
    const unreadable = under({ kind: 'unreadable' }, seen(null))
    expect(steps(unreadable)).toEqual(['new: GOVERNANCE 30, at most any'])
    expect(conditions(under({ kind: 'unreadable' }))).toContain(
      'ClusterPolicyMet=Unknown ClusterPolicyUnknown',
    )
  })

  test('a namespace that is not listed yet: nothing is applied, and it is tried again', () => {
    const snapshot = under({ kind: 'pending' }, seen(null))
    expect(steps(snapshot)).toEqual([])
    const { status, next } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(shown(status)).toEqual(
      expect.arrayContaining([
        'Ready=False NamespaceUnknown',
        'Reconciling=True NamespaceUnknown',
        'ClusterPolicyMet=Unknown NamespaceUnknown',
      ]),
    )
    expect(next.kind).toBe('retry')
  })

  test('nothing changed: nothing is written', () => {
    const snapshot = under(bound(floor60), enforcing(60))
    const object = bucketOf(settled(snapshot))
    expect(lockedBucketReport(nowMs, { ...snapshot, object }, outcomeOf(snapshot, null)).status).toBeNull()
  })
})

test('RetentionPolicy: beyond the ceiling it is Stalled by its name, within it says what is done to it', () => {
  const snapshot = { object: compliance30, bucketNames: [], unparsableNames: [], guard: null }
  const beyond = retentionPolicyReport(nowMs, { ...snapshot, cluster: bound({ ceiling: { days: 29 } }) })
  expect(
    (beyond.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`),
  ).toEqual([
    'Ready=False ExceedsCeiling',
    'Stalled=True ExceedsCeiling',
    'DeletionProtected=False NotReferenced',
    'ClusterPolicyMet=False ExceedsCeiling',
  ])
  expect(beyond.next.kind).toBe('terminal')
  const within = retentionPolicyReport(nowMs, { ...snapshot, cluster: bound({ ceiling: { days: 30 } }) })
  expect(within.status?.conditions?.find(({ type }) => type === 'ClusterPolicyMet')?.message).toBe(
    'ClusterRetentionPolicy baseline caps the dates of clients at 30 days.',
  )
})

describe('ClusterRetentionPolicy', () => {
  const snapshot = { namespaceCount: 2, bucketCount: 3, guard: null }
  const report = (rest: Rest, counts = snapshot) =>
    clusterRetentionPolicyReport(nowMs, { object: clusterPolicy(rest), ...counts })

  test('valid: Ready, with what it asks for and how many it binds', () => {
    const { status, next } = report({ floor: { mode: 'COMPLIANCE', days: 7 }, ceiling: { years: 10 } })
    expect(status).toMatchObject({
      observedGeneration: 1,
      range: { floor: 'COMPLIANCE 7 days', ceiling: '10 years' },
      namespaceCount: 2,
      bucketCount: 3,
    })
    expect(status?.conditions).toMatchObject([{ type: 'Ready', status: 'True', reason: 'Binding' }])
    expect(next.kind).toBe('done')
  })

  test('it selects nothing: Ready, and the message says so', () => {
    const { status } = report({ ceiling: { days: 1 } }, { ...snapshot, namespaceCount: 0 })
    expect(status?.conditions?.[0]?.message).toBe('Valid, but its namespaceSelector selects no namespace.')
  })

  test('it breaks a rule of its kind: Stalled', () => {
    const { status, next } = report({ floor: { mode: 'COMPLIANCE', years: 9 } })
    expect(status?.conditions?.map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      'Ready SpecInvalid',
      'Stalled SpecInvalid',
    ])
    expect(next.kind).toBe('terminal')
  })
})

describe('what binds a namespace', () => {
  type Held = { policies: readonly ClusterRetentionPolicy[]; namespaces: ReadonlyMap<string, Labels> | null }
  const sourceOf = (held: Held, unparsable: readonly string[] = []) =>
    ({
      list: () => held.policies,
      namespaces: () => held.namespaces,
      unparsable: () => new Map(unparsable.map((name) => [`/${name}`, unparsableObject('', name)])),
    }) as never as Source
  const team: ClusterRetentionPolicy = {
    ...clusterPolicy({ ceiling: { days: 1 } }),
    spec: { namespaceSelector: { matchLabels: { team: 'a' } }, ceiling: { days: 1 } },
  }
  const labelled = new Map([
    ['one', { team: 'a' }],
    ['two', { team: 'b' }],
  ])

  test('clusterPoliciesOf: by its labels; unknown where they cannot be read; pending while it is not listed', () => {
    const source = sourceOf({ policies: [team], namespaces: labelled })
    expect(clusterPoliciesOf(source, 'one')).toEqual({ kind: 'known', policies: [team] })
    expect(clusterPoliciesOf(source, 'two')).toEqual({ kind: 'known', policies: [] })
    expect(clusterPoliciesOf(source, 'three')).toEqual({ kind: 'pending' })
    expect(clusterPoliciesOf(sourceOf({ policies: [], namespaces: labelled }), 'three').kind).toBe('known')
    expect(clusterPoliciesOf(sourceOf({ policies: [], namespaces: null }), 'one').kind).toBe('unreadable')
  })

  test('clusterPoliciesOf: one that nobody understands may bind any namespace, also beside others', () => {
    for (const policies of [[], [team]]) {
      const source = sourceOf({ policies, namespaces: labelled }, ['b', 'a'])
      for (const namespace of ['one', 'three'])
        expect(clusterPoliciesOf(source, namespace)).toEqual({ kind: 'unparsable', names: ['a', 'b'] })
    }
    expect(clusterPoliciesOf(sourceOf({ policies: [], namespaces: null }, ['a']), 'one').kind).toBe(
      'unreadable',
    )
  })

  test('BindingChanges: a policy becomes one that nobody understands, and is understood again; all are told', () => {
    const held: Held = { policies: [], namespaces: labelled }
    const objects = ['one', 'two'].map((namespace) => ({ metadata: { namespace, name: 'x' } }))
    const bindings = new BindingChanges()
    const told = [[], ['a'], ['a'], ['a', 'b'], []].map(
      (names) => bindings.keysOf(sourceOf(held, names), objects).length,
    )
    expect(told).toEqual([2, 2, 0, 2, 2])
  })

  test('BindingChanges: a thousand namespaces are read once, and judged once where nothing changed', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `n${index}`)
    const namespaces = new Map(names.map((name) => [name, { team: 'a' }]))
    const objects = names.map((namespace) => ({ metadata: { namespace, name: 'x' } }))
    let reads = 0
    let judged = 0
    const counted = {
      ...team,
      get spec() {
        judged += 1
        return team.spec
      },
    }
    const source = {
      ...sourceOf({ policies: [counted], namespaces }),
      namespaces: () => {
        reads += 1
        return namespaces
      },
    } as never as Source
    const bindings = new BindingChanges()
    expect(bindings.keysOf(source, objects)).toHaveLength(1000)
    expect([reads, judged]).toEqual([1, 1000])
    expect(bindings.keysOf(source, objects)).toEqual([])
    expect([reads, judged]).toEqual([2, 1000])
    const late = { metadata: { namespace: 'late', name: 'x' } }
    namespaces.set('late', { team: 'a' })
    expect(bindings.keysOf(source, [...objects, late])).toEqual([late.metadata])
    expect(judged).toBe(1001)
  })

  test('NamespaceLabels: the same map until labels change, or a namespace comes or goes', () => {
    const held = new NamespaceLabels()
    expect([held.take('one', { team: 'a' }), held.take('two', {})]).toEqual([true, true])
    const before = held.all()
    expect([...before]).toEqual([
      ['one', { team: 'a' }],
      ['two', {}],
    ])
    expect([held.take('one', { team: 'a' }), held.take('none', null)]).toEqual([false, false])
    expect(held.all()).toBe(before)
    expect([held.take('one', { team: 'b' }), held.take('two', null)]).toEqual([true, true])
    expect([...held.all()]).toEqual([['one', { team: 'b' }]])
    expect([...before]).toHaveLength(2)
  })

  test('BindingChanges: the objects of namespaces that are bound otherwise, and of no other', () => {
    const held: Held = { policies: [team], namespaces: labelled }
    const source = sourceOf(held)
    const objects = ['one', 'two'].map((namespace) => ({ metadata: { namespace, name: 'x' } }))
    const bindings = new BindingChanges()
    expect(bindings.keysOf(source, objects)).toHaveLength(2)
    expect(bindings.keysOf(source, objects)).toEqual([])
    held.policies = [{ ...team, metadata: { ...team.metadata, generation: 2 } }]
    expect(bindings.keysOf(source, objects)).toEqual([{ namespace: 'one', name: 'x' }])
    held.namespaces = new Map([...labelled, ['two', { team: 'a' }]])
    expect(bindings.keysOf(source, objects)).toEqual([{ namespace: 'two', name: 'x' }])
    held.policies = []
    expect(bindings.keysOf(source, objects)).toHaveLength(2)
  })
})
