import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../../src/api/manifest.ts'
import { toBucketRetention } from '../../../src/api/RetentionPolicy.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import { compliance30, factsOf, governance30, policyOf } from '../operator/locked-bucket-fixtures.ts'
import { bucket, enforced, manifest, notes, plan, policy } from './plan-fixtures.ts'

describe('plan: buckets', () => {
  const before = [policy('COMPLIANCE', 30), policy('COMPLIANCE', 7, {}, 'short'), bucket()]
  const switched = [policy('COMPLIANCE', 30), policy('COMPLIANCE', 7, {}, 'short'), bucket({}, 'short')]

  test('a switch to a shorter COMPLIANCE policy is refused by the lock server alone', () => {
    expect(plan({ before, after: switched })).toEqual([
      'backups: refused by lock server: defaultRetention: COMPLIANCE 30 DAYS would become COMPLIANCE 7 DAYS ' +
        '(RetentionWouldShorten)',
    ])
    expect(plan({ before: switched, after: before })).toEqual([
      'backups: tightens: COMPLIANCE 7 days becomes COMPLIANCE 30 days',
    ])
  })

  test('a switch away from a GOVERNANCE policy takes the bypass, also to a longer one', () => {
    const policies = [policy('GOVERNANCE', 7), policy('GOVERNANCE', 9, {}, 'long')]
    const change = { before: [...policies, bucket()], after: [...policies, bucket({}, 'long')] }
    expect(plan(change)).toEqual([
      expect.stringMatching(/^backups: refused by admission policy: another policy/),
    ])
    expect(plan({ ...change, governance: 'bypass' })).toEqual([
      'backups: tightens: GOVERNANCE 7 days becomes GOVERNANCE 9 days',
    ])
  })

  test('a switch to a policy with applyToExisting locks what is there; to one that is not told is not judged', () => {
    const walk = policy('COMPLIANCE', 30, { applyToExisting: 'ExtendOnly' }, 'walk')
    expect(
      plan({ before: [...before, walk], after: [...before.slice(0, 2), walk, bucket({}, 'walk')] }),
    ).toEqual([expect.stringMatching(/^backups: locks existing versions: /)])
    const name = (policyName: string) => [
      `backups: changes: RetentionPolicy ${policyName} is not among the manifests, so the retention is not judged`,
    ]
    expect(plan({ before, after: [...before.slice(0, 2), bucket({}, 'other')] })).toEqual(name('other'))
    expect(plan({ before: [bucket({}, 'other')], after: [bucket()] })).toEqual(name('other'))
    const governance = [policy('GOVERNANCE', 30), bucket()]
    expect(plan({ before: governance, after: [bucket({}, 'other'), policy('GOVERNANCE', 30)] })).toEqual([
      expect.stringMatching(/^backups: refused by admission policy: another policy/),
    ])
  })

  test('another bucketName is refused by the CRD', () => {
    const renamed = manifest('LockedBucket', 'backups', {
      bucketName: 'other',
      retentionPolicyRef: { name: 'keep' },
    })
    expect(
      plan({ before, after: [policy('COMPLIANCE', 30), policy('COMPLIANCE', 7, {}, 'short'), renamed] }),
    ).toEqual([
      expect.stringMatching(/^backups: refused by CEL: spec\.bucketName: .*\(BucketNameImmutable\)$/),
    ])
  })

  test('deleted: the policy in use is refused, the bucket is not judged without its server', () => {
    expect(plan({ before, after: [bucket(), policy('COMPLIANCE', 7, {}, 'short')] })).toEqual([
      expect.stringMatching(/^keep: refused by admission policy: .* 1 of the LockedBuckets refer to it$/),
    ])
    expect(plan({ before: [bucket()], after: [] })).toEqual([expect.stringMatching(/^backups: deletes: /)])
    expect(notes({ before: [bucket()], after: [] })).toEqual([
      'what is in it, and locked, only the lock server knows',
    ])
  })

  test('against the server: the floor, also below a default rule that says less', () => {
    const facts = factsOf(compliance30)
    const weak = { retention: { defaultRetention: null, prefixRules: [] }, status: 'Enabled' } as const
    for (const actual of [facts, { ...facts, objectLock: weak }]) {
      expect(plan({ after: [policy('COMPLIANCE', 29), bucket()], enforced: enforced(actual) })).toEqual([
        'backups: refused by lock server: defaultRetention: COMPLIANCE 30 DAYS would become COMPLIANCE 29 DAYS ' +
          '(RetentionWouldShorten)',
      ])
    }
    expect(plan({ after: [policy('COMPLIANCE', 30), bucket()], enforced: enforced(facts) })).toEqual([])
    expect(plan({ after: [policy('COMPLIANCE', 31), bucket()], enforced: enforced(facts) })).toEqual([
      'backups: tightens: COMPLIANCE 30 days becomes COMPLIANCE 31 days',
    ])
  })

  test('against the server: GOVERNANCE shorter is refused by the admission policy, unless the applier may bypass', () => {
    const after = [policy('GOVERNANCE', 29), bucket()]
    const shorter = { after, enforced: enforced(factsOf(governance30)) }
    const message = 'GOVERNANCE 30 days becomes GOVERNANCE 29 days'
    const needsBypass = 'only whoever holds the verb bypassgovernance on it may (--bypass-governance on)'
    expect(plan(shorter)).toEqual([`backups: refused by admission policy: ${message}: ${needsBypass}`])
    expect(plan({ ...shorter, governance: 'bypass' })).toEqual([`backups: loosens: ${message}`])
    // The policy is as it was: somebody made the rule of the bucket longer.
    expect(plan({ ...shorter, before: after })).toEqual([`backups: loosens: ${message}`])
    const adopting = [policy('GOVERNANCE', 29), bucket({ adoptionPolicy: 'IfUnowned' })]
    const unowned = enforced(factsOf(governance30, { owner: null, policy: null }))
    expect(plan({ after: adopting, enforced: unowned })).toContain(`backups: loosens: ${message}`)

    const atLeast5 = policyOf({ ...governance30.spec, minimum: { days: 5 } })
    const lower = {
      after: [policy('GOVERNANCE', 30), bucket()],
      enforced: enforced(factsOf(atLeast5)),
    }
    const gone = 'GOVERNANCE 30 days with a minimum of 5 days becomes GOVERNANCE 30 days with no minimum'
    expect(plan(lower)).toEqual([`backups: refused by admission policy: ${gone}: ${needsBypass}`])
    expect(plan({ ...lower, governance: 'bypass' })).toEqual([`backups: loosens: ${gone}`])
  })

  test('against the server: another policy for a bucket in GOVERNANCE takes the bypass, for one in COMPLIANCE it does not', () => {
    const policies = [policy('GOVERNANCE', 30), policy('GOVERNANCE', 31, {}, 'long')]
    const after = [...policies, bucket({}, 'long')]
    const facts = enforced(factsOf(governance30))
    const refusal = [expect.stringMatching(/^backups: refused by admission policy: another policy/)]
    expect(plan({ after, enforced: facts })).toEqual(refusal)
    expect(plan({ before: [...policies, bucket()], after, enforced: facts })).toEqual(refusal)
    // The server has the next one already, or the manifests before are old: in doubt it is refused.
    const { policy: applied } = factsOf(governance30)
    const isThere = applied === null ? null : { ...applied, name: 'long' }
    const switched = enforced(factsOf(governance30, { policy: isThere }))
    expect(plan({ before: [...policies, bucket()], after, enforced: switched })).toEqual(refusal)
    expect(plan({ after: [bucket({}, 'long')], enforced: facts })).toEqual(refusal)
    const moved = [
      'backups: tightens: GOVERNANCE 30 days becomes GOVERNANCE 31 days',
      'backups: changes: RetentionPolicy keep becomes long',
    ]
    expect(plan({ after, enforced: facts, governance: 'bypass' })).toEqual(moved)
    // A new object has no status to go by.
    expect(plan({ before: policies, after, enforced: facts })).toEqual([
      'backups: creates: it is not there yet',
      ...moved,
    ])
    const compliance = [policy('COMPLIANCE', 31, {}, 'long'), bucket({}, 'long')]
    expect(plan({ after: compliance, enforced: enforced(factsOf(compliance30)) })).toEqual([
      'backups: tightens: COMPLIANCE 30 days becomes COMPLIANCE 31 days',
      'backups: changes: RetentionPolicy keep becomes long',
    ])
  })

  const expiring = { rules: [{ id: 'a', noncurrentVersionExpiration: { noncurrentDays: 1 } }] }
  test.each([
    ['quota', { quota: '1Gi' }],
    ['lifecycle', { lifecycle: expiring }],
    ['tags', { tags: [{ key: 'team', value: 'a' }] }],
    ['requireChecksum', { requireChecksum: false }],
    ['profile', { profile: 'yandex' }],
    ['profile, requireChecksum, quota', { profile: 'minio', quota: '1Gi' }],
  ])('against the server: another %s is a change, also without the policy', (names, spec) => {
    const facts = enforced(factsOf(compliance30))
    const change = [`backups: changes: the lock server has another ${names}`]
    expect(plan({ after: [policy('COMPLIANCE', 30), bucket(spec)], enforced: facts })).toEqual(change)
    expect(plan({ after: [bucket(spec)], enforced: facts })).toEqual(change)
  })

  test('against the server: a frozen bucket thaws, versioning begins, a floor begins, a maximum changes', () => {
    const ask = (facts: Partial<BucketFactsAnswer>, more: object = {}) =>
      plan({
        after: [policy('COMPLIANCE', 30, more), bucket()],
        enforced: enforced(factsOf(compliance30, facts)),
      })
    const retention = toBucketRetention(compliance30.spec)
    expect(ask({ objectLock: { status: 'Frozen', retention } })).toEqual([
      'backups: tightens: the bucket is frozen: it makes locks again',
    ])
    expect(ask({ versioning: 'Suspended' })).toEqual([
      'backups: tightens: versioning is Suspended: it becomes Enabled',
    ])
    const { policy: applied } = factsOf(compliance30)
    const unfloored = applied === null ? null : ({ ...applied, mode: 'GOVERNANCE', floor: null } as const)
    expect(ask({ policy: unfloored })).toEqual([
      'backups: tightens: COMPLIANCE 30 days becomes what the lock server goes below for nobody',
    ])
    expect(ask({}, { maximum: { days: 60 } })).toEqual([
      'backups: changes: no maximum becomes a maximum of 60 days',
    ])
  })

  test('against the server: applyToExisting that the bucket has not begun, or by another rule, or under a freeze', () => {
    const retention = toBucketRetention(compliance30.spec)
    const begun = {
      scope: 'IncludingModeChange',
      retention,
      policyGeneration: 1,
      started: '2028-02-28T12:00:00.000Z',
      ended: '2028-02-28T12:00:01.000Z',
      versionCount: 3,
      seenCount: 3,
      extendedCount: 3,
      otherModeCount: 0,
      deniedCount: 0,
      unreadableCount: 0,
      deferredCount: 0,
    } as const
    const ask = (
      applyToExisting: string,
      facts: Partial<BucketFactsAnswer>,
      more: readonly Manifest[] = [],
    ) =>
      plan({
        after: [policy('COMPLIANCE', 30, { applyToExisting }), bucket(), ...more],
        enforced: enforced(factsOf(compliance30, facts)),
      })
    const locks = [
      'backups: locks existing versions: what is there gets what a new version would, ' +
        'GOVERNANCE becoming COMPLIANCE; once done it cannot be undone',
    ]
    const other = toBucketRetention(governance30.spec)
    expect(ask('IncludingModeChange', { applyToExisting: null })).toEqual(locks)
    expect(ask('IncludingModeChange', { applyToExisting: { ...begun, scope: 'ExtendOnly' } })).toEqual(locks)
    expect(ask('IncludingModeChange', { applyToExisting: { ...begun, retention: other } })).toEqual(locks)
    const frozen = { objectLock: { status: 'Frozen', retention }, applyToExisting: begun } as const
    expect(ask('IncludingModeChange', frozen)).toContain(locks[0])
    expect(ask('ExtendOnly', { applyToExisting: begun }).join()).toContain('those of another mode left alone')
    expect(ask('IncludingModeChange', { applyToExisting: begun })).toEqual([])
    expect(ask('IncludingModeChange', { applyToExisting: { ...begun, retention: null } })).toEqual([])
    expect(ask('No', { applyToExisting: begun })).toEqual([
      'backups: changes: applyToExisting ends: what it locked stays locked',
    ])
  })

  test('against the server: no bucket, another owner, none', () => {
    const after = [policy('COMPLIANCE', 30), bucket()]
    expect(plan({ after, enforced: enforced(null) })).toEqual([
      'backups: creates: bucket backups is not on the lock server',
    ])
    const owner = { clusterId: 'cluster-1', namespace: 'other', name: 'backups', uid: 'uid' }
    expect(plan({ after, enforced: enforced(factsOf(compliance30, { owner })) })).toEqual([
      'backups: refused by lock server: bucket backups belongs to LockedBucket other/backups (NameConflict)',
    ])
    const unowned = factsOf(compliance30, { owner: null })
    expect(plan({ after, enforced: enforced(unowned) }).join()).toContain('(AdoptionRefused)')
    const adopting = [policy('COMPLIANCE', 30), bucket({ adoptionPolicy: 'IfUnowned' })]
    expect(plan({ after: adopting, enforced: enforced(unowned) })).toEqual([
      'backups: changes: nobody owns bucket backups: it is adopted',
    ])
  })

  test('against the server: a deleted bucket with one locked version is refused, with none it is not', () => {
    const input = { before: [bucket()], after: [] }
    const locked = enforced(factsOf(compliance30, { lockedVersionCount: 1 }))
    expect(plan({ ...input, enforced: locked }).join()).toContain('refused by admission policy')
    const held = enforced(factsOf(compliance30, { legalHoldCount: 1 }))
    expect(plan({ ...input, enforced: held }).join()).toContain('refused by admission policy')
    expect(plan({ ...input, enforced: enforced(factsOf(compliance30)) }).join()).toContain('deletes')
  })

  test.each(['versionCount', 'deleteMarkerCount'])(
    'against the server: a deleted bucket with %s 1 is refused by deletionPolicy Delete alone',
    (count) => {
      const left = enforced(factsOf(compliance30, { [count]: 1 }))
      const gone = (deletionPolicy: string) =>
        plan({ before: [bucket({ deletionPolicy })], after: [], enforced: left })
      expect(gone('Delete')).toEqual([
        expect.stringMatching(
          /^backups: refused by admission policy: .* versions or delete markers are left in bucket backups and deletionPolicy is Delete$/,
        ),
      ])
      expect(gone('Retain')).toEqual([expect.stringMatching(/^backups: deletes: /)])
    },
  )
})
