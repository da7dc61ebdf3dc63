/**
 * What S3 answers to a request in a state of the model: permissions, then S3's order of checks, then the pure functions of
 * the product. null: nothing is against it.
 */

import { epochMs } from '../../src/lib/units.ts'
import { compareBounds, compareBucketRetention, meetsFloor } from '../../src/lock/compare.ts'
import { type LockStamp, lockOnCreate, multipartLock } from '../../src/lock/create.ts'
import { decide } from '../../src/lock/rules.ts'
import { activeRetention } from '../../src/lock/state.ts'
import type {
  BucketRetention,
  DefaultRetention,
  LegalHoldStatus,
  LockRequest,
  ObjectLockState,
  Retention,
  RetentionBounds,
  RetentionMode,
} from '../../src/lock/types.ts'
import type { Found, ModelBucket, ModelUpload, ModelVersion } from './model-bucket.ts'
import type { Now } from './model-clock.ts'
import { may, mayDeleteSomething, type Who } from './principals.ts'

export type Refusal = { readonly status: number; readonly code: string }
export type Lock = { readonly retention: Retention | null; readonly hold: LegalHoldStatus | null }
export type Stamped = { readonly kind: 'stamped'; readonly stamp: LockStamp }
export type Judged = Stamped | { readonly kind: 'refused'; readonly refusal: Refusal }

export const refusals = {
  denied: { status: 403, code: 'AccessDenied' },
  pastDate: { status: 400, code: 'InvalidArgument' },
  invalidRequest: { status: 400, code: 'InvalidRequest' },
  invalidPart: { status: 400, code: 'InvalidPart' },
  noSuchKey: { status: 404, code: 'NoSuchKey' },
  noSuchVersion: { status: 404, code: 'NoSuchVersion' },
  noSuchUpload: { status: 404, code: 'NoSuchUpload' },
  marker: { status: 405, code: 'MethodNotAllowed' },
  bucketState: { status: 409, code: 'InvalidBucketState' },
  notEmpty: { status: 409, code: 'BucketNotEmpty' },
  ownedByYou: { status: 409, code: 'BucketAlreadyOwnedByYou' },
  wouldShorten: { status: 409, code: 'wouldShorten' },
  clockSuspect: { status: 503, code: 'ServiceUnavailable' },
} as const satisfies Record<string, Refusal>

const lockPeriodsRefusedMs = 31 * 86_400_000

function refused(refusal: Refusal): Judged {
  return { kind: 'refused', refusal }
}

/** PutObject, PostObject, CreateMultipartUpload, and CopyObject up to its source. */
export function judgeNew(
  bucket: ModelBucket,
  who: Who,
  asked: { key: string; lock: Lock },
  now: Now,
): Judged {
  const refusal = refuseNewHeaders(bucket, who, asked.lock, now)
  return refusal === null ? judgeStamp(bucket, asked, now) : refused(refusal)
}

export function refuseNewHeaders(bucket: ModelBucket, who: Who, lock: Lock, now: Now): Refusal | null {
  const allowed = (action: string) => may(who, action, bucket.policyName)
  if (!allowed('s3:PutObject')) return refusals.denied
  if (lock.retention !== null && !allowed('s3:PutObjectRetention')) return refusals.denied
  if (lock.hold !== null && !allowed('s3:PutObjectLegalHold')) return refusals.denied
  if (lock.retention !== null && lock.retention.retainUntilMs <= now.requestMs) return refusals.pastDate
  const isAsked = lock.retention !== null || lock.hold !== null
  return isAsked && bucket.lock === null ? refusals.invalidRequest : null
}

export function judgeStamp(
  bucket: ModelBucket,
  { key, lock }: { key: string; lock: Lock },
  now: Now,
): Judged {
  const stamp = lockOnCreate({
    requestMs: now.requestMs,
    key,
    explicitRetention: lock.retention,
    explicitLegalHold: lock.hold,
    bucketLock: bucket.lock?.status ?? null,
    bucket: bucket.retention,
    bounds: boundsOf(bucket),
    policyMode: bucket.managed?.mode ?? null,
  })
  if (stamp.kind === 'deny') return refused(refusals.denied)
  const isByPeriod = lock.retention === null && stamp.retention !== null
  return isByPeriod && refusesPeriods(now) ? refused(refusals.clockSuspect) : { kind: 'stamped', stamp }
}

export function judgeComplete(bucket: ModelBucket, who: Who, upload: ModelUpload, now: Now): Judged {
  if (!may(who, 's3:PutObject', bucket.policyName)) return refused(refusals.denied)
  if (upload.state.kind !== 'open') return refused(refusals.noSuchUpload)
  if (upload.partEtag === null) return refused(refusals.invalidPart)
  const none = { defaultRetention: null, prefixRules: [] }
  const stamp = multipartLock({
    requestMs: now.requestMs,
    key: upload.key,
    explicitRetention: upload.retention,
    explicitLegalHold: upload.hold,
    atCreate: { bucketLock: upload.atCreate === null ? null : 'Enabled', bucket: upload.atCreate ?? none },
    createMs: epochMs(Math.floor(Math.min(upload.createdMs, now.requestMs))),
    atComplete: { bucketLock: bucket.lock?.status ?? null, bucket: bucket.retention },
    minimum: boundsOf(bucket).minimum,
    policyMode: bucket.managed?.mode ?? null,
  })
  if (stamp.kind === 'deny') return refused(refusals.denied)
  const isByPeriod = upload.retention === null && stamp.retention !== null
  return isByPeriod && refusesPeriods(now) ? refused(refusals.clockSuspect) : { kind: 'stamped', stamp }
}

/** The source of a copy; what is not there is hidden from who may not list. */
export function refuseSource(
  bucket: ModelBucket,
  who: Who,
  versionId: string | null,
  found: Found,
): Refusal | null {
  const allowed = (action: string) => may(who, action, bucket.policyName)
  if (!allowed(versionId === null ? 's3:GetObject' : 's3:GetObjectVersion')) return refusals.denied
  const hidden = (refusal: Refusal) => (allowed('s3:ListBucket') ? refusal : refusals.denied)
  if (found === 'NoSuchKey') return hidden(refusals.noSuchKey)
  if (found === 'NoSuchVersion') return hidden(refusals.noSuchVersion)
  if (!found.isMarker) return null
  return versionId === null ? hidden(refusals.noSuchKey) : refusals.invalidRequest
}

/** HeadObject has no document, so no code. */
export function refuseHead(
  bucket: ModelBucket,
  who: Who,
  versionId: string | null,
  found: Found,
): Refusal | null {
  const allowed = (action: string) => may(who, action, bucket.policyName)
  if (!allowed(versionId === null ? 's3:GetObject' : 's3:GetObjectVersion')) return refusals.denied
  const hidden = (refusal: Refusal) => (allowed('s3:ListBucket') ? refusal : refusals.denied)
  if (found === 'NoSuchKey') return hidden(refusals.noSuchKey)
  if (found === 'NoSuchVersion') return hidden(refusals.noSuchVersion)
  if (!found.isMarker) return null
  return versionId === null ? hidden(refusals.noSuchKey) : refusals.marker
}

/** `found: null`: no version is addressed, a marker comes on top. */
export type Removal = {
  readonly who: Who
  readonly versionId: string | null
  readonly found: Found | null
  readonly bypass: boolean
}

export function refuseRemoval(bucket: ModelBucket, removal: Removal, now: Now): Refusal | null {
  const { who, versionId, found, bypass } = removal
  const action = versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion'
  if (!may(who, action, bucket.policyName)) return refusals.denied
  if (found === null || typeof found === 'string') return null
  const bypassGovernance = bypass && mayBypass(bucket, who)
  return refusedBy(bucket, found, now, {
    kind: 'DeleteObjectVersion',
    isDeleteMarker: found.isMarker,
    bypassGovernance,
  })
}

export function refuseDeleteMany(bucket: ModelBucket, who: Who): Refusal | null {
  return mayDeleteSomething(who, bucket.policyName) ? null : refusals.denied
}

export function mayBypass(bucket: ModelBucket, who: Who): boolean {
  return may(who, 's3:BypassGovernanceRetention', bucket.policyName)
}

export type RetentionChange = {
  readonly who: Who
  readonly found: Found
  readonly next: Retention | null
  readonly bypass: boolean
}

export function refuseRetention(bucket: ModelBucket, change: RetentionChange, now: Now): Refusal | null {
  const { who, found, next } = change
  if (!may(who, 's3:PutObjectRetention', bucket.policyName)) return refusals.denied
  if (next !== null && next.retainUntilMs <= now.requestMs) return refusals.pastDate
  const bypassGovernance = change.bypass && mayBypass(bucket, who)
  const missing = refuseMissing(bucket, found)
  if (missing !== null || typeof found === 'string') return missing
  // The dialect that can freeze is stricter with what is in force, but not for the system's operator.
  if (bucket.role === 'frozen') {
    const current = activeRetention(stateOf(found), now.trustedMs)
    if (current?.mode === 'GOVERNANCE' && !bypassGovernance) return refusals.denied
    const hasRule = bucket.lock?.status === 'Enabled' && bucket.retention.defaultRetention !== null
    if (current !== null && next === null && hasRule) return refusals.denied
  }
  return refusedBy(bucket, found, now, { kind: 'PutObjectRetention', next, bypassGovernance })
}

export function refuseHold(
  bucket: ModelBucket,
  change: { readonly who: Who; readonly found: Found; readonly next: LegalHoldStatus },
  now: Now,
): Refusal | null {
  const { who, found, next } = change
  if (!may(who, 's3:PutObjectLegalHold', bucket.policyName)) return refusals.denied
  const missing = refuseMissing(bucket, found)
  if (missing !== null || typeof found === 'string') return missing
  return refusedBy(bucket, found, now, { kind: 'PutObjectLegalHold', next })
}

/** Tags are no part of what a lock protects. */
export function refuseTags(
  bucket: ModelBucket,
  who: Who,
  versionId: string | null,
  found: Found,
): Refusal | null {
  const action = versionId === null ? 's3:PutObjectTagging' : 's3:PutObjectVersionTagging'
  if (!may(who, action, bucket.policyName)) return refusals.denied
  if (found === 'NoSuchKey') return refusals.noSuchKey
  if (found === 'NoSuchVersion') return refusals.noSuchVersion
  return found.isMarker ? refusals.marker : null
}

/** `wanted: 'freeze'`: the empty configuration. */
export function refuseConfiguration(
  bucket: ModelBucket,
  who: Who,
  wanted: DefaultRetention | null | 'freeze',
): Refusal | null {
  if (!may(who, 's3:PutBucketObjectLockConfiguration', bucket.policyName)) return refusals.denied
  if (bucket.versioning !== 'Enabled') return refusals.bucketState
  const floor = bucket.managed?.floor?.defaultRetention ?? null
  const meets = floor === null || (wanted !== 'freeze' && meetsFloor(floor, wanted))
  return meets ? null : refusals.denied
}

export function refuseVersioning(
  bucket: ModelBucket,
  who: Who,
  status: 'Enabled' | 'Suspended',
): Refusal | null {
  if (!may(who, 's3:PutBucketVersioning', bucket.policyName)) return refusals.denied
  return bucket.lock !== null && status === 'Suspended' ? refusals.bucketState : null
}

export function refuseBucketRemoval(
  bucket: ModelBucket,
  who: Who,
  hasUploads: 'some' | 'none',
): Refusal | null {
  if (!may(who, 's3:DeleteBucket', bucket.policyName)) return refusals.denied
  if (bucket.managed !== null) return refusals.denied
  return bucket.all().length > 0 || hasUploads === 'some' ? refusals.notEmpty : null
}

export type Apply = {
  readonly mode: RetentionMode
  readonly retention: BucketRetention
  readonly bounds: RetentionBounds
}

/** COMPLIANCE only tightens, for the operator too. */
export function refuseApply(bucket: ModelBucket, next: Apply): Refusal | null {
  const { managed } = bucket
  const isWeaker = [managed?.floor ?? null, bucket.retention].some(
    (enforced) =>
      enforced?.defaultRetention?.mode === 'COMPLIANCE' &&
      compareBucketRetention(enforced, next.retention) === 'weaker',
  )
  const boundsAreWeaker =
    managed !== null && compareBounds(managed.mode, managed.bounds, next.bounds) === 'weaker'
  return isWeaker || boundsAreWeaker ? refusals.wouldShorten : null
}

export function stateOf({ retention, hold }: Pick<ModelVersion, 'retention' | 'hold'>) {
  return { kind: 'known', retention, legalHold: hold } as const satisfies ObjectLockState
}

function refuseMissing(bucket: ModelBucket, found: Found): Refusal | null {
  if (found === 'NoSuchKey') return refusals.noSuchKey
  if (found === 'NoSuchVersion') return refusals.noSuchVersion
  if (bucket.lock === null) return refusals.invalidRequest
  return found.isMarker ? refusals.marker : null
}

function refusedBy(
  bucket: ModelBucket,
  version: ModelVersion,
  now: Now,
  request: LockRequest,
): Refusal | null {
  const context = {
    nowMs: now.trustedMs,
    requestMs: now.requestMs,
    bucketLock: bucket.lock?.status ?? null,
    policyMode: bucket.managed?.mode ?? null,
    bounds: boundsOf(bucket),
  }
  return decide(context, stateOf(version), request).kind === 'deny' ? refusals.denied : null
}

function boundsOf(bucket: ModelBucket): RetentionBounds {
  return bucket.managed?.bounds ?? { minimum: null, maximum: null }
}

function refusesPeriods({ wallMs, trustedMs }: Now): boolean {
  return wallMs - trustedMs > lockPeriodsRefusedMs
}
