/** What the bucket's profile has against a lock on a version that is there, before the store is asked. */
import type { LegalHoldStatus, Retention } from '../lock/types.ts'
import { addressedBucket, addressedKey } from './addressed.ts'
import { hasDefaultRule } from './lock-headers.ts'
import { isObject } from './object-headers.ts'
import type { OperationContext } from './operation.ts'
import type { Profile } from './profiles/profile.ts'
import { judgeStrictness, refuseTimeToLive, strictnessError } from './profiles/strictness.ts'

export type LockOfVersion =
  | {
      readonly kind: 'retention'
      readonly versionId: string | null
      readonly next: Retention | null
      readonly bypassGovernance: boolean
    }
  | { readonly kind: 'legalHold'; readonly versionId: string | null; readonly next: LegalHoldStatus }

/**
 * What comes in between this look and the write is judged by S3's rules in the transaction of the write: a profile's own
 * strictness protects no data. A refusal is recorded. Errors: AccessDenied, InvalidRequest.
 */
export async function demandStrictness(context: OperationContext, wanted: LockOfVersion): Promise<void> {
  const { profile, request, store, actor } = context
  const bucket = addressedBucket(context)
  if (!hasStrictness(profile) || bucket.objectLock === null) return
  const key = addressedKey(request)
  const { versionId } = wanted
  const found = await store.versions.read({ bucket: bucket.name, key, versionId })
  // What is not there, and a delete marker, are the store's to answer.
  if (found.kind !== 'found' || !isObject(found.version)) return
  const asksLock = wanted.kind === 'retention' ? wanted.next !== null : wanted.next === 'ON'
  if (asksLock) refuseTimeToLive(profile, found.version.object.userMetadata)
  if (wanted.kind === 'legalHold') return
  const strictness = judgeStrictness(profile.retention, {
    state: found.version.lock,
    next: wanted.next,
    nowMs: (await context.now()).trustedMs,
    bypass: wanted.bypassGovernance ? 'granted' : 'none',
    bucketRule: hasDefaultRule(bucket) ? 'some' : 'none',
  })
  if (strictness === null) return
  const rule = `Profile${strictness}`
  await store.audit.denied(actor, {
    bucket: bucket.name,
    key,
    versionId,
    rule,
    reason: 's3:PutObjectRetention',
  })
  throw strictnessError(strictness)
}

/** Others need no look at the version. */
function hasStrictness({ retention, objects }: Profile): boolean {
  const isAsS3 =
    retention.governanceChange === 'asS3' &&
    retention.removalUnderRule === 'asS3' &&
    retention.equalDate === 'accepted'
  return !isAsS3 || objects.timeToLive.length > 0
}
