import { assert } from '../lib/assert.ts'
import { dayMs, type EpochMs, epochMs } from '../lib/units.ts'
import { daysMin, retainUntil } from './periods.ts'
import { activeRetention, extendsRetention, modeRank } from './state.ts'
import type {
  DenyReason,
  LockContext,
  LockRequest,
  LockRule,
  ObjectLockState,
  Retention,
  Verdict,
} from './types.ts'

/** What one rule answered; `allow` also when it had nothing against the request. */
export type RuleVerdict = { readonly rule: string; readonly verdict: Verdict }

/** A verdict that refuses. */
export type Denial = Extract<Verdict, { readonly kind: 'deny' }>

/** The rule named by an allow that no bypass was needed for. */
export const noRuleDenies = 'NoRuleDenies'
/** The rule named by an allow that overrode GOVERNANCE retention: reports count these. */
export const bypassGovernanceRetention = 'BypassGovernanceRetention'

/** Never assume that an unreadable lock is no lock: denies every request, on delete markers too. */
const lockStateKnown: LockRule = {
  name: 'LockStateKnown',
  judge: (_context, state) =>
    state.kind === 'unknown' ? deny('LockStateKnown', 'LockStateUnknown', null) : null,
}

/** A hold ON keeps the version, whatever its retention, without end; nothing bypasses it. */
const legalHold: LockRule = {
  name: 'LegalHold',
  judge: (_context, state, request) => {
    if (request.kind !== 'DeleteObjectVersion' || request.isDeleteMarker || state.kind === 'unknown')
      return null
    return state.legalHold === 'ON' ? deny('LegalHold', 'LegalHold', null) : null
  },
}

/** COMPLIANCE in force: only the same mode and an equal or later date; nothing bypasses it. */
const complianceRetention: LockRule = {
  name: 'ComplianceRetention',
  judge: (context, state, request) => {
    const current = retentionInForce(context, state, request)
    if (current === null || current.mode !== 'COMPLIANCE') return null
    if (request.kind === 'PutObjectRetention' && extendsRetention(current, request.next)) return null
    return deny('ComplianceRetention', 'ComplianceRetention', current.retainUntilMs)
  },
}

/**
 * GOVERNANCE in force: an equal or later date in the same mode is free; all else, COMPLIANCE included, needs
 * the bypass (PutObjectRetention; so do the s3-tests of Ceph).
 */
const governanceRetention: LockRule = {
  name: 'GovernanceRetention',
  judge: (context, state, request) => {
    if (request.kind === 'PutObjectLegalHold') return null
    const current = retentionInForce(context, state, request)
    if (current === null || current.mode !== 'GOVERNANCE') return null
    if (request.kind === 'PutObjectRetention' && request.next?.mode === 'GOVERNANCE') {
      if (extendsRetention(current, request.next)) return null
    }
    if (request.bypassGovernance) return { kind: 'allow', rule: bypassGovernanceRetention }
    return deny('GovernanceRetention', 'GovernanceRetention', current.retainUntilMs)
  },
}

/**
 * A frozen bucket changes no retention and sets no hold; a hold may be lifted, and existing locks stay in
 * force.
 */
const bucketFrozen: LockRule = {
  name: 'BucketFrozen',
  judge: (context, _state, request) => {
    if (context.bucketLock !== 'Frozen' || request.kind === 'DeleteObjectVersion') return null
    if (request.kind === 'PutObjectLegalHold' && request.next === 'OFF') return null
    return deny('BucketFrozen', 'BucketFrozen', null)
  },
}

/**
 * The policy's `minimum`: refuses a client's date below it, a weaker mode than the policy's
 * and a bypassed shortening or removal below it. It never refuses an extension of what is in force, and never
 * clamps.
 */
const minimumRetention: LockRule = {
  name: 'MinimumRetention',
  judge: (context, state, request) => {
    const { minimum } = context.bounds
    if (minimum === null || request.kind !== 'PutObjectRetention' || state.kind === 'unknown') return null
    const current = activeRetention(state, context.nowMs)
    if (request.next === null) {
      // Without a retention in force there is nothing to remove: S3 answers 200 and changes nothing.
      return current === null ? null : deny('MinimumRetention', 'BelowMinimum', current.retainUntilMs)
    }
    if (current !== null && extendsRetention(current, request.next)) return null
    const isWeakerMode =
      context.policyMode !== null && modeRank(request.next.mode) < modeRank(context.policyMode)
    const isTooShort = request.next.retainUntilMs < retainUntil(context.requestMs, minimum)
    return isWeakerMode || isTooShort ? deny('MinimumRetention', 'BelowMinimum', null) : null
  },
}

/**
 * The policy's `maximum`: refuses a client's date beyond it, extensions included. Putting back exactly what
 * is in force asks for nothing new and passes (a client that reads a lock and writes it again must not fail).
 */
const maximumRetention: LockRule = {
  name: 'MaximumRetention',
  judge: (context, state, request) => {
    const { maximum } = context.bounds
    if (maximum === null || request.kind !== 'PutObjectRetention' || request.next === null) return null
    const { mode, retainUntilMs } = request.next
    if (retainUntilMs <= retainUntil(context.requestMs, maximum)) return null
    const current = state.kind === 'known' ? activeRetention(state, context.nowMs) : null
    if (current !== null && current.mode === mode && current.retainUntilMs === retainUntilMs) return null
    // The bound moves with the request: `maximum` before the date, the same date is within it.
    return deny('MaximumRetention', 'AboveMaximum', epochMs(retainUntilMs - daysMin(maximum) * dayMs))
  },
}

/** Every rule there is. The order means nothing: a test shuffles it. */
export const lockRules: readonly LockRule[] = [
  lockStateKnown,
  legalHold,
  complianceRetention,
  governanceRetention,
  bucketFrozen,
  minimumRetention,
  maximumRetention,
]

/**
 * Whether the request may be done to a version in this state: THE decision, taken inside the transaction of
 * the write. Any denial denies; of several the one that lasts longest is returned (not by time, then the
 * latest date, then by name). A delete marker is never locked; S3's past-date check (`InvalidArgument`) comes
 * before this one.
 */
export function decide(context: LockContext, state: ObjectLockState, request: LockRequest): Verdict {
  return decideBy(lockRules, context, state, request)
}

/** Every rule's answer to the same question, in the order of `lockRules`; `decide` is made from it. */
export function explain(
  context: LockContext,
  state: ObjectLockState,
  request: LockRequest,
): readonly RuleVerdict[] {
  return explainBy(lockRules, context, state, request)
}

/** `decide` over a given list of rules. */
export function decideBy(
  rules: readonly LockRule[],
  context: LockContext,
  state: ObjectLockState,
  request: LockRequest,
): Verdict {
  assert(rules.length > 0, 'there are rules to decide by')
  assert(Number.isSafeInteger(context.nowMs), 'trusted time is a whole number of milliseconds')
  assert(Number.isSafeInteger(context.requestMs), 'request time is a whole number of milliseconds')
  const verdicts = explainBy(rules, context, state, request).map(({ verdict }) => verdict)
  const denials = verdicts.filter((verdict) => verdict.kind === 'deny')
  const mostLasting = denials.toSorted(byLasting)[0]
  if (mostLasting !== undefined) return mostLasting
  const bypassed = verdicts.find((verdict) => verdict.rule === bypassGovernanceRetention)
  return bypassed ?? { kind: 'allow', rule: noRuleDenies }
}

function explainBy(
  rules: readonly LockRule[],
  context: LockContext,
  state: ObjectLockState,
  request: LockRequest,
): readonly RuleVerdict[] {
  return rules.map(({ name, judge }) => {
    const verdict = judge(context, state, request) ?? { kind: 'allow', rule: name }
    return { rule: name, verdict }
  })
}

/**
 * The retention that a delete or a change of retention meets; null when there is none in force or it is no
 * matter.
 */
function retentionInForce(
  context: LockContext,
  state: ObjectLockState,
  request: LockRequest,
): Retention | null {
  if (state.kind === 'unknown' || request.kind === 'PutObjectLegalHold') return null
  if (request.kind === 'DeleteObjectVersion' && request.isDeleteMarker) return null
  return activeRetention(state, context.nowMs)
}

function deny(rule: string, reason: DenyReason, untilMs: EpochMs | null): Denial {
  return { kind: 'deny', rule, reason, untilMs }
}

/** Sorts the most lasting denial first. */
function byLasting(a: Denial, b: Denial): number {
  const lasting = lastingMs(b) - lastingMs(a)
  if (lasting !== 0 && !Number.isNaN(lasting)) return lasting
  return a.rule < b.rule ? -1 : 1
}

function lastingMs(denial: Denial): number {
  return denial.untilMs ?? Number.POSITIVE_INFINITY
}
