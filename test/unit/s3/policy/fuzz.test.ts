/** Random policies against a second evaluator, as naive as can be: it reads the JSON itself and tries everything. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Principal } from '../../../../src/lib/identity.ts'
import { epochMs } from '../../../../src/lib/units.ts'
import { evaluatePolicy } from '../../../../src/s3/policy/evaluate.ts'
import { lockFacts } from '../../../../src/s3/policy/facts.ts'
import { parsePolicy } from '../../../../src/s3/policy/parse-policy.ts'
import { wildcard } from '../../../../src/s3/policy/wildcard.ts'
import { S3Error } from '../../../../src/s3/s3-error.ts'
import { account, bucket, facts, foreign, nowMs, user } from './support.ts'

const day = 86_400_000
const arn = `arn:aws:s3:::${bucket}`

type RawStatement = {
  readonly Effect: string
  readonly Principal?: '*' | { readonly AWS: readonly string[] }
  readonly NotPrincipal?: { readonly AWS: readonly string[] }
  readonly Action?: readonly string[]
  readonly NotAction?: readonly string[]
  readonly Resource?: readonly string[]
  readonly NotResource?: readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
}

type Request = {
  readonly principal: Principal
  readonly action: string
  readonly key: string | null
  readonly values: Readonly<Record<string, string | undefined>>
}

const some = (...from: readonly string[]) =>
  fc.uniqueArray(fc.constantFrom(...from), { minLength: 1, maxLength: 3 })
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })

const names = [account, foreign, `arn:aws:iam::${account}:user/alice`, `arn:aws:iam::${foreign}:user/alice`]
const actions = [
  's3:GetObject',
  's3:PutObject',
  's3:Put*',
  's3:*',
  '*',
  's3:ListBucket',
  's3:?etObject',
  's3:DeleteObjectVersion',
]
const resources = [arn, `${arn}/*`, `${arn}/a/*`, `${arn}/a/b`, `${arn}/?/b`, `${arn}/*b`, `${arn}/b*/*`]
const conditions: readonly (readonly [operator: string, key: string, values: readonly string[]])[] = [
  ['StringEquals', 's3:object-lock-mode', ['COMPLIANCE']],
  ['StringNotEquals', 's3:object-lock-mode', ['COMPLIANCE', 'GOVERNANCE']],
  ['StringEqualsIfExists', 's3:object-lock-mode', ['GOVERNANCE']],
  ['Null', 's3:object-lock-mode', ['true']],
  ['NumericLessThan', 's3:object-lock-remaining-retention-days', ['5']],
  ['NumericGreaterThanEqualsIfExists', 's3:object-lock-remaining-retention-days', ['5']],
  ['StringLike', 's3:prefix', ['a/*']],
  ['StringNotLike', 's3:prefix', ['a*', '']],
  ['IpAddress', 'aws:SourceIp', ['10.0.0.0/8']],
  ['NotIpAddress', 'aws:SourceIp', ['10.0.0.0/8']],
  ['Bool', 'aws:SecureTransport', ['true']],
  ['StringEquals', 'aws:PrincipalAccount', [account]],
  ['ForAnyValue:StringNotEquals', 'aws:username', ['alice']],
  ['ForAllValues:StringEquals', 'aws:username', ['alice', 'bob']],
]

const anyCondition = fc
  .uniqueArray(fc.constantFrom(...conditions), {
    minLength: 1,
    maxLength: 2,
    selector: ([operator]) => operator,
  })
  .map((chosen) => Object.fromEntries(chosen.map(([operator, key, values]) => [operator, { [key]: values }])))

/** Mostly right; what is not is refused, and that is tried, too. */
const anyStatement: fc.Arbitrary<RawStatement> = fc
  .record({
    effect: fc.constantFrom('Allow', 'Deny'),
    principal: fc.oneof(
      fc.constant('*' as const),
      some(...names).map((AWS) => ({ AWS })),
    ),
    principalNegated: fc.boolean(),
    action: some(...actions),
    actionNegated: fc.boolean(),
    resource: some(...resources),
    resourceNegated: fc.boolean(),
    condition: maybe(anyCondition),
  })
  .map((drawn) => {
    const { effect, principal } = drawn
    const negated = drawn.principalNegated && effect === 'Deny' && principal !== '*'
    return {
      Effect: effect,
      ...(negated ? { NotPrincipal: principal } : { Principal: principal }),
      ...(drawn.actionNegated ? { NotAction: drawn.action } : { Action: drawn.action }),
      ...(drawn.resourceNegated ? { NotResource: drawn.resource } : { Resource: drawn.resource }),
      ...(drawn.condition === undefined ? {} : { Condition: drawn.condition }),
    }
  })

const anyRequest: fc.Arbitrary<Request> = fc
  .record({
    name: fc.constantFrom('alice', 'bob'),
    accountId: fc.constantFrom(account, foreign),
    isOwner: fc.boolean(),
    action: fc.constantFrom('s3:GetObject', 's3:PutObject', 's3:DeleteObjectVersion', 's3:ListBucket'),
    key: fc.constantFrom('a/b', 'a/c', 'b', 'b/b', 'ab'),
    mode: maybe(fc.constantFrom('GOVERNANCE', 'COMPLIANCE')),
    days: fc.integer({ min: 1, max: 9 }),
    prefix: maybe(fc.constantFrom('a/', 'a', 'b', '')),
    ip: fc.constantFrom('10.1.2.3', '11.0.0.1', '::1', '::ffff:10.0.0.1'),
    secure: fc.boolean(),
  })
  .map((drawn) => {
    const isListing = drawn.action === 's3:ListBucket'
    return {
      principal: user(drawn.name, drawn.accountId, drawn.isOwner ? null : []),
      action: drawn.action,
      key: isListing ? null : drawn.key,
      values: {
        's3:object-lock-mode': drawn.mode,
        's3:object-lock-remaining-retention-days': drawn.mode === undefined ? undefined : String(drawn.days),
        's3:prefix': isListing ? drawn.prefix : undefined,
        'aws:SourceIp': drawn.ip,
        'aws:SecureTransport': String(drawn.secure),
        'aws:PrincipalAccount': drawn.accountId,
        'aws:username': drawn.name,
      },
    }
  })

function regExp(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`, 'u')
}

function isNamed(list: readonly string[], { accountId, displayName, statements }: Principal): string {
  if (list.includes(`arn:aws:iam::${accountId}:user/${displayName}`)) return 'principal'
  if (!list.includes(accountId)) return 'none'
  return statements === null ? 'principal' : 'account'
}

function naiveReach(statement: RawStatement, principal: Principal): string {
  if (statement.Principal === '*') return 'principal'
  if (statement.Principal !== undefined) return isNamed(statement.Principal.AWS, principal)
  const list = statement.NotPrincipal?.AWS ?? []
  const { accountId, statements } = principal
  const isUser = list.includes(`arn:aws:iam::${accountId}:user/${principal.displayName}`)
  return list.includes(accountId) && (statements === null || isUser) ? 'none' : 'principal'
}

function naiveHolds(operator: string, given: string | undefined, wanted: readonly string[]): boolean {
  const name = operator.replace(/^For(?:Any|All)Values?:/, '').replace(/IfExists$/, '')
  const isNegated = name.includes('Not')
  if (name === 'Null') return (given === undefined) === (wanted[0] === 'true')
  if (given === undefined) {
    if (operator.startsWith('ForAnyValue:')) return false
    return operator.startsWith('ForAllValues:') || operator.endsWith('IfExists') || isNegated
  }
  const one = (value: string): boolean => {
    if (name.endsWith('Like')) return regExp(value).test(given)
    if (name.endsWith('IpAddress')) return /^(?:::ffff:)?10\./.test(given)
    if (name === 'NumericLessThan') return Number(given) < Number(value)
    if (name === 'NumericGreaterThanEquals') return Number(given) >= Number(value)
    return given === value
  }
  return wanted.some(one) !== isNegated
}

function naive(statements: readonly RawStatement[], request: Request): { denied: boolean; allowed: string } {
  const target = request.key === null ? arn : `${arn}/${request.key}`
  const matching = statements
    .filter(({ Action, NotAction }) => {
      const found = (Action ?? NotAction ?? []).some((each) => regExp(each).test(request.action))
      return found === (Action !== undefined)
    })
    .filter(({ Resource, NotResource }) => {
      const found = (Resource ?? NotResource ?? []).some((each) => regExp(each).test(target))
      return found === (Resource !== undefined)
    })
    .filter(({ Condition }) =>
      Object.entries(Condition ?? {}).every(([operator, keys]) =>
        Object.entries(keys).every(([key, wanted]) => naiveHolds(operator, request.values[key], wanted)),
      ),
    )
    .map((statement) => ({ effect: statement.Effect, reach: naiveReach(statement, request.principal) }))
    .filter(({ reach }) => reach !== 'none')
  const allows = matching.filter(({ effect }) => effect === 'Allow').map(({ reach }) => reach)
  const allowed = allows.includes('principal') ? 'principal' : (allows[0] ?? 'none')
  return { denied: matching.some(({ effect }) => effect === 'Deny'), allowed }
}

function evaluated(text: string, { principal, action, key, values }: Request) {
  const mode = values['s3:object-lock-mode']
  const days = Number(values['s3:object-lock-remaining-retention-days'])
  const retention =
    mode === 'GOVERNANCE' || mode === 'COMPLIANCE'
      ? ({ mode, retainUntilMs: epochMs(nowMs + days * day) } as const)
      : null
  const prefix = values['s3:prefix']
  return evaluatePolicy(parsePolicy(text, bucket), {
    principal,
    action,
    key,
    facts: facts({
      key,
      lock: lockFacts({ retention, legalHold: null }),
      sourceIp: values['aws:SourceIp'] ?? '',
      secure: values['aws:SecureTransport'] === 'true',
      query: prefix === undefined ? {} : { prefix },
    }),
  })
}

/** null: refused, by MalformedPolicy and nothing else. */
function unlessMalformed<Value>(work: () => Value): Value | null {
  try {
    return work()
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MalformedPolicy') return null
    throw error
  }
}

// fast-check prints seed and path of a failure.
describe('random policies', () => {
  it('policy: any statements and request, the same verdict as the naive evaluator', () => {
    let taken = 0
    fc.assert(
      fc.property(
        fc.array(anyStatement, { minLength: 1, maxLength: 4 }),
        anyRequest,
        (statements, request) => {
          const text = JSON.stringify({ Version: '2012-10-17', Statement: statements })
          const found = unlessMalformed(() => evaluated(text, request))
          if (found === null) return
          taken += 1
          expect(found).toEqual(naive(statements, request))
        },
      ),
      { numRuns: 1500 },
    )
    expect(taken).toBeGreaterThan(300)
  })

  it('policy: any JSON, MalformedPolicy or a verdict, never another error', () => {
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom(...names, ...actions, ...resources, '*'),
    )
    const anyFields = fc.dictionary(
      fc.constantFrom(
        ...['Sid', 'Effect', 'Principal', 'NotPrincipal', 'Action', 'NotAction', 'Resource', 'NotResource'],
        ...['Condition', '__proto__', 'constructor'],
      ),
      odd,
    )
    const oddStatement = fc.tuple(anyStatement, anyFields).map(([right, wrong]) => ({ ...right, ...wrong }))
    fc.assert(
      fc.property(fc.oneof(odd, fc.array(fc.oneof(oddStatement, odd))), anyRequest, (statement, request) => {
        unlessMalformed(() => evaluated(JSON.stringify({ Statement: statement }), request))
      }),
      { numRuns: 800 },
    )
  })

  it('policy: any text, MalformedPolicy or taken', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        unlessMalformed(() => parsePolicy(text, bucket))
        unlessMalformed(() => parsePolicy(`{${text}}`, bucket))
      }),
      { numRuns: 800 },
    )
  })

  it('wildcard: any pattern and text, as a regular expression', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?', '😀', '\n'), maxLength: 8 })
    fc.assert(
      fc.property(letters, letters, (pattern, text) => {
        expect(wildcard(pattern)(text)).toBe(regExp(pattern).test(text))
      }),
      { numRuns: 1500 },
    )
  })

  it('wildcard: a pattern of stars against a long text, answered without trying every split', () => {
    const matches = wildcard(`${'*a'.repeat(500)}b`)
    expect(matches('a'.repeat(1024))).toBe(false)
    expect(matches(`${'a'.repeat(1023)}b`)).toBe(true)
  })
})
