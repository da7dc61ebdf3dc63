import type { EpochMs } from '../lib/units.ts'

/** S3's ObjectLockRetentionMode. */
export type RetentionMode = 'GOVERNANCE' | 'COMPLIANCE'
/** S3's ObjectLockLegalHoldStatus. */
export type LegalHoldStatus = 'ON' | 'OFF'

/** What is stamped on a version: an instant, never a period. */
export type Retention = { readonly mode: RetentionMode; readonly retainUntilMs: EpochMs }

/**
 * The lock of one version. `unknown` means that it could not be read or understood, and denies everything.
 * `retention: null` and `legalHold: null` mean never set (S3: NoSuchObjectLockConfiguration).
 */
export type ObjectLockState =
  | {
      readonly kind: 'known'
      readonly retention: Retention | null
      readonly legalHold: LegalHoldStatus | null
    }
  | { readonly kind: 'unknown'; readonly cause: string }

/** `DAYS` of 24 h, or calendar `YEARS` of at least 365 days each. */
export type RetentionPeriod =
  | { readonly unit: 'DAYS'; readonly count: number }
  | { readonly unit: 'YEARS'; readonly count: number }

/** A bucket's default rule, S3's DefaultRetention. */
export type DefaultRetention = { readonly mode: RetentionMode; readonly period: RetentionPeriod }

/** A longer period for keys with a prefix; the mode is the default rule's. */
export type PrefixRule = { readonly prefix: string; readonly period: RetentionPeriod }

/** What a bucket stamps on its new versions. */
export type BucketRetention = {
  readonly defaultRetention: DefaultRetention | null
  readonly prefixRules: readonly PrefixRule[]
}

/** Bounds on the dates that clients ask for, counted from the request's now; null: no bound. */
export type RetentionBounds = {
  readonly minimum: RetentionPeriod | null
  readonly maximum: RetentionPeriod | null
}

/** The bucket's side of the Object Lock: `Frozen` makes no new locks and changes none. */
export type BucketLockStatus = 'Enabled' | 'Frozen'

/**
 * A request against one version. `bypassGovernance` is true only if the header was sent AND the caller holds
 * s3:BypassGovernanceRetention on this key.
 */
export type LockRequest =
  | {
      readonly kind: 'DeleteObjectVersion'
      readonly isDeleteMarker: boolean
      readonly bypassGovernance: boolean
    }
  | {
      readonly kind: 'PutObjectRetention'
      readonly next: Retention | null
      readonly bypassGovernance: boolean
    }
  | { readonly kind: 'PutObjectLegalHold'; readonly next: LegalHoldStatus }

/** What the decision is taken in: the bucket's policy as far as it judges requests. */
export type LockContext = {
  /** Trusted time: judges expiry. */
  readonly nowMs: EpochMs
  /** max(trusted, wall): judges "must be in the future" and counts the bounds. */
  readonly requestMs: EpochMs
  readonly bucketLock: BucketLockStatus | null
  /** The policy's mode where a policy manages the bucket; a `minimum` also refuses a weaker mode than it. */
  readonly policyMode: RetentionMode | null
  readonly bounds: RetentionBounds
}

export type DenyReason =
  | 'LockStateUnknown'
  | 'LegalHold'
  | 'ComplianceRetention'
  | 'GovernanceRetention'
  | 'BucketFrozen'
  | 'BelowMinimum'
  | 'AboveMaximum'

export type Verdict =
  | { readonly kind: 'allow'; readonly rule: string }
  | {
      readonly kind: 'deny'
      readonly rule: string
      readonly reason: DenyReason
      /**
       * After this instant (never at it) the same request would be allowed by time alone; null: not by time.
       */
      readonly untilMs: EpochMs | null
    }

/** What one rule has against a request; `bypassed`: it would deny, but the bypass was needed and used. */
export type LockFinding =
  | Omit<Extract<Verdict, { readonly kind: 'deny' }>, 'rule'>
  | { readonly kind: 'bypassed' }

/** One rule: null means "nothing against it". Rules are order-independent: any deny denies. */
export type LockRule = {
  readonly name: string
  readonly judge: (context: LockContext, state: ObjectLockState, request: LockRequest) => LockFinding | null
}
