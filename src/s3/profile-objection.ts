/** What the bucket's profile has against a lock on a version that is there. The store asks, in the transaction of the write. */
import type { LegalHoldStatus, Retention } from '../lock/types.ts'
import type { Objection } from '../store/store.ts'
import { hasDefaultRule } from './lock-headers.ts'
import type { Profile } from './profiles/profile.ts'
import { judgeStrictness, refuseTimeToLive, strictnessDenial } from './profiles/strictness.ts'

export type LockOfVersion =
  | {
      readonly kind: 'retention'
      readonly next: Retention | null
      readonly bypassGovernance: boolean
    }
  | { readonly kind: 'legalHold'; readonly next: LegalHoldStatus }

/** Throws InvalidRequest for a version with a time to live; the rest is a denial, recorded as any other. */
export function objectionOf(profile: Profile, wanted: LockOfVersion): Objection {
  return (version, bucket, { trustedMs }) => {
    const asksLock = wanted.kind === 'retention' ? wanted.next !== null : wanted.next === 'ON'
    if (asksLock) refuseTimeToLive(profile, version.object?.userMetadata ?? {})
    if (wanted.kind === 'legalHold') return null
    const strictness = judgeStrictness(profile.retention, {
      state: version.lock,
      next: wanted.next,
      nowMs: trustedMs,
      bypass: wanted.bypassGovernance ? 'granted' : 'none',
      bucketRule: hasDefaultRule(bucket) ? 'some' : 'none',
    })
    return strictness === null ? null : strictnessDenial(strictness)
  }
}
