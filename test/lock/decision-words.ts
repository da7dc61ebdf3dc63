/**
 * The words in which the rows of the decision table are written; dates are offsets from `now` in
 * milliseconds.
 */
import { type EpochMs, epochMs } from '../../src/lib/units.ts'
import type {
  DenyReason,
  LegalHoldStatus,
  LockContext,
  LockRequest,
  ObjectLockState,
  Retention,
} from '../../src/lock/types.ts'

export const now = epochMs(Date.UTC(2026, 0, 1))
export const day = 86_400_000

export function at(offsetMs: number): EpochMs {
  return epochMs(now + offsetMs)
}

export function governance(offsetMs: number): Retention {
  return { mode: 'GOVERNANCE', retainUntilMs: at(offsetMs) }
}

export function compliance(offsetMs: number): Retention {
  return { mode: 'COMPLIANCE', retainUntilMs: at(offsetMs) }
}

export function known(
  retention: Retention | null,
  legalHold: LegalHoldStatus | null = null,
): ObjectLockState {
  return { kind: 'known', retention, legalHold }
}

export const unknown: ObjectLockState = { kind: 'unknown', cause: 'the record could not be read' }

export const baseContext: LockContext = {
  nowMs: now,
  requestMs: now,
  bucketLock: 'Enabled',
  policyMode: null,
  bounds: { minimum: null, maximum: null },
}

export type Expected =
  | { readonly kind: 'allow'; readonly rule: 'NoRuleDenies' | 'BypassGovernanceRetention' }
  | { readonly kind: 'deny'; readonly reason: DenyReason; readonly untilMs: EpochMs | null }

export type Row = {
  readonly title: string
  readonly context?: Partial<LockContext>
  readonly state: ObjectLockState
  readonly request: LockRequest
  readonly expected: Expected
}

export const free: Expected = { kind: 'allow', rule: 'NoRuleDenies' }
export const bypassed: Expected = { kind: 'allow', rule: 'BypassGovernanceRetention' }

export function denied(reason: DenyReason, offsetMs: number | null): Expected {
  return { kind: 'deny', reason, untilMs: offsetMs === null ? null : at(offsetMs) }
}

export const remove: LockRequest = {
  kind: 'DeleteObjectVersion',
  isDeleteMarker: false,
  bypassGovernance: false,
}
export const removeBypassing: LockRequest = { ...remove, bypassGovernance: true }
export const removeMarker: LockRequest = { ...remove, isDeleteMarker: true }
export const hold: LockRequest = { kind: 'PutObjectLegalHold', next: 'ON' }
export const lift: LockRequest = { kind: 'PutObjectLegalHold', next: 'OFF' }

export function put(next: Retention | null): LockRequest {
  return { kind: 'PutObjectRetention', next, bypassGovernance: false }
}

export function putBypassing(next: Retention | null): LockRequest {
  return { kind: 'PutObjectRetention', next, bypassGovernance: true }
}
