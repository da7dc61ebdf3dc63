/**
 * What the CRDs accept and refuse, as data: the twins in TypeScript run it here, a real API server in
 * test/cluster. `old: null` is a creation. `rule` names the rule that refuses; `Schema` is the schema itself.
 */
import { bucketAccesses } from './rule-cases-access.ts'
import { bucketNames, lockedBuckets } from './rule-cases-buckets.ts'
import { clusterPolicies } from './rule-cases-cluster.ts'
import { bucketSettings } from './rule-cases-settings.ts'
import { type Refusal, type RuleCase, refused, schema } from './rule-words.ts'

export type { RuleCase } from './rule-words.ts'

const compliance = (period: object, rest: object = {}): object => ({
  defaultRetention: { mode: 'COMPLIANCE', ...period },
  ...rest,
})
const governance = (period: object, rest: object = {}): object => ({
  defaultRetention: { mode: 'GOVERNANCE', ...period },
  ...rest,
})
const days = (count: number): object => ({ days: count })
const years = (count: number): object => ({ years: count })
const rule = (prefix: string, period: object): object => ({ prefix, ...period })

const period = 'spec.defaultRetention'
const modeKept = refused('ComplianceModeKept', `${period}.mode`)
const defaultKept = refused('ComplianceDefaultKept', period)
const rulesKept = refused('ComplianceRulesKept', 'spec.rules')
const minimumKept = refused('ComplianceMinimumKept', 'spec.minimum')
const confirm = refused('IrreversibleConfirmed', 'spec.irreversible')
const bounds = refused('BoundsOrdered', 'spec.maximum')
const irreversible = { irreversible: true }

function policies(
  cases: readonly (readonly [string, object | null, object, 'accepted' | Refusal])[],
): readonly RuleCase[] {
  return cases.map(([title, old, next, expected]) => ({
    title,
    kind: 'RetentionPolicy',
    old,
    next,
    expected,
  }))
}

const creation = policies([
  ['COMPLIANCE of a day', null, compliance(days(1)), 'accepted'],
  ['GOVERNANCE of a hundred years', null, governance(years(100)), 'accepted'],
  ['the longest period in days', null, governance(days(36_500)), 'accepted'],
  ['applyToExisting', null, compliance(days(1), { applyToExisting: 'ExtendOnly' }), 'accepted'],
  [
    'applyToExisting, an unknown word',
    null,
    compliance(days(1), { applyToExisting: 'Yes' }),
    schema('spec.applyToExisting'),
  ],
  ['no defaultRetention', null, {}, schema(period)],
  ['no mode', null, { defaultRetention: days(1) }, schema(`${period}.mode`)],
  [
    'a mode in lower case',
    null,
    { defaultRetention: { mode: 'compliance', days: 1 } },
    schema(`${period}.mode`),
  ],
  ['neither days nor years', null, governance({}), refused('DaysXorYears', period)],
  ['COMPLIANCE with neither days nor years', null, compliance({}), refused('DaysXorYears', period)],
  ['days and years', null, governance({ days: 1, years: 1 }), refused('DaysXorYears', period)],
  ['no days at all', null, governance(days(0)), schema(`${period}.days`)],
  ['one day too many', null, governance(days(36_501)), schema(`${period}.days`)],
  ['one year too many', null, governance(years(101)), schema(`${period}.years`)],
  ['half a day', null, governance(days(0.5)), schema(`${period}.days`)],
  ['days as text', null, governance({ days: '1' }), schema(`${period}.days`)],
  ['366 days of COMPLIANCE need no confirmation', null, compliance(days(366)), 'accepted'],
  ['367 days of COMPLIANCE need it', null, compliance(days(367)), confirm],
  ['367 days of COMPLIANCE, confirmed', null, compliance(days(367), irreversible), 'accepted'],
  ['one year of COMPLIANCE needs no confirmation', null, compliance(years(1)), 'accepted'],
  ['two years of COMPLIANCE need it', null, compliance(years(2)), confirm],
  [
    'two years of COMPLIANCE, denied confirmation',
    null,
    compliance(years(2), { irreversible: false }),
    confirm,
  ],
  ['two years of GOVERNANCE need none', null, governance(years(2)), 'accepted'],
  [
    'a long prefix rule needs confirmation',
    null,
    compliance(days(1), { rules: [rule('a', days(367))] }),
    confirm,
  ],
  [
    'a long prefix rule, confirmed',
    null,
    compliance(days(1), { rules: [rule('a', years(9))], ...irreversible }),
    'accepted',
  ],
  ['a long minimum needs confirmation', null, compliance(days(1), { minimum: days(367) }), confirm],
  ['a long maximum needs none', null, compliance(days(1), { maximum: years(100) }), 'accepted'],
  ['minimum equal to maximum', null, governance(days(1), { minimum: days(2), maximum: days(2) }), 'accepted'],
  ['minimum above maximum', null, governance(days(1), { minimum: days(3), maximum: days(2) }), bounds],
  [
    'a year below a maximum of 366 days',
    null,
    governance(days(1), { minimum: years(1), maximum: days(366) }),
    'accepted',
  ],
  [
    'a year not provably below 365 days',
    null,
    governance(days(1), { minimum: years(1), maximum: days(365) }),
    bounds,
  ],
  [
    'minimum with days and years',
    null,
    governance(days(1), { minimum: { days: 1, years: 1 } }),
    refused('DaysXorYears', 'spec.minimum'),
  ],
  ['an empty maximum', null, governance(days(1), { maximum: {} }), refused('DaysXorYears', 'spec.maximum')],
  ['an empty list of rules', null, governance(days(1), { rules: [] }), 'accepted'],
  [
    'a rule without a period',
    null,
    governance(days(1), { rules: [{ prefix: 'a' }] }),
    refused('DaysXorYears', 'spec.rules[0]'),
  ],
  [
    'a rule without a prefix',
    null,
    governance(days(1), { rules: [days(1)] }),
    schema('spec.rules[0].prefix'),
  ],
  [
    'a rule with an empty prefix',
    null,
    governance(days(1), { rules: [rule('', days(1))] }),
    schema('spec.rules[0].prefix'),
  ],
  [
    'two rules of one prefix',
    null,
    governance(days(1), { rules: [rule('a', days(2)), rule('a', days(3))] }),
    schema('spec.rules[1]'),
  ],
  [
    'a prefix of 512 bytes',
    null,
    governance(days(1), { rules: [rule('é'.repeat(256), days(2))] }),
    'accepted',
  ],
  [
    'a prefix of 514 bytes in 257 characters',
    null,
    governance(days(1), { rules: [rule('é'.repeat(257), days(2))] }),
    refused('PrefixBytes', 'spec.rules[0].prefix'),
  ],
  [
    'a prefix of 513 characters',
    null,
    governance(days(1), { rules: [rule('a'.repeat(513), days(2))] }),
    schema('spec.rules[0].prefix'),
  ],
  ['32 rules', null, governance(days(1), { rules: manyRules(32) }), 'accepted'],
  ['33 rules', null, governance(days(1), { rules: manyRules(33) }), schema('spec.rules')],
])

const tightening = policies([
  ['COMPLIANCE longer', compliance(days(30)), compliance(days(31)), 'accepted'],
  ['COMPLIANCE unchanged', compliance(days(30)), compliance(days(30)), 'accepted'],
  ['COMPLIANCE in years unchanged', compliance(years(1)), compliance(years(1)), 'accepted'],
  ['COMPLIANCE shorter', compliance(days(30)), compliance(days(29)), defaultKept],
  ['COMPLIANCE to GOVERNANCE', compliance(days(30)), governance(days(30)), modeKept],
  ['COMPLIANCE to a longer GOVERNANCE', compliance(days(30)), governance(days(99)), modeKept],
  ['31 days to a year', compliance(days(31)), compliance(years(1)), 'accepted'],
  ['365 days to a year', compliance(days(365)), compliance(years(1)), 'accepted'],
  ['366 days to a year', compliance(days(366)), compliance(years(1)), defaultKept],
  ['a year to 366 days', compliance(years(1)), compliance(days(366)), 'accepted'],
  ['a year to 365 days', compliance(years(1)), compliance(days(365)), defaultKept],
  ['two years to one', compliance(years(2), irreversible), compliance(years(1)), defaultKept],
  ['beyond 366 days without confirmation', compliance(days(30)), compliance(days(367)), confirm],
  [
    'beyond 366 days with confirmation',
    compliance(days(30)),
    compliance(days(367), irreversible),
    'accepted',
  ],
  [
    'confirmation taken back while it is needed',
    compliance(years(2), irreversible),
    compliance(years(2)),
    confirm,
  ],
  ['GOVERNANCE shorter', governance(days(30)), governance(days(1)), 'accepted'],
  ['GOVERNANCE to a shorter COMPLIANCE', governance(days(30)), compliance(days(1)), 'accepted'],
  [
    'GOVERNANCE loses a rule',
    governance(days(1), { rules: [rule('a', days(9))] }),
    governance(days(1)),
    'accepted',
  ],
  [
    'GOVERNANCE with a rule becomes COMPLIANCE without it',
    governance(days(1), { rules: [rule('a', days(9))] }),
    compliance(days(1)),
    'accepted',
  ],
])

const nine = { rules: [rule('logs/', days(9))] }
const tighteningRules = policies([
  ['a rule added', compliance(days(1)), compliance(days(1), nine), 'accepted'],
  [
    'a rule lengthened',
    compliance(days(1), nine),
    compliance(days(1), { rules: [rule('logs/', days(10))] }),
    'accepted',
  ],
  [
    'a rule shortened',
    compliance(days(1), nine),
    compliance(days(1), { rules: [rule('logs/', days(8))] }),
    rulesKept,
  ],
  ['the only rule emptied away', compliance(days(1), nine), compliance(days(1), { rules: [] }), rulesKept],
  ['rules unset', compliance(days(1), nine), compliance(days(1)), rulesKept],
  ['rules unset, the default raised over them', compliance(days(1), nine), compliance(days(9)), 'accepted'],
  ['a rule that the default covers removed', compliance(days(9), nine), compliance(days(9)), 'accepted'],
  [
    'a rule that a shorter prefix covers removed',
    compliance(days(1), { rules: [rule('logs/', days(9)), rule('logs/a/', days(8))] }),
    compliance(days(1), nine),
    'accepted',
  ],
  [
    'a rule that only a longer prefix covers removed',
    compliance(days(1), { rules: [rule('logs/', days(9)), rule('logs/a/', days(9))] }),
    compliance(days(1), { rules: [rule('logs/a/', days(9))] }),
    rulesKept,
  ],
  [
    'a rule moved to another prefix',
    compliance(days(1), nine),
    compliance(days(1), { rules: [rule('log', days(9))] }),
    'accepted',
  ],
  [
    'a rule moved to a longer prefix',
    compliance(days(1), nine),
    compliance(days(1), { rules: [rule('logs/a', days(9))] }),
    rulesKept,
  ],
  [
    'rules in another order',
    compliance(days(1), { rules: [rule('a', days(9)), rule('b', days(8))] }),
    compliance(days(1), { rules: [rule('b', days(8)), rule('a', days(9))] }),
    'accepted',
  ],
  [
    'a rule of 60 days becomes a year',
    compliance(days(1), { rules: [rule('a', days(60))] }),
    compliance(days(1), { rules: [rule('a', years(1))] }),
    'accepted',
  ],
  [
    'a rule of a year becomes 365 days',
    compliance(days(1), { rules: [rule('a', years(1))] }),
    compliance(days(1), { rules: [rule('a', days(365))] }),
    rulesKept,
  ],
  [
    '32 rules kept',
    compliance(days(1), { rules: manyRules(32) }),
    compliance(days(2), { rules: manyRules(32) }),
    'accepted',
  ],
])

const tighteningBounds = policies([
  ['a minimum set', compliance(days(1)), compliance(days(1), { minimum: days(2) }), 'accepted'],
  [
    'a minimum raised',
    compliance(days(1), { minimum: days(2) }),
    compliance(days(1), { minimum: days(3) }),
    'accepted',
  ],
  [
    'a minimum lowered',
    compliance(days(1), { minimum: days(2) }),
    compliance(days(1), { minimum: days(1) }),
    minimumKept,
  ],
  ['a minimum unset', compliance(days(1), { minimum: days(2) }), compliance(days(1)), minimumKept],
  [
    'a minimum of a year to 365 days',
    compliance(days(1), { minimum: years(1) }),
    compliance(days(1), { minimum: days(365) }),
    minimumKept,
  ],
  [
    'a maximum set, raised, unset',
    compliance(days(1), { maximum: days(2) }),
    compliance(days(1)),
    'accepted',
  ],
  [
    'a maximum lowered',
    compliance(days(1), { maximum: days(9) }),
    compliance(days(1), { maximum: days(2) }),
    'accepted',
  ],
  ['GOVERNANCE, a minimum unset', governance(days(1), { minimum: days(2) }), governance(days(1)), 'accepted'],
])

export const ruleCases: readonly RuleCase[] = [
  ...creation,
  ...tightening,
  ...tighteningRules,
  ...tighteningBounds,
  ...bucketNames,
  ...lockedBuckets,
  ...bucketSettings,
  ...bucketAccesses,
  ...clusterPolicies,
]

function manyRules(count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => rule(`${'p'.repeat(500)}${index}`, days(9)))
}
