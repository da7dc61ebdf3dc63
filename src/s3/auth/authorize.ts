/**
 * Who may do what: pure, from the principal's own statements and the bucket's policy. An explicit Deny of either wins; nothing
 * is allowed by silence.
 */
import { unreachable } from '../../lib/assert.ts'
import type { Principal, Statement } from '../../lib/identity.ts'
import { canaryBucket, isSystemBucket } from '../../lib/system-buckets.ts'
import type { Action } from '../operation.ts'
import { evaluatePolicy, type PolicyVerdict } from '../policy/evaluate.ts'
import type { PolicyFacts } from '../policy/facts.ts'
import type { BucketPolicy } from '../policy/parse-policy.ts'
import { isItsAccount } from '../policy/principals.ts'

export type AuthorizationRequest = {
  readonly action: Action
  /** null: the service level. */
  readonly bucket: string | null
  /** The account that owns the bucket; null: there is none yet (CreateBucket), or the service level. */
  readonly bucketAccountId: string | null
  /** null: the bucket itself. */
  readonly key: string | null
  readonly policy: PolicyInForce
}

/** `unreadable`: there is one, and what it denies cannot be known. */
export type PolicyInForce =
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'policy'; readonly policy: BucketPolicy; readonly facts: PolicyFacts }

export type Authorization =
  | { readonly kind: 'allow'; readonly rule: string }
  | {
      readonly kind: 'deny'
      readonly rule:
        | 'OtherAccount'
        | 'ExplicitDeny'
        | 'NoStatement'
        | 'OperatorScope'
        | 'SystemBucket'
        | 'BucketPolicyDeny'
        | 'BucketPolicyUnreadable'
    }

/**
 * What the operator reads back as evidence, through S3 like any client. In buckets of users it never writes, deletes or
 * bypasses, and no bucket policy takes its evidence away or gives it more.
 */
const operatorActions: ReadonlySet<string> = new Set<Action>([
  's3:GetBucketLocation',
  's3:GetBucketObjectLockConfiguration',
  's3:GetBucketVersioning',
  's3:ListAllMyBuckets',
  's3:ListBucket',
  's3:ListBucketVersions',
])

/**
 * And what it does in the bucket of its canary besides: make it, write a version with a lock, see it, try to delete it. The
 * lock rules judge that as anybody's: it has no bypass here either.
 */
const canaryActions: ReadonlySet<string> = new Set<Action>([
  's3:CreateBucket',
  's3:DeleteObjectVersion',
  's3:GetObject',
  's3:GetObjectRetention',
  's3:GetObjectVersion',
  's3:PutBucketObjectLockConfiguration',
  's3:PutBucketVersioning',
  's3:PutObject',
  's3:PutObjectRetention',
])

/** Root and the owner of the bucket's account keep these, so that nobody locks himself out by a policy (as AWS). */
const policyActions: ReadonlySet<string> = new Set<Action>([
  's3:DeleteBucketPolicy',
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
])

/** Never by a bucket policy alone: whoever may write policies could give himself the bypass. */
const bypass: Action = 's3:BypassGovernanceRetention'

export function authorize(principal: Principal, request: AuthorizationRequest): Authorization {
  if (isClosed(principal, request)) return { kind: 'deny', rule: 'SystemBucket' }
  switch (principal.kind) {
    case 'root':
      return refusalByPolicy(principal, request) ?? { kind: 'allow', rule: 'Root' }
    case 'operator':
      return { kind: isOperators(request) ? 'allow' : 'deny', rule: 'OperatorScope' }
    case 'user':
      return authorizeUser(principal, request)
    default:
      return unreachable(principal.kind, 'every kind of principal is authorized')
  }
}

/**
 * false: each key of the bucket would be denied, so that no document need be read to say so. true promises nothing: prefixes,
 * conditions and denials are judged for every key by itself.
 */
export function mayForSomeKey(principal: Principal, request: Omit<AuthorizationRequest, 'key'>): boolean {
  if (principal.kind !== 'user') return principal.kind === 'root'
  if (request.policy.kind === 'unreadable') return false
  const keyed = { ...request, key: null }
  // A policy may let in whoever it names: which key it is about is not looked at here.
  if (isOtherAccount(principal, keyed)) return request.policy.kind === 'policy'
  if (principal.statements === null || request.policy.kind === 'policy') return true
  return principal.statements.some(
    (statement) => statement.effect === 'Allow' && covers({ ...statement, prefixes: null }, keyed),
  )
}

/** Root may look into the system's own buckets, users may not; CreateBucket, of one that is not there, judges the name. */
function isClosed({ kind }: Principal, { action, bucket, bucketAccountId }: AuthorizationRequest): boolean {
  if (kind === 'operator' || bucket === null || bucketAccountId === null || !isSystemBucket(bucket))
    return false
  return kind === 'user' || !/^s3:(Get|List)/.test(action)
}

function isOperators({ action, bucket }: AuthorizationRequest): boolean {
  return operatorActions.has(action) || (bucket === canaryBucket && canaryActions.has(action))
}

function authorizeUser(principal: Principal, request: AuthorizationRequest): Authorization {
  const { allowed } = policyVerdict(principal, request)
  const isOther = isOtherAccount(principal, request)
  if (isOther && allowed === 'none') return { kind: 'deny', rule: 'OtherAccount' }
  const own = ownVerdict(principal, request)
  if (own.kind === 'deny' && own.rule === 'ExplicitDeny') return own
  const refused = refusalByPolicy(principal, request)
  if (refused !== null) return refused
  // Another account's key needs both: the policy lets its account in, and its own statements say which key.
  if (own.kind === 'allow' || isOther) return own
  if (allowed === 'principal' && request.action !== bypass) return { kind: 'allow', rule: 'BucketPolicy' }
  return own
}

function isOtherAccount(principal: Principal, { bucketAccountId }: AuthorizationRequest): boolean {
  return bucketAccountId !== null && bucketAccountId !== principal.accountId
}

function policyVerdict(principal: Principal, { policy, action, key }: AuthorizationRequest): PolicyVerdict {
  if (policy.kind !== 'policy') return { denied: false, allowed: 'none' }
  return evaluatePolicy(policy.policy, { principal, action, key, facts: policy.facts })
}

/** null: the policy denies nothing here. */
function refusalByPolicy(principal: Principal, request: AuthorizationRequest): Authorization | null {
  const isOwn = principal.kind === 'root' || !isOtherAccount(principal, request)
  if (isOwn && isItsAccount(principal) && policyActions.has(request.action)) return null
  if (request.policy.kind === 'unreadable') return { kind: 'deny', rule: 'BucketPolicyUnreadable' }
  return policyVerdict(principal, request).denied ? { kind: 'deny', rule: 'BucketPolicyDeny' } : null
}

function ownVerdict({ statements }: Principal, request: AuthorizationRequest): Authorization {
  if (statements === null) return { kind: 'allow', rule: 'AccountOwner' }
  const matching = statements.filter((statement) => covers(statement, request))
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
