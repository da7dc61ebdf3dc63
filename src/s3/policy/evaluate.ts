/** What a bucket policy says to one action of one principal. Pure; who wins over whom is `auth/authorize.ts`'s business. */
import type { Principal } from '../../lib/identity.ts'
import { conditionHolds, type Doubt } from './conditions.ts'
import type { PolicyFacts } from './facts.ts'
import type { BucketPolicy, PolicyStatement, ResourcePattern, Selection } from './parse-policy.ts'
import { type PrincipalReach, reach } from './principals.ts'

export type PolicyRequest = {
  readonly principal: Principal
  readonly action: string
  /** null: the bucket itself. */
  readonly key: string | null
  readonly facts: PolicyFacts
}

export type PolicyVerdict = {
  readonly denied: boolean
  /** The most that an Allow says. */
  readonly allowed: PrincipalReach
}

export function evaluatePolicy(policy: BucketPolicy, request: PolicyRequest): PolicyVerdict {
  let denied = false
  let allowed: PrincipalReach = 'none'
  for (const statement of policy.statements) {
    const reached = applies(statement, request)
    if (reached === 'none') continue
    if (statement.effect === 'Deny') denied = true
    else if (allowed !== 'principal') allowed = reached
  }
  return { denied, allowed }
}

/** In doubt the request is denied; what is not known yet decides nothing against it, as it is asked again. */
const doubts: Readonly<Record<PolicyStatement['effect'], Doubt>> = {
  Allow: { pending: true, unreadable: false },
  Deny: { pending: false, unreadable: true },
}

function applies(statement: PolicyStatement, request: PolicyRequest): PrincipalReach {
  const reached = reach(statement.principal, request.principal)
  const holds =
    reached !== 'none' &&
    selects(statement.actions, (matches) => matches(request.action)) &&
    selects(statement.resources, (pattern) => coversResource(pattern, request.key)) &&
    statement.conditions.every((condition) => conditionHolds(condition, request, doubts[statement.effect]))
  return holds ? reached : 'none'
}

function selects<Pattern>(
  { kind, patterns }: Selection<Pattern>,
  test: (pattern: Pattern) => boolean,
): boolean {
  return patterns.some(test) === (kind === 'only')
}

function coversResource(pattern: ResourcePattern, key: string | null): boolean {
  return key === null ? pattern.level === 'bucket' : pattern.level === 'object' && pattern.key(key)
}
