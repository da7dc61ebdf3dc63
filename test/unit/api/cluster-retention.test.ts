import { describe, expect, test } from 'vitest'
import type { ClusterRetentionPolicySpec } from '../../../src/api/ClusterRetentionPolicy.ts'
import {
  bindingPolicies,
  effectiveRetention,
  type NamedClusterPolicy,
} from '../../../src/api/cluster-retention.ts'
import { type LabelSelector, selectorKeys, selects } from '../../../src/api/label-selector.ts'
import type { RetentionPolicySpec } from '../../../src/api/RetentionPolicy.ts'

type Rest = Omit<ClusterRetentionPolicySpec, 'namespaceSelector'>
const named = (name: string, rest: Rest, namespaceSelector: LabelSelector = {}): NamedClusterPolicy => ({
  metadata: { name },
  spec: { namespaceSelector: { ...namespaceSelector } as never, ...rest },
})
const days = (count: number) => ({ unit: 'DAYS', count }) as const
const governance = (count: number, rest: object = {}): RetentionPolicySpec => ({
  defaultRetention: { mode: 'GOVERNANCE', days: count },
  ...rest,
})

describe('selects: by the rules of Kubernetes', () => {
  const labels = { team: 'a', tier: 'gold' }
  test.each<[string, LabelSelector, boolean]>([
    ['nothing asked, everything', {}, true],
    ['a label with its value', { matchLabels: { team: 'a' } }, true],
    ['a label with another value', { matchLabels: { team: 'b' } }, false],
    ['a label that is not there', { matchLabels: { region: '' } }, false],
    ['all labels must hold', { matchLabels: { team: 'a', tier: 'iron' } }, false],
    ['In', { matchExpressions: [{ key: 'team', operator: 'In', values: ['b', 'a'] }] }, true],
    ['In, of none', { matchExpressions: [{ key: 'region', operator: 'In', values: [''] }] }, false],
    ['NotIn', { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['a'] }] }, false],
    ['NotIn, of none', { matchExpressions: [{ key: 'region', operator: 'NotIn', values: ['a'] }] }, true],
    ['Exists', { matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, true],
    ['Exists, of none', { matchExpressions: [{ key: 'region', operator: 'Exists' }] }, false],
    ['DoesNotExist', { matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] }, false],
    ['DoesNotExist, of none', { matchExpressions: [{ key: 'region', operator: 'DoesNotExist' }] }, true],
    [
      'labels and expressions',
      { matchLabels: { team: 'a' }, matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] },
      false,
    ],
  ])('selects: %s', (_title, selector, expected) => {
    expect(selects(selector, labels)).toBe(expected)
  })

  test('selectorKeys: of both parts', () => {
    const matchExpressions = [{ key: 'tier', operator: 'Exists' }] as const
    expect(selectorKeys({ matchLabels: { team: 'a' }, matchExpressions })).toEqual(['team', 'tier'])
  })

  test('bindingPolicies: those that select it, by name', () => {
    const all = [named('b', {}), named('c', {}, { matchLabels: { team: 'x' } }), named('a', {})]
    expect(bindingPolicies(all, labels).map(({ metadata }) => metadata.name)).toEqual(['a', 'b'])
  })
})

describe('effectiveRetention', () => {
  test('no policy binds: what the RetentionPolicy says', () => {
    const spec = governance(5, { maximum: { days: 9 } })
    expect(effectiveRetention(spec, [])).toEqual({
      retention: { defaultRetention: { mode: 'GOVERNANCE', period: days(5) }, prefixRules: [] },
      bounds: { minimum: null, maximum: days(9) },
      bar: null,
      changes: [],
    })
  })

  test('two floors and two ceilings: the strongest floor, the lowest ceiling, and a sentence for each change', () => {
    const policies = [
      named('a', { floor: { mode: 'GOVERNANCE', days: 7 }, ceiling: { days: 99 } }),
      named('b', { floor: { mode: 'COMPLIANCE', days: 3 }, ceiling: { days: 50 } }),
    ]
    const rules = [{ prefix: 'x', days: 9 }]
    const { retention, bounds, bar, changes } = effectiveRetention(governance(5, { rules }), policies)
    expect({ retention, bounds, bar }).toEqual({
      retention: {
        defaultRetention: { mode: 'COMPLIANCE', period: days(7) },
        prefixRules: [{ prefix: 'x', period: days(9) }],
      },
      bounds: { minimum: null, maximum: days(50) },
      bar: null,
    })
    expect(changes).toEqual([
      'ClusterRetentionPolicy a raises GOVERNANCE 5 days, 1 rule to GOVERNANCE 7 days, 1 rule.',
      'ClusterRetentionPolicy a caps the dates of clients at 99 days.',
      'ClusterRetentionPolicy b raises GOVERNANCE 7 days, 1 rule to COMPLIANCE 7 days, 1 rule.',
      'ClusterRetentionPolicy b caps the dates of clients at 50 days.',
    ])
  })

  test('a policy that is within: nothing is changed and nothing is said', () => {
    const policies = [named('a', { floor: { mode: 'GOVERNANCE', days: 5 }, ceiling: { days: 5 } })]
    const spec = governance(5, { maximum: { days: 5 } })
    expect(effectiveRetention(spec, policies)).toEqual(effectiveRetention(spec, []))
  })

  test.each<[string, RetentionPolicySpec, Rest, string | null, RegExp]>([
    ['the default at the ceiling', governance(9), { ceiling: { days: 9 } }, null, /^$/],
    [
      'the default a day above',
      governance(10),
      { ceiling: { days: 9 } },
      'ExceedsCeiling',
      /the default of 10 days/,
    ],
    [
      'a rule a day above',
      governance(1, { rules: [{ prefix: 'x', days: 10 }] }),
      { ceiling: { days: 9 } },
      'ExceedsCeiling',
      /the rule for "x" of 10 days exceeds the ceiling of 9 days of ClusterRetentionPolicy a\.$/,
    ],
    [
      'a minimum a day above',
      governance(1, { minimum: { days: 10 } }),
      { ceiling: { days: 9 } },
      'ExceedsCeiling',
      /the minimum of 10 days/,
    ],
    [
      'a maximum above is capped',
      governance(1, { maximum: { days: 99 } }),
      { ceiling: { days: 9 } },
      null,
      /^$/,
    ],
    ['a mode that is allowed', governance(1), { allowedModes: ['GOVERNANCE'] }, null, /^$/],
    [
      'a mode that is not',
      governance(1),
      { allowedModes: ['COMPLIANCE'] },
      'ModeNotAllowed',
      /allows COMPLIANCE\.$/,
    ],
    [
      'a floor may bring the mode that is allowed',
      governance(1),
      { allowedModes: ['COMPLIANCE'], floor: { mode: 'COMPLIANCE', days: 1 } },
      null,
      /^$/,
    ],
    [
      'a floor in COMPLIANCE over a long GOVERNANCE policy',
      governance(367),
      { floor: { mode: 'COMPLIANCE', days: 1 } },
      'ConfirmationMissing',
      /the default of 367 days/,
    ],
    [
      '366 days need no confirmation',
      governance(366),
      { floor: { mode: 'COMPLIANCE', days: 1 } },
      null,
      /^$/,
    ],
    [
      'confirmed by the policy',
      governance(367, { irreversible: true }),
      { floor: { mode: 'COMPLIANCE', days: 1 } },
      null,
      /^$/,
    ],
    [
      'confirmed by the cluster',
      governance(367),
      { floor: { mode: 'COMPLIANCE', days: 1 }, irreversible: true },
      null,
      /^$/,
    ],
    [
      'a policy that asks nothing, which no API server takes',
      governance(1),
      {},
      'ClusterPolicyInvalid',
      /breaks a rule/,
    ],
    [
      'a floor without a period',
      governance(1),
      { floor: { mode: 'COMPLIANCE' } },
      'ClusterPolicyInvalid',
      /policy a /i,
    ],
  ])('a bar: %s', (_title, spec, rest, reason, message) => {
    const effective = effectiveRetention(spec, [named('a', rest)])
    expect(effective.bar?.reason ?? null).toBe(reason)
    expect(effective.bar?.message ?? '').toMatch(message)
    // Barred, it is neither raised nor capped.
    const own = effectiveRetention(spec, [])
    if (reason !== null) expect(effective).toEqual({ ...own, bar: effective.bar })
  })
})
