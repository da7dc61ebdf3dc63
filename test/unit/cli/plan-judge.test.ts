import { describe, expect, test } from 'vitest'
import { type Manifest, parseManifest } from '../../../src/api/manifest.ts'
import { toBucketRetention } from '../../../src/api/RetentionPolicy.ts'
import { manifestChanges } from '../../../src/cli/plan-diff.ts'
import { judgePlan, type PlanInput } from '../../../src/cli/plan-judge.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { compliance30, factsOf, governance30, policyOf } from '../operator/locked-bucket-fixtures.ts'

const nowMs = epochMs(Date.UTC(2028, 1, 29, 12))

function manifest(kind: string, name: string, spec: object): Manifest {
  const metadata = { namespace: 'team', name }
  const result = parseManifest({ apiVersion: 'holdfast.dev/v1', kind, metadata, spec })
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.violations))
  return result.manifest
}
const policy = (mode: string, days: number, more: object = {}, name = 'keep') =>
  manifest('RetentionPolicy', name, { defaultRetention: { mode, days }, ...more })
const bucket = (more: object = {}, policyName = 'keep') =>
  manifest('LockedBucket', 'backups', {
    bucketName: 'backups',
    retentionPolicyRef: { name: policyName },
    ...more,
  })

/** Verdicts and sentences of each object, without notes. */
function plan(input: Partial<PlanInput> & Pick<PlanInput, 'after'>): readonly string[] {
  const whole = { before: null, enforced: null, nowMs, governance: 'keep', ...input } as const
  return judgePlan(whole).flatMap(({ object, findings }) =>
    findings.flatMap((finding) => {
      if (finding.kind === 'note') return []
      const verdict = finding.kind === 'refused' ? `refused by ${finding.layer}` : finding.effect
      return [`${object.name}: ${verdict}: ${finding.message}`]
    }),
  )
}
const notes = (input: Partial<PlanInput> & Pick<PlanInput, 'after'>) =>
  judgePlan({ before: null, enforced: null, nowMs, governance: 'keep', ...input }).flatMap(({ findings }) =>
    findings.flatMap((finding) => (finding.kind === 'note' ? [finding.message] : [])),
  )
const enforced = (facts: BucketFactsAnswer | null) => new Map([['backups', facts]])

describe('plan: policies against the manifests before', () => {
  test('COMPLIANCE a day shorter is refused by the CRD, with the rule', () => {
    const [line, ...rest] = plan({ before: [policy('COMPLIANCE', 30)], after: [policy('COMPLIANCE', 29)] })
    expect(line).toMatch(/^keep: refused by CEL: spec\.defaultRetention: .*\(ComplianceDefaultKept\)$/)
    expect(rest).toEqual([])
  })

  test('COMPLIANCE a day longer tightens; the same is nothing', () => {
    const before = [policy('COMPLIANCE', 30)]
    expect(plan({ before, after: [policy('COMPLIANCE', 31)] })).toEqual([
      'keep: tightens: COMPLIANCE 30 days becomes COMPLIANCE 31 days',
    ])
    expect(plan({ before, after: before })).toEqual([])
  })

  test('GOVERNANCE shorter is refused by the admission policy, unless the applier may bypass', () => {
    const change = { before: [policy('GOVERNANCE', 30)], after: [policy('GOVERNANCE', 29)] }
    expect(plan(change)).toEqual([
      expect.stringMatching(/^keep: refused by admission policy: GOVERNANCE 30 days/),
    ])
    expect(plan({ ...change, governance: 'bypass' })).toEqual([
      'keep: loosens: GOVERNANCE 30 days becomes GOVERNANCE 29 days',
    ])
    expect(plan({ ...change, after: [policy('COMPLIANCE', 30)] })).toEqual([
      'keep: tightens: GOVERNANCE 30 days becomes COMPLIANCE 30 days',
    ])
  })

  test('GOVERNANCE: a minimum that falls or goes is refused by the admission policy, too', () => {
    const atLeast = (days: number) => policy('GOVERNANCE', 30, { minimum: { days } })
    const change = { before: [atLeast(5)], after: [policy('GOVERNANCE', 30)] }
    expect(plan(change)).toEqual([
      expect.stringMatching(
        /^keep: refused by admission policy: GOVERNANCE 30 days with a minimum of 5 days becomes GOVERNANCE 30 days with no minimum: /,
      ),
    ])
    expect(plan({ ...change, after: [atLeast(4)] }).join()).toContain('refused by admission policy')
    expect(plan({ ...change, governance: 'bypass' })).toEqual([
      'keep: loosens: GOVERNANCE 30 days with a minimum of 5 days becomes GOVERNANCE 30 days with no minimum',
    ])
    expect(plan({ before: change.after, after: [atLeast(5)] })).toEqual([
      'keep: tightens: GOVERNANCE 30 days with no minimum becomes GOVERNANCE 30 days with a minimum of 5 days',
    ])
  })

  test('COMPLIANCE: the bypass of GOVERNANCE helps nothing', () => {
    const change = { before: [policy('COMPLIANCE', 30)], after: [policy('COMPLIANCE', 29)] }
    expect(plan({ ...change, governance: 'bypass' }).join()).toContain('refused by CEL')
  })

  test('a minimum that falls is refused, one that rises tightens, a label changes nothing else', () => {
    const before = [policy('COMPLIANCE', 30, { minimum: { days: 5 } })]
    expect(plan({ before, after: [policy('COMPLIANCE', 30, { minimum: { days: 4 } })] }).join()).toContain(
      'ComplianceMinimumKept',
    )
    expect(plan({ before, after: [policy('COMPLIANCE', 30, { minimum: { days: 6 } })] })).toEqual([
      'keep: tightens: COMPLIANCE 30 days with a minimum of 5 days becomes COMPLIANCE 30 days with a minimum of 6 days',
    ])
    const [labelled] = before.map((each) => ({ ...each, metadata: { ...each.metadata, labels: { a: 'b' } } }))
    expect(labelled).toBeDefined()
    expect(plan({ before, after: labelled === undefined ? [] : [labelled] })).toEqual([
      'keep: changes: no key gets another retention',
    ])
  })

  test('applyToExisting locks what is there: asked for, of a new policy, or with another rule; ended it locks nothing', () => {
    const walk = (applyToExisting: string, days = 30, mode = 'COMPLIANCE') =>
      policy(mode, days, { applyToExisting })
    const change = (before: readonly Manifest[], ...after: readonly Manifest[]) => plan({ before, after })
    const locks =
      'keep: locks existing versions: what is there gets what a new version would, ' +
      'GOVERNANCE becoming COMPLIANCE; once done it cannot be undone'
    const locksOfMode = locks.replace('GOVERNANCE becoming COMPLIANCE', 'those of another mode left alone')
    const including = walk('IncludingModeChange')
    expect(change([policy('COMPLIANCE', 30)], including)).toEqual([locks])
    expect(change([walk('ExtendOnly')], including)).toEqual([locks])
    expect(change([walk('No')], walk('ExtendOnly'))).toEqual([locksOfMode])
    expect(change([], including)).toEqual(['keep: creates: it is not there yet', locks])
    expect(plan({ after: [including] })).toEqual(['keep: creates: it is not there yet', locks])
    expect(change([including], walk('IncludingModeChange', 31))).toEqual([
      'keep: tightens: COMPLIANCE 30 days becomes COMPLIANCE 31 days',
      locks,
    ])
    expect(change([walk('IncludingModeChange', 30, 'GOVERNANCE')], including)).toContain(locks)
    expect(change([policy('GOVERNANCE', 30)], walk('IncludingModeChange', 30, 'GOVERNANCE'))).toEqual([
      locksOfMode,
    ])
    expect(change([including], including)).toEqual([])
    expect(change([including], walk('IncludingModeChange', 29)).join()).not.toContain('locks')
    expect(change([including], policy('COMPLIANCE', 30))).toEqual([
      'keep: changes: no key gets another retention',
    ])
  })

  test('a new policy: dates of the default and the rules, and a word on what cannot be undone', () => {
    const spec = { rules: [{ prefix: 'tax/', years: 1 }], irreversible: true }
    expect(notes({ before: [], after: [policy('COMPLIANCE', 400, spec)] })).toEqual([
      'a version written now would be locked until 2029-04-04T12:00:00.000Z',
      'under "tax/" until 2029-04-04T12:00:00.000Z, or longer by another rule',
      'COMPLIANCE of more than 366 days: nobody can undo it while it lasts',
    ])
    expect(notes({ before: [], after: [policy('COMPLIANCE', 366)] })).toHaveLength(1)
  })
})

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
      'whether something is locked in it, only the lock server knows',
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
    expect(
      plan({ after: [policy('GOVERNANCE', 29), bucket()], enforced: enforced(factsOf(governance30)) }),
    ).toEqual(['backups: loosens: GOVERNANCE 30 days becomes GOVERNANCE 29 days'])
    const atLeast5 = policyOf({ ...governance30.spec, minimum: { days: 5 } })
    expect(
      plan({ after: [policy('GOVERNANCE', 30), bucket()], enforced: enforced(factsOf(atLeast5)) }),
    ).toEqual([
      'backups: loosens: GOVERNANCE 30 days with a minimum of 5 days becomes GOVERNANCE 30 days with no minimum',
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
    expect(plan({ after: adopting, enforced: enforced(unowned) })).toEqual([])
  })

  test('against the server: a deleted bucket with one locked version is refused, with none it is not', () => {
    const input = { before: [bucket()], after: [] }
    const locked = enforced(factsOf(compliance30, { lockedVersionCount: 1 }))
    expect(plan({ ...input, enforced: locked }).join()).toContain('refused by admission policy')
    const held = enforced(factsOf(compliance30, { legalHoldCount: 1 }))
    expect(plan({ ...input, enforced: held }).join()).toContain('refused by admission policy')
    expect(plan({ ...input, enforced: enforced(factsOf(compliance30)) }).join()).toContain('deletes')
  })
})

test('manifestChanges: every field once, whatever its order, lists whole', () => {
  const rules = [{ prefix: 'a', days: 40 }]
  expect(manifestChanges(policy('COMPLIANCE', 30), policy('COMPLIANCE', 31, { rules }))).toEqual([
    'spec.defaultRetention.days: 30 becomes 31',
    'spec.rules: absent becomes [{"days":40,"prefix":"a"}]',
  ])
  expect(manifestChanges(bucket(), bucket())).toEqual([])
})

describe('plan: keys', () => {
  const access = (role: string, name = 'backups') =>
    manifest('BucketAccess', 'app', { buckets: [{ name }], role, secretName: 'app-s3' })

  test('BucketAccess: made, changed, deleted; another secretName is refused by the CRD', () => {
    const before = [access('ReadOnly')]
    expect(plan({ before: [], after: before })).toEqual(['app: creates: it is not there yet'])
    expect(plan({ before, after: before })).toEqual([])
    expect(plan({ before, after: [access('ReadWrite')] })).toEqual([
      'app: changes: no key gets another retention',
    ])
    expect(plan({ before, after: [] })).toEqual([expect.stringMatching(/^app: deletes: /)])
    const other = manifest('BucketAccess', 'app', { ...access('ReadOnly').spec, secretName: 'other' })
    expect(plan({ before, after: [other] })).toEqual([expect.stringMatching(/SecretNameImmutable\)$/)])
  })

  test('BucketAccess: RetentionOfficer takes the verb, also for another bucket; what stays as it is takes none', () => {
    const officer = access('RetentionOfficer')
    const refusal = expect.stringMatching(/^app: refused by admission policy: .*bypassgovernance/)
    expect(plan({ before: [access('Auditor')], after: [officer] })).toEqual([refusal])
    expect(plan({ before: [officer], after: [access('RetentionOfficer', 'ledger')] })).toEqual([refusal])
    expect(plan({ before: [officer], after: [officer] })).toEqual([])
    expect(plan({ before: [], after: [officer], governance: 'bypass' })).toEqual([
      'app: creates: it is not there yet',
    ])
  })
})

describe('plan: ClusterRetentionPolicies among the manifests', () => {
  const cluster = (spec: object, namespaceSelector: object = {}): Manifest => {
    const document = { metadata: { name: 'baseline' }, spec: { namespaceSelector, ...spec } }
    const kind = 'ClusterRetentionPolicy'
    const result = parseManifest({ apiVersion: 'holdfast.dev/v1', kind, ...document })
    if (result.kind === 'invalid') throw new Error(JSON.stringify(result.violations))
    return result.manifest
  }
  const floor = (days: number, mode = 'GOVERNANCE') => cluster({ floor: { mode, days } })
  const ceiling = (days: number) => cluster({ ceiling: { days } })
  const here = { matchLabels: { 'kubernetes.io/metadata.name': 'team' } }

  test('beyond the ceiling is refused by the operator, also when only the ceiling is new; at it is not', () => {
    const before = [policy('GOVERNANCE', 30)]
    const refusal =
      'keep: refused by operator: the default of 30 days exceeds the ceiling of 29 days of ' +
      'ClusterRetentionPolicy baseline. (ExceedsCeiling)'
    expect(plan({ before, after: [...before, ceiling(29)] })).toContain(refusal)
    expect(plan({ before: [ceiling(29)], after: before }).join()).toContain(refusal)
    expect(plan({ before: [...before, ceiling(30)], after: [...before, ceiling(30)] })).toEqual([])
  })

  test('a floor: the policy is told what it becomes, and the bucket is judged by it', () => {
    const after = [policy('GOVERNANCE', 30), bucket(), floor(60, 'COMPLIANCE')]
    expect(notes({ after })).toContain(
      'ClusterRetentionPolicy baseline raises GOVERNANCE 30 days to COMPLIANCE 60 days.',
    )
    expect(plan({ after, enforced: enforced(factsOf(governance30)) })).toContain(
      'backups: tightens: GOVERNANCE 30 days becomes COMPLIANCE 60 days',
    )
  })

  test('a floor that raises a policy begins its applyToExisting anew; one that goes, or was there, does not', () => {
    const walk = policy('COMPLIANCE', 30, { applyToExisting: 'ExtendOnly' })
    const locks = expect.stringMatching(/^keep: locks existing versions: /)
    expect(plan({ before: [walk], after: [walk, floor(60, 'COMPLIANCE')] })).toEqual([
      locks,
      'baseline: creates: it is not there yet',
    ])
    expect(plan({ before: [walk, floor(60)], after: [walk, floor(60)] })).toEqual([])
    expect(plan({ before: [walk, floor(60)], after: [walk, floor(31)] })).toEqual([
      expect.stringMatching(/^baseline: loosens: /),
    ])
    const barred = policy('COMPLIANCE', 30, { applyToExisting: 'IncludingModeChange' })
    expect(plan({ before: [walk, ceiling(29)], after: [barred, ceiling(29)] }).join()).not.toContain('locks')
  })

  test('a selector by the name of the namespace is judged, one by labels is left to the cluster', () => {
    const bound = cluster({ ceiling: { days: 1 } }, here)
    const elsewhere = cluster(
      { ceiling: { days: 1 } },
      { matchLabels: { 'kubernetes.io/metadata.name': 'other' } },
    )
    const labels = cluster({ ceiling: { days: 1 } }, { matchLabels: { tier: 'gold' } })
    const after = [policy('GOVERNANCE', 30)]
    expect(plan({ after: [...after, bound] }).join()).toContain('ExceedsCeiling')
    expect(plan({ after: [...after, elsewhere] }).join()).not.toContain('ExceedsCeiling')
    expect(plan({ after: [...after, labels] }).join()).not.toContain('ExceedsCeiling')
    expect(notes({ after: [labels] }).join()).toContain('only the cluster knows')
  })

  test('its own change: a lower floor or a higher ceiling loosens, the other way tightens', () => {
    const change = (old: Manifest, next: Manifest) => plan({ before: [old], after: [next] }).join()
    expect(change(floor(9), floor(8))).toMatch(/^baseline: loosens: /)
    expect(change(floor(9), floor(10))).toMatch(/^baseline: tightens: /)
    expect(change(floor(9), ceiling(9))).toMatch(/^baseline: loosens: /)
    expect(change(ceiling(9), ceiling(10))).toMatch(/^baseline: loosens: /)
    expect(change(ceiling(9), ceiling(8))).toMatch(/^baseline: tightens: /)
    expect(change(ceiling(9), cluster({ ceiling: { days: 9 } }, here))).toMatch(/^baseline: changes: /)
    expect(change(ceiling(9), ceiling(9))).toBe('')
  })
})
