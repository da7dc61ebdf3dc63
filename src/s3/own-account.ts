import { addressedBucket } from './addressed.ts'
import type { OperationContext } from './operation.ts'
import { S3Error } from './s3-error.ts'

/**
 * A bucket's policy is read and changed from inside its account, whatever the policy lets others do. Errors: MethodNotAllowed, as
 * S3.
 */
export function demandOwnAccount(context: OperationContext): void {
  const { principal, request } = context
  if (principal.kind === 'root' || principal.accountId === addressedBucket(context).accountId) return
  throw new S3Error('MethodNotAllowed', { extra: { Method: request.method, ResourceType: 'BUCKETPOLICY' } })
}
