/**
 * The Condition block: operators, their values, and when they hold. Source: "IAM JSON policy elements: Condition operators",
 * IAM User Guide. All keys have one value at most.
 */
import { parseIsoDate } from '../dates.ts'
import {
  type ConditionKey,
  type ConditionSource,
  type ConditionType,
  type ConditionValue,
  conditionKey,
} from './condition-keys.ts'
import { parseIpRange } from './ip-ranges.ts'
import { fieldsOf, listOf } from './json.ts'
import { malformedPolicy } from './malformed-policy.ts'
import { hasWildcard, wildcard } from './wildcard.ts'

type Matcher = (value: string | number) => boolean

type Operator = {
  readonly types: readonly ConditionType[]
  /** Holds where no value of the policy matches, also where the request has none. */
  readonly negated: boolean
  /** null: no value of this operator. */
  readonly matcher: (value: string) => Matcher | null
}

export type Condition = {
  /** As written, e.g. `StringLikeIfExists`. */
  readonly operator: string
  readonly key: ConditionKey
  readonly values: readonly string[]
  readonly holds: (value: ConditionValue, doubt: Doubt) => boolean
}

/** How a value that is not known yet, or cannot be read, counts: always so that less is allowed, or nothing decided. */
export type Doubt = { readonly pending: boolean; readonly unreadable: boolean }

const onText =
  (test: (text: string) => boolean): Matcher =>
  (value) =>
    typeof value === 'string' && test(value)
const onNumber =
  (test: (number: number) => boolean): Matcher =>
  (value) =>
    typeof value === 'number' && test(value)

function pair(
  name: string,
  negatedName: string,
  base: Omit<Operator, 'negated'>,
): readonly (readonly [string, Operator])[] {
  return [
    [name, { ...base, negated: false }],
    [negatedName, { ...base, negated: true }],
  ]
}

const texts: readonly ConditionType[] = ['text', 'arn']
const lower = (text: string) => text.toLowerCase()

type Order = (given: number, wanted: number) => boolean
const orders: readonly (readonly [string, Order])[] = [
  ['LessThan', (given, wanted) => given < wanted],
  ['LessThanEquals', (given, wanted) => given <= wanted],
  ['GreaterThan', (given, wanted) => given > wanted],
  ['GreaterThanEquals', (given, wanted) => given >= wanted],
]
const equal: Order = (given, wanted) => given === wanted

function ordered(
  name: 'Numeric' | 'Date',
  type: ConditionType,
  parse: (value: string) => number | null,
): readonly (readonly [string, Operator])[] {
  const operator = (order: Order) => ({
    types: [type],
    matcher: (value: string) => {
      const wanted = parse(value)
      return wanted === null ? null : onNumber((given) => order(given, wanted))
    },
  })
  return [
    ...pair(`${name}Equals`, `${name}NotEquals`, operator(equal)),
    ...orders.map(([suffix, order]) => [`${name}${suffix}`, { ...operator(order), negated: false }] as const),
  ]
}

const operators: ReadonlyMap<string, Operator> = new Map([
  ...pair('StringEquals', 'StringNotEquals', {
    types: texts,
    matcher: (value) => onText((text) => text === value),
  }),
  ...pair('StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase', {
    types: texts,
    matcher: (value) => onText((text) => lower(text) === lower(value)),
  }),
  ...pair('StringLike', 'StringNotLike', { types: texts, matcher: (value) => onText(wildcard(value)) }),
  // For ARNs AWS makes no difference between Equals and Like.
  ...pair('ArnEquals', 'ArnNotEquals', { types: ['arn'], matcher: arnMatcher }),
  ...pair('ArnLike', 'ArnNotLike', { types: ['arn'], matcher: arnMatcher }),
  ...ordered('Numeric', 'number', (value) => (/^-?\d+(\.\d+)?$/.test(value) ? Number(value) : null)),
  ...ordered('Date', 'instant', parseIsoDate),
  ['Bool', { types: ['boolean'], negated: false, matcher: booleanMatcher }],
  ...pair('IpAddress', 'NotIpAddress', {
    types: ['address'],
    matcher: (value) => {
      const range = parseIpRange(value)
      return range === null ? null : onText(range.contains)
    },
  }),
])

/** Each of an ARN's six parts by itself: a `*` does not reach over a colon, except in the last. */
function arnMatcher(value: string): Matcher | null {
  const parts = arnParts(value)
  if (parts === null) return null
  const matchers = parts.map(wildcard)
  return onText((text) => {
    const given = arnParts(text)
    return given !== null && matchers.every((matches, index) => matches(given[index] ?? ''))
  })
}

function arnParts(arn: string): readonly string[] | null {
  const [scheme, partition, service, region, account, ...resource] = arn.split(':')
  if (scheme !== 'arn' || resource.length === 0) return null
  return [scheme, partition ?? '', service ?? '', region ?? '', account ?? '', resource.join(':')]
}

function booleanMatcher(value: string): Matcher | null {
  return value === 'true' || value === 'false' ? onText((text) => text === value) : null
}

/** Errors: MalformedPolicy naming the operator, the key or the value that is not understood. */
export function parseConditions(block: unknown): readonly Condition[] {
  return [...fieldsOf(block, 'Condition')].flatMap(([operator, keys]) =>
    [...fieldsOf(keys, operator)].map(([name, values]) => parseCondition(operator, name, values)),
  )
}

function parseCondition(operator: string, name: string, given: unknown): Condition {
  const key = conditionKey(name)
  if (key === null) throw malformedPolicy('Policy has an invalid condition key', name)
  const values = listOf(given).map((value) => valueText(value, name))
  if (values.length === 0) throw malformedPolicy('Invalid value in Condition', `${name} has no value`)
  return { operator, key, values, holds: holdsOf(operator, key, values) }
}

function valueText(value: unknown, name: string): string {
  if (typeof value !== 'string' && typeof value !== 'boolean' && typeof value !== 'number') {
    throw malformedPolicy('Invalid value in Condition', `a value of ${name} must be text`)
  }
  const text = String(value)
  if (text.includes('${')) throw malformedPolicy('Policy variables are not supported by this server', text)
  return text
}

function holdsOf(operator: string, key: ConditionKey, values: readonly string[]): Condition['holds'] {
  if (operator === 'Null') return nullTest(key, values)
  const { quantifier, name, ifExists } = partsOf(operator)
  const found = operators.get(name)
  if (found === undefined) throw malformedPolicy(`Invalid Condition type : ${operator}`, operator)
  if (!found.types.includes(key.type)) {
    throw malformedPolicy(`Invalid Condition type : ${operator}`, `${name} is not for ${key.name}`)
  }
  const matchers = values.map((value) => matcherOf(found, value, key))
  const whenAbsent = ifExists || quantifier === 'ForAllValues' || (found.negated && quantifier === null)
  return (value, doubt) => {
    if (value.kind === 'absent') return whenAbsent
    if (value.kind === 'pending') return doubt.pending
    if (value.kind === 'unreadable') return doubt.unreadable
    const given = value.kind === 'text' ? value.text : value.number
    return matchers.some((matches) => matches(given)) !== found.negated
  }
}

function matcherOf(operator: Operator, value: string, key: ConditionKey): Matcher {
  const matcher = operator.matcher(value)
  if (matcher !== null) return matcher
  const message = key.type === 'address' ? 'Invalid IP address in Conditions' : 'Invalid value in Condition'
  throw malformedPolicy(message, `${key.name}: ${value}`)
}

/** `{"Null": {"key": "true"}}` holds where the request has no such key. */
function nullTest(key: ConditionKey, values: readonly string[]): Condition['holds'] {
  const [wanted] = values
  if (values.length !== 1 || (wanted !== 'true' && wanted !== 'false')) {
    throw malformedPolicy('Invalid value in Condition', `Null of ${key.name} must be true or false`)
  }
  return (value, doubt) =>
    value.kind === 'pending' ? doubt.pending : (value.kind === 'absent') === (wanted === 'true')
}

type OperatorParts = {
  readonly quantifier: 'ForAnyValue' | 'ForAllValues' | null
  readonly name: string
  readonly ifExists: boolean
}

function partsOf(operator: string): OperatorParts {
  const match = /^(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?$/.exec(operator)
  const quantifier = match?.[1]
  return {
    quantifier: quantifier === 'ForAnyValue' || quantifier === 'ForAllValues' ? quantifier : null,
    name: match?.[2] ?? operator,
    ifExists: match?.[3] !== undefined,
  }
}

export function conditionHolds(condition: Condition, source: ConditionSource, doubt: Doubt): boolean {
  return condition.holds(condition.key.read(source), doubt)
}

/** Keys that tie an Allow for everybody to accounts, users or networks that are written down. */
const fixing: readonly string[] = ['aws:PrincipalAccount', 'aws:PrincipalArn', 'aws:SourceIp']
const fixingOperators: readonly string[] = [
  'StringEquals',
  'StringEqualsIgnoreCase',
  'StringLike',
  'ArnEquals',
  'ArnLike',
  'IpAddress',
]
/** Wider networks are as good as everybody. Source: "The meaning of public", Amazon S3 User Guide. */
const networkBitsMin = { ipv4: 8, ipv6: 32 }

/** Whether this condition lets only those in that it names, and none by a wildcard. */
export function fixesPrincipals({ operator, key, values }: Condition): boolean {
  const name = operator.replace(/^ForAnyValue:/, '')
  if (!fixing.includes(key.name) || !fixingOperators.includes(name)) return false
  return values.every((value) => {
    if (key.type !== 'address') return !hasWildcard(value)
    const range = parseIpRange(value)
    return range !== null && range.prefixBits >= networkBitsMin[range.family]
  })
}
