import { type EpochMs, laterOf } from '../lib/units.ts'
import { defaultRetentionFor } from './create.ts'
import { activeRetention, extendsRetention, isActive } from './state.ts'
import type { BucketRetention, ObjectLockState, Retention } from './types.ts'

/** A RetentionPolicy's applyToExisting, where it asks for anything. */
export type ExistingScope = 'ExtendOnly' | 'IncludingModeChange'

export type ExistingRequest = {
  /** Trusted time. */
  readonly nowMs: EpochMs
  readonly key: string
  /** When the version was made: its retention counts from there, not from now. */
  readonly createdMs: EpochMs
  readonly state: ObjectLockState & { readonly kind: 'known' }
  readonly bucket: BucketRetention
  readonly scope: ExistingScope
}

export type ExistingAnswer =
  /** What is in force is at least what the rule would have stamped, or that would be over by now. */
  | { readonly kind: 'enough' }
  | { readonly kind: 'extend'; readonly next: Retention }
  /** A retention of another mode is in force, which the scope leaves alone. */
  | { readonly kind: 'otherMode' }

/**
 * What a rule that came later gives to a version that was there before: the mode and date that it would have been
 * stamped with, never less than what is in force. A mode in force changes from GOVERNANCE to COMPLIANCE
 * only, and only in the scope that says so; COMPLIANCE is not prolonged for a GOVERNANCE rule, because
 * nobody could take that back.
 */
export function retentionForExisting(request: ExistingRequest): ExistingAnswer {
  const { nowMs, key, createdMs, state, bucket, scope } = request
  const wanted = defaultRetentionFor(bucket, createdMs, key)
  if (wanted === null || !isActive(wanted, nowMs)) return { kind: 'enough' }
  const current = activeRetention(state, nowMs)
  if (current === null) return { kind: 'extend', next: wanted }
  if (extendsRetention(wanted, current)) return { kind: 'enough' }
  const isTightening = scope === 'IncludingModeChange' && wanted.mode === 'COMPLIANCE'
  if (current.mode !== wanted.mode && !isTightening) return { kind: 'otherMode' }
  const retainUntilMs = laterOf(current.retainUntilMs, wanted.retainUntilMs)
  return { kind: 'extend', next: { mode: wanted.mode, retainUntilMs } }
}
