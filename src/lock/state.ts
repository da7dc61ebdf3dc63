import type { EpochMs } from '../lib/units.ts'
import type { ObjectLockState, Retention, RetentionMode } from './types.ts'

/** What a lock state means at an instant; `unknown` protects like `locked`. */
export type Protection = 'locked' | 'free' | 'unknown'

/** How long a version is locked, for status and reports. */
export type LockedUntil =
  | { readonly kind: 'free' }
  /** Locked through this instant, by retention alone. */
  | { readonly kind: 'until'; readonly retainUntilMs: EpochMs }
  | { readonly kind: 'indefinite'; readonly cause: 'LegalHold' | 'LockStateUnknown' }

/**
 * True while the retention is in force: through `retainUntilMs`, ended one millisecond later. Written as a
 * negation so that an instant that is not a number counts as locked.
 */
export function isActive(retention: Retention, nowMs: EpochMs): boolean {
  return !(nowMs > retention.retainUntilMs)
}

/** The retention in force at `nowMs` (trusted time); null when never set or expired. */
export function activeRetention(
  state: ObjectLockState & { kind: 'known' },
  nowMs: EpochMs,
): Retention | null {
  return state.retention !== null && isActive(state.retention, nowMs) ? state.retention : null
}

/** Judges a version's bytes, not delete markers: those are protected only while their state is unknown. */
export function protection(state: ObjectLockState, nowMs: EpochMs): Protection {
  if (state.kind === 'unknown') return 'unknown'
  return lockedUntil(state, nowMs).kind === 'free' ? 'free' : 'locked'
}

/** An unreadable lock is a lock. */
export function isLocked(state: ObjectLockState, nowMs: EpochMs): boolean {
  return protection(state, nowMs) !== 'free'
}

/** Until when the version is locked by what is stored now; a hold outlasts every date. */
export function lockedUntil(state: ObjectLockState, nowMs: EpochMs): LockedUntil {
  if (state.kind === 'unknown') return { kind: 'indefinite', cause: 'LockStateUnknown' }
  if (state.legalHold === 'ON') return { kind: 'indefinite', cause: 'LegalHold' }
  const retention = activeRetention(state, nowMs)
  return retention === null ? { kind: 'free' } : { kind: 'until', retainUntilMs: retention.retainUntilMs }
}

/** GOVERNANCE below COMPLIANCE; null, no mode that is asked for, below none. */
export function modeRank(mode: RetentionMode | null): number {
  return mode === 'COMPLIANCE' ? 1 : 0
}

/** True when `next` keeps the mode or strengthens it and ends no earlier: an equal date is an extension. */
export function extendsRetention(current: Retention, next: Retention | null): boolean {
  if (next === null) return false
  return modeRank(next.mode) >= modeRank(current.mode) && next.retainUntilMs >= current.retainUntilMs
}
