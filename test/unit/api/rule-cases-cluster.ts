/** What the CRD ClusterRetentionPolicy accepts and refuses. None of them binds a namespace that exists. */
import { type Refusal, type RuleCase, refused, schema } from './rule-words.ts'

const nobody = { matchLabels: { 'test.holdfast.dev/team': 'nobody' } }
const policy = (rest: object): object => ({ namespaceSelector: nobody, ...rest })
const comparing = (expression: object): object =>
  policy({ namespaceSelector: { ...nobody, matchExpressions: [expression] }, ceiling: { days: 1 } })
const compliance = (period: object): object => ({ mode: 'COMPLIANCE', ...period })
const governance = (period: object): object => ({ mode: 'GOVERNANCE', ...period })

const asksSomething = refused('AsksSomething', 'spec')
const belowCeiling = refused('FloorBelowCeiling', 'spec.ceiling')
const modeAllowed = refused('FloorModeAllowed', 'spec.allowedModes')
const confirmed = refused('FloorConfirmed', 'spec.irreversible')
const values = refused('SelectorValues', 'spec.namespaceSelector.matchExpressions[0].values')
const floorPeriod = refused('DaysXorYears', 'spec.floor')

const cases: readonly (readonly [string, object | null, object, 'accepted' | Refusal])[] = [
  ['a floor', null, policy({ floor: governance({ days: 7 }) }), 'accepted'],
  ['a ceiling', null, policy({ ceiling: { years: 10 } }), 'accepted'],
  ['allowed modes', null, policy({ allowedModes: ['GOVERNANCE'] }), 'accepted'],
  [
    'everything',
    null,
    policy({
      floor: compliance({ years: 2 }),
      ceiling: { years: 2 },
      allowedModes: ['COMPLIANCE', 'GOVERNANCE'],
      irreversible: true,
    }),
    'accepted',
  ],
  ['nothing is asked', null, policy({}), asksSomething],
  ['a confirmation alone asks nothing', null, policy({ irreversible: true }), asksSomething],
  ['no selector', null, { ceiling: { days: 1 } }, schema('spec.namespaceSelector')],
  ['a floor without a mode', null, policy({ floor: { days: 1 } }), schema('spec.floor.mode')],
  ['a floor without a period', null, policy({ floor: governance({}) }), floorPeriod],
  ['a floor in days and years', null, policy({ floor: governance({ days: 1, years: 1 }) }), floorPeriod],
  ['an empty ceiling', null, policy({ ceiling: {} }), refused('DaysXorYears', 'spec.ceiling')],
  ['a ceiling of no days', null, policy({ ceiling: { days: 0 } }), schema('spec.ceiling.days')],
  ['no mode allowed', null, policy({ allowedModes: [] }), schema('spec.allowedModes')],
  ['an unknown mode allowed', null, policy({ allowedModes: ['NONE'] }), schema('spec.allowedModes[0]')],
  [
    'a mode allowed twice',
    null,
    policy({ allowedModes: ['GOVERNANCE', 'GOVERNANCE'] }),
    schema('spec.allowedModes[1]'),
  ],
  [
    'a floor equal to the ceiling',
    null,
    policy({ floor: governance({ days: 9 }), ceiling: { days: 9 } }),
    'accepted',
  ],
  [
    'a floor above the ceiling',
    null,
    policy({ floor: governance({ days: 10 }), ceiling: { days: 9 } }),
    belowCeiling,
  ],
  [
    'a floor of a year, not provably below 365 days',
    null,
    policy({ floor: governance({ years: 1 }), ceiling: { days: 365 } }),
    belowCeiling,
  ],
  [
    'a floor of a mode that is not allowed',
    null,
    policy({ floor: governance({ days: 1 }), allowedModes: ['COMPLIANCE'] }),
    modeAllowed,
  ],
  [
    '366 days of COMPLIANCE need no confirmation',
    null,
    policy({ floor: compliance({ days: 366 }) }),
    'accepted',
  ],
  ['367 days of COMPLIANCE need it', null, policy({ floor: compliance({ days: 367 }) }), confirmed],
  [
    'two years of COMPLIANCE, denied confirmation',
    null,
    policy({ floor: compliance({ years: 2 }), irreversible: false }),
    confirmed,
  ],
  ['two years of GOVERNANCE need none', null, policy({ floor: governance({ years: 2 }) }), 'accepted'],
  ['a long ceiling needs none', null, policy({ ceiling: { years: 100 } }), 'accepted'],
  ['an expression with values', null, comparing({ key: 'a/b', operator: 'In', values: ['x'] }), 'accepted'],
  ['an expression without values', null, comparing({ key: 'a', operator: 'DoesNotExist' }), 'accepted'],
  ['In without values', null, comparing({ key: 'a', operator: 'In' }), values],
  ['NotIn with no value', null, comparing({ key: 'a', operator: 'NotIn', values: [] }), values],
  ['Exists with a value', null, comparing({ key: 'a', operator: 'Exists', values: ['x'] }), values],
  [
    'an unknown operator',
    null,
    comparing({ key: 'a', operator: 'Gt', values: ['1'] }),
    schema('spec.namespaceSelector.matchExpressions[0].operator'),
  ],
  [
    'a key that no label can have',
    null,
    comparing({ key: 'a b', operator: 'Exists' }),
    schema('spec.namespaceSelector.matchExpressions[0].key'),
  ],
  [
    'a value that no label can have',
    null,
    policy({ namespaceSelector: { matchLabels: { a: 'b c' } }, ceiling: { days: 1 } }),
    schema('spec.namespaceSelector.matchLabels.a'),
  ],
  [
    'a lower floor, a lower ceiling and fewer modes: it reaches what is edited later',
    policy({ floor: compliance({ days: 9 }), ceiling: { days: 99 } }),
    policy({ floor: governance({ days: 1 }), ceiling: { days: 1 }, allowedModes: ['GOVERNANCE'] }),
    'accepted',
  ],
  [
    'no floor any more, but a ceiling',
    policy({ floor: compliance({ days: 9 }) }),
    policy({ ceiling: { days: 99 } }),
    'accepted',
  ],
]

export const clusterPolicies: readonly RuleCase[] = cases.map(([title, old, next, expected]) => ({
  title,
  kind: 'ClusterRetentionPolicy',
  old,
  next,
  expected,
}))
