import { assert } from '../lib/assert.ts'
import { dayMs, type EpochMs, epochMs } from '../lib/units.ts'
import { daysMin, retainUntil } from './periods.ts'
import { activeRetention, extendsRetention, modeRank } from './state.ts'
import type {
  DenyReason,
  LockContext,
  LockFinding,
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
  judge: (_context, state) => (state.kind === 'known' ? null : deny('LockStateUnknown', null)),
}

/** A hold ON keeps the version, whatever its retention, without end; nothing bypasses it. */
const legalHold = onKnownLock('LegalHold', (_context, state, request) => {
  if (request.kind !== 'DeleteObjectVersion' || request.isDeleteMarker) return null
  return state.legalHold === 'ON' ? deny('LegalHold', null) : null
})

/** COMPLIANCE in force: only the same mode and an equal or later date; nothing bypasses it. */
const complianceRetention = onKnownLock('ComplianceRetention', (context, state, request) => {
  const asked = askedRetention(request)
  const current = activeRetention(state, context.nowMs)
  if (asked === null || current?.mode !== 'COMPLIANCE') return null
  return extendsRetention(current, asked.next) ? null : deny('ComplianceRetention', current.retainUntilMs)
})

/**
 * GOVERNANCE in force: an equal or later date in the same mode is free; all else, COMPLIANCE included, needs
 * the bypass (PutObjectRetention; so do the s3-tests of Ceph).
 */
const governanceRetention = onKnownLock('GovernanceRetention', (context, state, request) => {
  const asked = askedRetention(request)
  const current = activeRetention(state, context.nowMs)
  if (asked === null || current?.mode !== 'GOVERNANCE') return null
  if (asked.next?.mode === 'GOVERNANCE' && extendsRetention(current, asked.next)) return null
  return asked.bypassGovernance ? { kind: 'bypassed' } : deny('GovernanceRetention', current.retainUntilMs)
})

/**
 * A frozen bucket changes no retention and sets no hold; a hold may be lifted, and existing locks stay in
 * force.
 */
const bucketFrozen: LockRule = {
  name: 'BucketFrozen',
  judge: (context, _state, request) => {
    if (context.bucketLock !== 'Frozen' || request.kind === 'DeleteObjectVersion') return null
    return request.next === 'OFF' ? null : deny('BucketFrozen', null)
  },
}

/**
 * The policy's `minimum`: refuses a client's date below it, a weaker mode than the policy's
 * and a bypassed shortening or removal below it. It never refuses an extension of what is in force, and never
 * clamps.
 */
const minimumRetention = onKnownLock('MinimumRetention', (context, state, request) => {
  const { minimum } = context.bounds
  if (minimum === null || request.kind !== 'PutObjectRetention') return null
  const current = activeRetention(state, context.nowMs)
  if (request.next === null) {
    // Without a retention in force there is nothing to remove: S3 answers 200 and changes nothing.
    return current === null ? null : deny('BelowMinimum', current.retainUntilMs)
  }
  if (current !== null && extendsRetention(current, request.next)) return null
  const isWeakerMode = modeRank(request.next.mode) < modeRank(context.policyMode)
  const isTooShort = request.next.retainUntilMs < retainUntil(context.requestMs, minimum)
  return isWeakerMode || isTooShort ? deny('BelowMinimum', null) : null
})

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
    return deny('AboveMaximum', epochMs(retainUntilMs - daysMin(maximum) * dayMs))
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
  return rules.map(({ name, judge }) => ({
    rule: name,
    verdict: verdictOf(name, judge(context, state, request)),
  }))
}

function verdictOf(rule: string, finding: LockFinding | null): Verdict {
  if (finding === null) return { kind: 'allow', rule }
  if (finding.kind === 'bypassed') return { kind: 'allow', rule: bypassGovernanceRetention }
  const { kind, reason, untilMs } = finding
  return { kind, rule, reason, untilMs }
}

type KnownLockState = Extract<ObjectLockState, { readonly kind: 'known' }>

/** A rule about what the lock says; one that cannot be read is LockStateKnown's to deny. */
function onKnownLock(
  name: string,
  judge: (context: LockContext, state: KnownLockState, request: LockRequest) => LockFinding | null,
): LockRule {
  return {
    name,
    judge: (context, state, request) => (state.kind === 'known' ? judge(context, state, request) : null),
  }
}

type AskedRetention = { readonly next: Retention | null; readonly bypassGovernance: boolean }

/** What would be left of the retention, a delete leaving none; null when the request does not touch one. */
function askedRetention(request: LockRequest): AskedRetention | null {
  if (request.kind === 'PutObjectLegalHold') return null
  const { bypassGovernance } = request
  if (request.kind === 'PutObjectRetention') return { next: request.next, bypassGovernance }
  return request.isDeleteMarker ? null : { next: null, bypassGovernance }
}

function deny(reason: DenyReason, untilMs: EpochMs | null): LockFinding {
  return { kind: 'deny', reason, untilMs }
}

/** Sorts the most lasting denial first. */
function byLasting(a: Denial, b: Denial): number {
  const lasting = lastingMs(b) - lastingMs(a)
  if (lasting !== 0 && !Number.isNaN(lasting)) return lasting
  return a.rule.localeCompare(b.rule, 'en')
}

function lastingMs(denial: Denial): number {
  return denial.untilMs ?? Number.POSITIVE_INFINITY
}
