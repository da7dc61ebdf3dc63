import type { Principal } from '../lib/identity.ts'
import type { Log } from '../lib/log.ts'
import { type Authorization, authorize, mayForSomeKey, type PolicyInForce } from '../s3/auth/authorize.ts'
import type { Action, Operation, OperationContext, S3Request, ServerFacts } from '../s3/operation.ts'
import { type LockFacts, noLock, pendingLock } from '../s3/policy/facts.ts'
import { profileOf } from '../s3/profiles/index.ts'
import { S3Error } from '../s3/s3-error.ts'
import type { BucketRecord } from '../store/records.ts'
import type { Actor, Store } from '../store/store.ts'
import type { BucketPolicies } from './bucket-policies.ts'

export type Granted = {
  readonly principal: Principal
  readonly operation: Operation
  readonly request: S3Request
  readonly bucket: BucketRecord | null
}

export type ContextOptions = {
  readonly store: Store
  readonly facts: ServerFacts
  readonly log: Log
  readonly policies: BucketPolicies
}

/** A request whose base permission was demanded. */
export type AuthorizedRequest = {
  /** Demands what the input needs beyond it, and the base permission again where the input's lock may change the answer. */
  readonly settle: (input: unknown) => Promise<OperationContext>
}

/**
 * Demands the operation's permission before its body is read. Conditions about a lock that the body or its headers ask for
 * decide nothing yet. Errors: AccessDenied.
 */
export async function authorizeRequest(
  options: ContextOptions,
  granted: Granted,
): Promise<AuthorizedRequest> {
  const { operation, request, bucket } = granted
  const policy = bucket === null ? noPolicy : await policyOf(options, bucket, request)
  const lock = operation.lockFacts === undefined ? noLock : pendingLock
  const before = createContext(options, granted, withLock(policy, lock))
  await demandPermission(before, operation)
  await demandForSomeKey(options, granted, policy)
  return {
    settle: async (input) => {
      let context = before
      if (operation.lockFacts !== undefined && policy.kind === 'policy') {
        const asked = await operation.lockFacts(input, before)
        context = createContext(options, granted, withLock(policy, asked))
        await demandPermission(context, operation)
      }
      for (const action of operation.morePermissions?.(input, request) ?? [])
        await context.demand(action, request.key)
      return context
    },
  }
}

async function demandPermission(context: OperationContext, operation: Operation): Promise<void> {
  if (operation.permissionScope === 'key') return
  const { request } = context
  const { permission, versionPermission } = operation
  const isVersion = versionPermission !== undefined && request.query.has('versionId')
  await context.demand(isVersion ? versionPermission : permission, request.key)
}

/** Where the document names the keys: whoever may do it to none of them makes nobody read a document. */
async function demandForSomeKey(
  { store }: ContextOptions,
  granted: Granted,
  policy: PolicyInForce,
): Promise<void> {
  const { principal, operation, request, bucket } = granted
  if (operation.permissionScope !== 'key') return
  const { permission, versionPermission = permission } = operation
  const asked = { bucket: request.bucket, bucketAccountId: bucket?.accountId ?? null, policy }
  if ([permission, versionPermission].some((action) => mayForSomeKey(principal, { ...asked, action }))) return
  const { rule } = authorize(principal, { ...asked, action: permission, key: null })
  await recordDenial(store, actorOf(granted), { request, action: permission, key: null, rule })
  throw new S3Error('AccessDenied')
}

const noPolicy: PolicyInForce = { kind: 'none' }

async function policyOf(
  { policies, store }: ContextOptions,
  bucket: BucketRecord,
  request: S3Request,
): Promise<PolicyInForce> {
  const stored = await policies.of(bucket)
  if (stored.kind !== 'policy') return stored
  return { ...stored, facts: { request, now: await store.clock.now(), lock: noLock } }
}

function withLock(policy: PolicyInForce, lock: LockFacts): PolicyInForce {
  return policy.kind === 'policy' ? { ...policy, facts: { ...policy.facts, lock } } : policy
}

/** Ties one authenticated request to what its operation may use. */
function createContext(options: ContextOptions, granted: Granted, policy: PolicyInForce): OperationContext {
  const { principal, request, bucket } = granted
  const actor = actorOf(granted)
  const judge = (action: Action, key: string | null): Authorization =>
    authorize(principal, {
      action,
      bucket: request.bucket,
      bucketAccountId: bucket?.accountId ?? null,
      key,
      policy,
    })
  return {
    store: options.store,
    request,
    principal,
    actor,
    bucket,
    server: options.facts,
    profile: profileOf(principal, bucket, options.facts.defaultProfile),
    now: () => options.store.clock.now(),
    may: (action, key) => judge(action, key).kind === 'allow',
    mayIn: async (other, action, key) => {
      const asked = { action, bucket: other.name, bucketAccountId: other.accountId, key }
      const inForce = await policyOf(options, other, request)
      return authorize(principal, { ...asked, policy: inForce }).kind === 'allow'
    },
    demand: async (action, key) => {
      const verdict = judge(action, key)
      if (verdict.kind === 'allow') return
      if (isWrite(request))
        await recordDenial(options.store, actor, { request, action, key, rule: verdict.rule })
      throw new S3Error('AccessDenied')
    },
    log: options.log,
  }
}

function actorOf({ principal, operation, request, bucket }: Granted): Actor {
  return {
    accessKeyId: principal.accessKeyId,
    accountId: principal.accountId,
    requestId: request.requestId,
    operation: operation.name,
    ...(bucket === null ? {} : { bucketId: bucket.id }),
  }
}

/** Reads are not lock-relevant: their denials are the access log's affair. */
function isWrite({ method }: S3Request): boolean {
  return method === 'PUT' || method === 'POST' || method === 'DELETE'
}

type Denial = {
  readonly request: S3Request
  readonly action: Action
  readonly key: string | null
  readonly rule: string
}

function recordDenial(store: Store, actor: Actor, { request, action, key, rule }: Denial): Promise<void> {
  const versionId = request.query.get('versionId')
  return store.audit.denied(actor, { bucket: request.bucket ?? '', key, versionId, rule, reason: action })
}
