import { expect, test } from 'vitest'
import { ServerUnreachableError } from '../../../src/client/lock-server.ts'
import { decideLockedBucket } from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  bucketOf,
  clusterId,
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
const governance = (count: number) =>
  ({ defaultRetention: { mode: 'GOVERNANCE', period: days(count) }, prefixRules: [] }) as const

test('decide: no bucket at the server, one apply with owner, policy and epoch', () => {
  expect(decideLockedBucket(snapshotOf(seen(null)))).toEqual([
    {
      kind: 'apply',
      cause: 'new',
      request: {
        epoch: 7,
        name: 'backups',
        owner: { clusterId, namespace: 'team', name: 'backups', uid: 'bucket-uid' },
        adoptionPolicy: 'Never',
        profile: 'aws',
        requireChecksum: true,
        quotaBytes: null,
        applyToExisting: 'No',
        strongerRetention: 'Replace',
        lifecycle: null,
        tags: null,
        policy: {
          namespace: 'team',
          name: 'keep',
          uid: 'policy-uid',
          generation: 1,
          defaultRetention: { mode: 'COMPLIANCE', period: days(30) },
          prefixRules: [],
          bounds: { minimum: null, maximum: null },
        },
      },
    },
  ])
})

test('decide: the server has this policy and generation as it is, nothing is asked of it', () => {
  expect(decideLockedBucket(snapshotOf(seen(factsOf(compliance30))))).toEqual([])
})

const changes = [
  ['a newer generation of the policy', { policy: { ...policyOf(compliance30.spec, 2) } }],
  [
    'another policy object of the same name',
    { policy: { ...compliance30, metadata: { ...compliance30.metadata, uid: 'new' } } },
  ],
  [
    'another incarnation of the LockedBucket',
    { object: { ...bucketOf(), metadata: { ...bucketOf().metadata, uid: 'new' } } },
  ],
] as const
for (const [title, different] of changes) {
  test(`decide: ${title}, it is applied as a change`, () => {
    const snapshot = { ...snapshotOf(seen(factsOf(compliance30))), ...different }
    expect(decideLockedBucket(snapshot)).toMatchObject([{ kind: 'apply', cause: 'change' }])
  })
}

test('decide: a bucket of somebody else, the server is asked and judges', () => {
  const owner = { clusterId, namespace: 'other', name: 'backups', uid: 'x' }
  const server = seen(factsOf(compliance30, { owner }))
  expect(decideLockedBucket(snapshotOf(server))).toMatchObject([{ kind: 'apply', cause: 'change' }])
})

const weaker = [
  ['a shorter default', { objectLock: { status: 'Enabled', retention: governance(7) } }],
  [
    'no default',
    { objectLock: { status: 'Enabled', retention: { defaultRetention: null, prefixRules: [] } } },
  ],
  ['no Object Lock', { objectLock: null }],
  ['a frozen bucket', { objectLock: { status: 'Frozen', retention: governance(30) } }],
  ['suspended versioning', { versioning: 'Suspended' }],
] as const
for (const [title, different] of weaker) {
  test(`decide: ${title} behind the operator's back, it is corrected`, () => {
    const snapshot = snapshotOf(seen(factsOf(governance30, different)), governance30)
    expect(decideLockedBucket(snapshot)).toMatchObject([{ kind: 'apply', cause: 'drift' }])
  })
}

test("decide: a longer default behind the operator's back, it is left alone", () => {
  const facts = factsOf(governance30, { objectLock: { status: 'Enabled', retention: governance(60) } })
  expect(decideLockedBucket(snapshotOf(seen(facts), governance30))).toEqual([])
})

test('decide: a prefix rule is missing at the server, it is corrected', () => {
  const policy = policyOf({
    defaultRetention: { mode: 'GOVERNANCE', days: 30 },
    rules: [{ prefix: 'audit/', days: 90 }],
  })
  const facts = factsOf(policy, { objectLock: { status: 'Enabled', retention: governance(30) } })
  expect(decideLockedBucket(snapshotOf(seen(facts), policy))).toMatchObject([{ cause: 'drift' }])
})

test('decide: no policy, an invalid policy, an invalid spec or a silent server, nothing is asked', () => {
  const silent = { kind: 'failed', error: new ServerUnreachableError('gone') } as const
  const both = policyOf({ defaultRetention: { mode: 'COMPLIANCE', days: 30, years: 1 } })
  const reserved = { ...bucketOf(), spec: { ...bucketOf().spec, bucketName: 'holdfast-canary' } }
  expect(decideLockedBucket(snapshotOf(seen(null), null))).toEqual([])
  expect(decideLockedBucket(snapshotOf(seen(null), both))).toEqual([])
  expect(decideLockedBucket(snapshotOf(seen(null), compliance30, reserved))).toEqual([])
  expect(decideLockedBucket(snapshotOf(silent))).toEqual([])
})

test('decide: adoptionPolicy IfUnowned, the request says so', () => {
  const object = { ...bucketOf(), spec: { ...bucketOf().spec, adoptionPolicy: 'IfUnowned' as const } }
  expect(decideLockedBucket(snapshotOf(seen(null), compliance30, object))).toMatchObject([
    { request: { adoptionPolicy: 'IfUnowned' } },
  ])
})

test('decide: its policy is there and cannot be understood, nothing is asked of the server and the status says why', () => {
  for (const server of [seen(null), seen(factsOf(compliance30)), seen(factsOf(governance30))]) {
    const snapshot = snapshotOf(server, 'unparsable')
    expect(decideLockedBucket(snapshot)).toEqual([])
    const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(shown(status)).toEqual(
      expect.arrayContaining(['Ready=False PolicyUnparsable', 'Stalled=True PolicyUnparsable']),
    )
  }
})
