import { assert } from '../lib/assert.ts'
import { startsWithBytes } from '../lib/bytes.ts'
import { type EpochMs, laterOf } from '../lib/units.ts'
import { retainUntil } from './periods.ts'
import { type Denial, decide } from './rules.ts'
import type {
  BucketLockStatus,
  BucketRetention,
  LegalHoldStatus,
  LockContext,
  LockRequest,
  ObjectLockState,
  Retention,
  RetentionBounds,
  RetentionMode,
  Verdict,
} from './types.ts'

/** The bucket's side of a creation; `bucketLock: null` means that the bucket never had Object Lock. */
export type BucketLock = { readonly bucketLock: BucketLockStatus | null; readonly bucket: BucketRetention }

/** A new version, by PutObject, CopyObject, POST or CreateMultipartUpload. */
export type CreateRequest = BucketLock & {
  /** max(trusted, wall): the instant from which the default period counts. */
  readonly requestMs: EpochMs
  /** The object key, as text or as its UTF-8 bytes. */
  readonly key: string | Uint8Array
  /** From x-amz-object-lock-mode and -retain-until-date; null when neither was sent. */
  readonly explicitRetention: Retention | null
  /** From x-amz-object-lock-legal-hold; null when it was not sent. */
  readonly explicitLegalHold: LegalHoldStatus | null
  readonly bounds: RetentionBounds
  readonly policyMode: RetentionMode | null
}

/** CompleteMultipartUpload: what CreateMultipartUpload asked for and met, and what is met now. */
export type CompleteRequest = {
  /** max(trusted, wall) at Complete. */
  readonly requestMs: EpochMs
  readonly key: string | Uint8Array
  readonly explicitRetention: Retention | null
  readonly explicitLegalHold: LegalHoldStatus | null
  readonly atCreate: BucketLock
  /** When Create asked for its date. */
  readonly createMs: EpochMs
  readonly atComplete: BucketLock
  /** The policy's, at Complete. */
  readonly minimum: RetentionBounds['minimum']
  readonly policyMode: RetentionMode | null
}

/** The lock to store with the version, in the same transaction. */
export type LockStamp = {
  readonly kind: 'stamp'
  readonly retention: Retention | null
  readonly legalHold: LegalHoldStatus | null
}

const unlocked: ObjectLockState = { kind: 'known', retention: null, legalHold: null }
const encoder = new TextEncoder()

/**
 * The lock of a new version, resolved once. Explicit headers win over the default rule, even if shorter or
 * weaker, unless the policy's bounds refuse them; the hold is independent, so a hold never switches the
 * default off. A frozen bucket stamps nothing by default and refuses new locks. Lock headers on a bucket
 * without Object Lock are refused before (InvalidRequest), so they are an assertion here.
 */
export function lockOnCreate(request: CreateRequest): LockStamp | Denial {
  const { explicitRetention, explicitLegalHold } = request
  assertBucketLock(request)
  assert(
    request.bucketLock !== null || (explicitRetention === null && explicitLegalHold === null),
    'lock headers reach only a bucket with Object Lock',
  )
  for (const asked of explicitRequests(request)) {
    const verdict = decide(createContext(request), unlocked, asked)
    if (verdict.kind === 'deny') return verdict
  }
  const retention = explicitRetention ?? defaultOnCreate(request, request.requestMs, request.key)
  return { kind: 'stamp', retention, legalHold: explicitLegalHold }
}

/**
 * The lock of the assembled version. What Create was explicitly given wins and is stored even if its date has
 * passed (Create judged it), unless the policy's `minimum`, raised in between, refuses it: the date is judged as
 * if Create asked for it under today's policy. Otherwise the stronger mode and the later date of the default at
 * Create and the default now, both counted from Complete: a rule removed, weakened or frozen in between takes
 * nothing away from a started upload.
 */
export function multipartLock(request: CompleteRequest): LockStamp | Denial {
  const { requestMs, key, explicitRetention, explicitLegalHold, atCreate, atComplete } = request
  assertBucketLock(atCreate)
  assertBucketLock(atComplete)
  if (explicitRetention !== null) {
    const verdict = judgeSinceCreate(request, explicitRetention)
    if (verdict.kind === 'deny') return verdict
  }
  const retention =
    explicitRetention ??
    strongerOf(defaultOnCreate(atCreate, requestMs, key), defaultOnCreate(atComplete, requestMs, key))
  return { kind: 'stamp', retention, legalHold: explicitLegalHold }
}

function judgeSinceCreate(
  { createMs, minimum, policyMode, atCreate }: CompleteRequest,
  next: Retention,
): Verdict {
  // `maximum` is left out: Create judged it, and a later one takes nothing away.
  const bounds = { minimum, maximum: null }
  const context = {
    nowMs: createMs,
    requestMs: createMs,
    bucketLock: atCreate.bucketLock,
    policyMode,
    bounds,
  }
  return decide(context, unlocked, retentionRequest(next))
}

/**
 * The retention that the bucket's default gives to a key: the default rule's mode, and the latest date among
 * the default period and every prefix rule whose prefix begins the key's UTF-8 bytes. Null when there is no
 * default rule.
 */
export function defaultRetentionFor(
  bucket: BucketRetention,
  startMs: EpochMs,
  key: string | Uint8Array,
): Retention | null {
  if (bucket.defaultRetention === null) return null
  const keyBytes = typeof key === 'string' ? encoder.encode(key) : key
  const { mode, period } = bucket.defaultRetention
  const matching = bucket.prefixRules.filter((rule) => startsWithBytes(keyBytes, encoder.encode(rule.prefix)))
  const periods = [period, ...matching.map((rule) => rule.period)]
  return { mode, retainUntilMs: periods.map((each) => retainUntil(startMs, each)).reduce(laterOf) }
}

function defaultOnCreate(
  { bucketLock, bucket }: BucketLock,
  startMs: EpochMs,
  key: string | Uint8Array,
): Retention | null {
  return bucketLock === 'Enabled' ? defaultRetentionFor(bucket, startMs, key) : null
}

function explicitRequests(request: CreateRequest): readonly LockRequest[] {
  const asked: LockRequest[] = []
  if (request.explicitRetention !== null) {
    asked.push(retentionRequest(request.explicitRetention))
  }
  if (request.explicitLegalHold !== null) {
    // Stryker disable next-line StringLiteral: on a new version only the bucket's state judges a hold
    asked.push({ kind: 'PutObjectLegalHold', next: request.explicitLegalHold })
  }
  return asked
}

function retentionRequest(next: Retention): LockRequest {
  // Stryker disable next-line BooleanLiteral: nothing is in force on a new version, so there is nothing to bypass
  return { kind: 'PutObjectRetention', next, bypassGovernance: false }
}

function createContext({ requestMs, bucketLock, policyMode, bounds }: CreateRequest): LockContext {
  // Nothing is in force on a version that does not exist yet, so expiry is not judged: nowMs plays no part.
  return { nowMs: requestMs, requestMs, bucketLock, policyMode, bounds }
}

function strongerOf(a: Retention | null, b: Retention | null): Retention | null {
  if (a === null || b === null) return a ?? b
  const mode = a.mode === 'COMPLIANCE' ? a.mode : b.mode
  return { mode, retainUntilMs: laterOf(a.retainUntilMs, b.retainUntilMs) }
}

function assertBucketLock({ bucketLock, bucket }: BucketLock): void {
  assert(
    bucketLock !== null || bucket.defaultRetention === null,
    'a default rule exists only where Object Lock was enabled',
  )
}
