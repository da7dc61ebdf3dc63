/**
 * A bucket policy, read strictly: what is not understood is refused by name, because a statement that is skipped would allow or
 * deny something else than its author wrote. Sentences are AWS's.
 */
import { limits } from '../../lib/limits.ts'
import { type ActionLevel, actionPattern, actionsOf } from './actions.ts'
import { type Condition, fixesPrincipals, parseConditions } from './conditions.ts'
import { type Fields, fieldsOf, listOf, parseJsonObject, textsOf } from './json.ts'
import { malformedPolicy } from './malformed-policy.ts'
import { type PrincipalMatch, parsePrincipalName } from './principals.ts'
import { hasWildcard, type Wildcard, wildcard } from './wildcard.ts'

/** `except`: NotAction or NotResource. */
export type Selection<Pattern> = { readonly kind: 'only' | 'except'; readonly patterns: readonly Pattern[] }

/** `key: null`: the bucket itself. */
export type ResourcePattern = { readonly level: ActionLevel; readonly key: Wildcard }

export type PolicyStatement = {
  readonly effect: 'Allow' | 'Deny'
  readonly principal: PrincipalMatch
  readonly actions: Selection<(action: string) => boolean>
  readonly resources: Selection<ResourcePattern>
  readonly conditions: readonly Condition[]
}

export type BucketPolicy = { readonly statements: readonly PolicyStatement[] }

const versions: readonly unknown[] = ['2012-10-17', '2008-10-17', undefined]
const syntax = 'Invalid policy syntax.'

/** Errors: MalformedPolicy. */
export function parsePolicy(text: string, bucket: string): BucketPolicy {
  const fields = parseJsonObject(text)
  allowOnly(fields, ['Version', 'Id', 'Statement'])
  if (!versions.includes(fields.get('Version'))) {
    throw malformedPolicy('The policy must contain a valid version string', textOf(fields.get('Version')))
  }
  textField(fields, 'Id')
  if (!fields.has('Statement')) throw malformedPolicy('Missing required field Statement', 'Statement')
  const statements = listOf(fields.get('Statement'))
  if (statements.length === 0) {
    throw malformedPolicy('Could not parse the policy: Statement is empty!', 'Statement')
  }
  const parsed = statements.map((statement) => parseStatement(fieldsOf(statement, 'a statement'), bucket))
  const sids = parsed.flatMap(({ sid }) => sid ?? [])
  const twice = sids.find((sid, index) => sids.indexOf(sid) !== index)
  if (twice !== undefined)
    throw malformedPolicy('Statement IDs (SID) in a single policy must be unique.', twice)
  return { statements: parsed.map(({ statement }) => statement) }
}

const statementFields = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]

type Parsed = { readonly sid: string | null; readonly statement: PolicyStatement }

function parseStatement(fields: Fields, bucket: string): Parsed {
  allowOnly(fields, statementFields)
  const sid = textField(fields, 'Sid')
  const effect = fields.get('Effect')
  if (effect === undefined) throw malformedPolicy('Missing required field Effect', 'Effect')
  if (effect !== 'Allow' && effect !== 'Deny') {
    throw malformedPolicy(`Invalid effect: ${textOf(effect)}`, 'Effect')
  }
  const principal = parsePrincipal(fields, effect)
  const action = oneOf(fields, 'Action', 'NotAction')
  const patterns = textsOf(action.value, 'Policy has invalid action', action.name)
  const wrong = patterns.find((pattern) => actionsOf(pattern).length === 0)
  if (wrong !== undefined) throw malformedPolicy('Policy has invalid action', wrong)
  const resource = oneOf(fields, 'Resource', 'NotResource')
  const resources = textsOf(resource.value, 'Policy has invalid resource', resource.name).map((text) =>
    parseResource(text, bucket),
  )
  const conditions = fields.has('Condition') ? parseConditions(fields.get('Condition')) : []
  if (action.kind === 'only') {
    if (resource.kind === 'only') checkLevels(patterns, resources)
    checkConditions(patterns, conditions)
  }
  const statement: PolicyStatement = {
    effect,
    principal,
    actions: { kind: action.kind, patterns: patterns.map(actionPattern) },
    resources: { kind: resource.kind, patterns: resources },
    conditions,
  }
  return { sid, statement }
}

function allowOnly(fields: Fields, names: readonly string[]): void {
  const unknown = [...fields.keys()].find((name) => !names.includes(name))
  if (unknown !== undefined) throw malformedPolicy(`Unknown field ${unknown}`, unknown)
}

/** For sentences. Not String(): that calls what a client wrote as `toString`. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function textField(fields: Fields, name: string): string | null {
  const value = fields.get(name)
  if (value === undefined) return null
  if (typeof value !== 'string') throw malformedPolicy(syntax, `${name} must be text`)
  return value
}

type OneOf = { readonly kind: 'only' | 'except'; readonly name: string; readonly value: unknown }

/** An element and its opposite exclude each other. */
function oneOf(fields: Fields, name: string, negatedName: string): OneOf {
  if (fields.has(name) && fields.has(negatedName)) {
    throw malformedPolicy(syntax, `${name} and ${negatedName} exclude each other`)
  }
  if (fields.has(name)) return { kind: 'only', name, value: fields.get(name) }
  if (fields.has(negatedName)) return { kind: 'except', name: negatedName, value: fields.get(negatedName) }
  throw malformedPolicy(`Missing required field ${name}`, name)
}

function parsePrincipal(fields: Fields, effect: PolicyStatement['effect']): PrincipalMatch {
  const invalid = (detail: string) => malformedPolicy('Invalid principal in policy', detail)
  const { kind, name, value } = oneOf(fields, 'Principal', 'NotPrincipal')
  if (kind === 'except' && effect === 'Allow') throw invalid('NotPrincipal is for Deny only')
  const texts = value === '*' ? ['*'] : principalTexts(value, invalid)
  if (texts.includes('*')) {
    if (kind === 'except') throw invalid('NotPrincipal *')
    return { kind: 'everyone' }
  }
  const names = texts.map((text) => {
    const parsed = parsePrincipalName(text)
    if (parsed === null) throw invalid(`"AWS" : "${text}"`)
    return parsed
  })
  if (names.length === 0) throw invalid(`${name} is empty`)
  return { kind, names }
}

function principalTexts(value: unknown, invalid: (detail: string) => Error): readonly string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(textOf(value))
  const types = Object.keys(value)
  const foreign = types.find((type) => type !== 'AWS')
  if (foreign !== undefined) throw invalid(`principals of type ${foreign} do not exist here`)
  const [texts] = Object.values(value)
  return textsOf(texts, 'Invalid principal in policy', 'AWS')
}

function parseResource(text: string, bucket: string): ResourcePattern {
  const arn = `arn:aws:s3:::${bucket}`
  if (text.includes('${')) throw malformedPolicy('Policy variables are not supported by this server', text)
  if (text === arn) return { level: 'bucket', key: () => false }
  const pattern = text.slice(arn.length + 1)
  const isBelow = text.startsWith(`${arn}/`) && Buffer.byteLength(pattern) <= limits.objectKeyBytesMax
  if (!isBelow) throw malformedPolicy('Policy has invalid resource', text)
  return { level: 'object', key: wildcard(pattern) }
}

/** A statement that can never be about anything is a mistake, as on AWS. */
function checkLevels(patterns: readonly string[], resources: readonly ResourcePattern[]): void {
  const levels = new Set(resources.map(({ level }) => level))
  const useless = patterns.find((pattern) => !actionsOf(pattern).some(({ level }) => levels.has(level)))
  if (useless === undefined) return
  throw malformedPolicy('Action does not apply to any resource(s) in statement', useless)
}

/** A key must be known to each action that is named, and to one of those that a wildcard stands for. */
function checkConditions(patterns: readonly string[], conditions: readonly Condition[]): void {
  for (const { key } of conditions) {
    if (key.actions === null) continue
    const knows = (pattern: string) => actionsOf(pattern).some(({ name }) => key.actions?.includes(name))
    const named = patterns.filter((pattern) => !hasWildcard(pattern))
    if (named.every(knows) && patterns.some(knows)) continue
    throw malformedPolicy(
      'Conditions do not apply to combination of actions and resources in statement',
      key.name,
    )
  }
}

/** Somebody may be let in whom the policy does not name: every signed key, as nobody is anonymous here. */
export function isPublicPolicy({ statements }: BucketPolicy): boolean {
  return statements.some(
    ({ effect, principal, conditions }) =>
      effect === 'Allow' && principal.kind === 'everyone' && !conditions.some(fixesPrincipals),
  )
}
