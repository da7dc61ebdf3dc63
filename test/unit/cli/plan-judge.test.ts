import { describe, expect, test } from 'vitest'
import { type Manifest, parseManifest } from '../../../src/api/manifest.ts'
import { manifestChanges } from '../../../src/cli/plan-diff.ts'
import { compliance30, factsOf, governance30 } from '../operator/locked-bucket-fixtures.ts'
import { bucket, enforced, manifest, notes, plan, policy } from './plan-fixtures.ts'

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

test('manifestChanges: every field once, whatever its order, lists whole', () => {
  const rules = [{ prefix: 'a', days: 40 }]
  expect(manifestChanges(policy('COMPLIANCE', 30), policy('COMPLIANCE', 31, { rules }))).toEqual([
    'spec.defaultRetention.days: 30 becomes 31',
    'spec.rules: absent becomes [{"days":40,"prefix":"a"}]',
  ])
  expect(manifestChanges(bucket(), bucket())).toEqual([])
})

test('against the server alone: what is no bucket is said not to be compared', () => {
  const keys = manifest('BucketAccess', 'app', {
    buckets: [{ name: 'backups' }],
    role: 'ReadOnly',
    secretName: 'app-s3',
  })
  const note = 'the lock server is asked about buckets only: what else this changes, --against tells'
  const asked = enforced(factsOf(compliance30))
  expect(notes({ after: [keys], enforced: asked })).toEqual([note])
  expect(notes({ after: [policy('COMPLIANCE', 30)], enforced: asked })).toEqual([
    note,
    expect.stringMatching(/^a version written now would be locked until /),
  ])
  expect(notes({ after: [bucket()], enforced: asked })).toEqual([
    'RetentionPolicy keep is not among the manifests, so the retention is not judged',
  ])
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

  test('a GOVERNANCE policy under a floor of COMPLIANCE: another one, or a shorter one, is for the lock server to judge', () => {
    const policies = [policy('GOVERNANCE', 30), policy('GOVERNANCE', 90, {}, 'long')]
    const under = (...floors: readonly Manifest[]) => [...policies, bucket(), ...floors]
    const moved = (...floors: readonly Manifest[]) => [...policies, bucket({}, 'long'), ...floors]
    const raised = floor(60, 'COMPLIANCE')
    expect(plan({ before: under(raised), after: moved(raised) })).toEqual([
      'backups: tightens: COMPLIANCE 60 days becomes COMPLIANCE 90 days',
    ])
    const refusal = expect.stringMatching(/^backups: refused by admission policy: another policy/)
    // What is applied in the same breath binds nothing yet; nor does what only labels tell.
    expect(plan({ before: under(), after: moved(raised) })).toContainEqual(refusal)
    const labelled = cluster({ floor: { mode: 'COMPLIANCE', days: 60 } }, { matchLabels: { tier: 'gold' } })
    expect(plan({ before: under(labelled), after: moved(labelled) })).toContainEqual(refusal)
    // The server keeps what the floor gave.
    expect(plan({ before: under(raised), after: moved(floor(60)) })).toContainEqual(
      expect.stringMatching(/^backups: refused by lock server: .*RetentionWouldShorten/),
    )
    const shorter = { before: [policy('GOVERNANCE', 90), bucket(), raised], governance: 'bypass' } as const
    expect(plan({ ...shorter, after: [policy('GOVERNANCE', 80), bucket(), raised] })).toEqual([
      'keep: loosens: GOVERNANCE 90 days becomes GOVERNANCE 80 days',
      expect.stringMatching(/^backups: refused by lock server: .*RetentionWouldShorten/),
    ])
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
