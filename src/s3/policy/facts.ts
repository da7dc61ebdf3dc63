/** What a condition of a bucket policy can ask about a request. Plain data, made once a request by the server. */
import type { LegalHoldStatus, Retention } from '../../lock/types.ts'
import type { TrustedNow } from '../../store/store.ts'
import type { S3Request } from '../operation.ts'

/**
 * The lock that a request asks for, whatever its entrance: header, form field or document. `pending`: its document is not
 * read yet, and it may still turn out well or badly.
 */
export type LockFacts =
  | { readonly kind: 'pending' }
  | {
      readonly kind: 'known'
      readonly retention: Retention | null
      readonly legalHold: LegalHoldStatus | null
    }

export const pendingLock: LockFacts = { kind: 'pending' }
export const noLock: LockFacts = { kind: 'known', retention: null, legalHold: null }

/** Of a request that names both parts of a lock, or none. */
export function lockFacts(lock: Omit<Extract<LockFacts, { kind: 'known' }>, 'kind'>): LockFacts {
  return { kind: 'known', retention: lock.retention, legalHold: lock.legalHold }
}

export type PolicyFacts = {
  readonly request: S3Request
  readonly now: TrustedNow
  readonly lock: LockFacts
}
