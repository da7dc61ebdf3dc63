/**
 * Who may do what: pure, from the principal's own statements. An explicit Deny wins; nothing is allowed by
 * silence.
 */
import { unreachable } from '../../lib/assert.ts'
import type { Principal, Statement } from '../../lib/identity.ts'
import type { Action } from '../operation.ts'

export type AuthorizationRequest = {
  readonly action: Action
  /** null: the service level. */
  readonly bucket: string | null
  /** The account that owns the bucket; null: there is none yet (CreateBucket), or the service level. */
  readonly bucketAccountId: string | null
  /** null: the bucket itself. */
  readonly key: string | null
}

export type Authorization =
  | { readonly kind: 'allow'; readonly rule: string }
  | {
      readonly kind: 'deny'
      readonly rule: 'OtherAccount' | 'ExplicitDeny' | 'NoStatement' | 'OperatorScope'
    }

/**
 * What the operator reads back as evidence, through S3 like any client. It never writes, deletes or bypasses
 * here.
 */
const operatorActions: ReadonlySet<string> = new Set<Action>([
  's3:GetBucketLocation',
  's3:GetBucketObjectLockConfiguration',
  's3:GetBucketVersioning',
  's3:ListAllMyBuckets',
  's3:ListBucket',
  's3:ListBucketVersions',
])

export function authorize(principal: Principal, request: AuthorizationRequest): Authorization {
  switch (principal.kind) {
    case 'root':
      return { kind: 'allow', rule: 'Root' }
    case 'operator':
      if (operatorActions.has(request.action)) return { kind: 'allow', rule: 'OperatorScope' }
      return { kind: 'deny', rule: 'OperatorScope' }
    case 'user':
      return authorizeUser(principal, request)
    default:
      return unreachable(principal.kind, 'every kind of principal is authorized')
  }
}

function authorizeUser(principal: Principal, request: AuthorizationRequest): Authorization {
  const isOther = request.bucketAccountId !== null && request.bucketAccountId !== principal.accountId
  if (isOther) return { kind: 'deny', rule: 'OtherAccount' }
  if (principal.statements === null) return { kind: 'allow', rule: 'AccountOwner' }
  const matching = principal.statements.filter((statement) => covers(statement, request))
  if (matching.some((statement) => statement.effect === 'Deny')) return { kind: 'deny', rule: 'ExplicitDeny' }
  return matching.length > 0 ? { kind: 'allow', rule: 'Statement' } : { kind: 'deny', rule: 'NoStatement' }
}

function covers(statement: Statement, request: AuthorizationRequest): boolean {
  return (
    statement.actions.some((pattern) =>
      matchesPattern(pattern.toLowerCase(), request.action.toLowerCase()),
    ) &&
    statement.buckets.some((pattern) => matchesPattern(pattern, request.bucket ?? '')) &&
    coversKey(statement.prefixes, request.key)
  )
}

/**
 * `*` at the end stands for any rest; elsewhere it is an ordinary character, as `access-keys.ts` refuses it
 * there.
 */
function matchesPattern(pattern: string, value: string): boolean {
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern
}

/** Prefixes are about keys: a statement that has them says nothing about the bucket itself. */
function coversKey(prefixes: readonly string[] | null, key: string | null): boolean {
  if (prefixes === null) return true
  return key !== null && prefixes.some((prefix) => key.startsWith(prefix))
}
