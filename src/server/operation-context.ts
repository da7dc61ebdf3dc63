import type { Principal } from '../lib/identity.ts'
import type { Log } from '../lib/log.ts'
import { type Authorization, authorize } from '../s3/auth/authorize.ts'
import type { Action, Operation, OperationContext, S3Request, ServerFacts } from '../s3/operation.ts'
import { S3Error } from '../s3/s3-error.ts'
import type { BucketRecord } from '../store/records.ts'
import type { Actor, Store } from '../store/store.ts'

export type Granted = {
  readonly principal: Principal
  readonly operation: Operation
  readonly request: S3Request
  readonly bucket: BucketRecord | null
}

export type ContextOptions = { readonly store: Store; readonly facts: ServerFacts; readonly log: Log }

/** Ties one authenticated request to what its operation may use. */
export function createContext(options: ContextOptions, granted: Granted): OperationContext {
  const { principal, operation, request, bucket } = granted
  const actor: Actor = {
    accessKeyId: principal.accessKeyId,
    accountId: principal.accountId,
    requestId: request.requestId,
    operation: operation.name,
    ...(bucket === null ? {} : { bucketId: bucket.id }),
  }
  const judge = (action: Action, key: string | null): Authorization =>
    authorize(principal, { action, bucket: request.bucket, bucketAccountId: bucket?.accountId ?? null, key })
  return {
    store: options.store,
    request,
    principal,
    actor,
    bucket,
    server: options.facts,
    now: () => options.store.clock.now(),
    may: (action, key) => judge(action, key).kind === 'allow',
    mayIn: (other, action, key) =>
      authorize(principal, { action, bucket: other.name, bucketAccountId: other.accountId, key }).kind ===
      'allow',
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
