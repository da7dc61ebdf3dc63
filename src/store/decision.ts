/**
 * Decisions and their records. What was allowed is appended in the transaction that does it; what was refused
 * wrote nothing and goes to the recorder of refusals before it is answered.
 */
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { ObjectLockState, Verdict } from '../lock/types.ts'
import type { AuditDetail, AuditFields } from './audit-record.ts'
import type { Bodies } from './bodies/contract.ts'
import type { DenialRecorder } from './denials.ts'
import { CorruptRecordError } from './fields.ts'
import { unknownLockDenial } from './gate.ts'
import type { KeyValue } from './kv/contract.ts'
import type { VersionRecord } from './records.ts'
import type { Actor, Denied, TrustedNow } from './requests.ts'
import type { BucketPlaces } from './scenes.ts'
import { readTrustedNow } from './trusted-clock.ts'

/** What the functions of the store work with; wired once by `openStore`. */
export type StoreContext = {
  readonly kv: KeyValue
  readonly clock: Clock
  readonly denials: DenialRecorder
  readonly log: Log
}

/** The context of what is done to versions. */
export type VersionContext = StoreContext & { readonly bodies: Bodies; readonly places: BucketPlaces }

/** Whom and what a decision is about. */
export type Subject = {
  readonly actor: Actor
  readonly bucket: string
  readonly key: string | null
}

export type DecisionFacts = {
  readonly verdict: Pick<Verdict, 'kind' | 'rule'>
  /** As stored; for a null version the id behind it. */
  readonly versionId?: string | null
  readonly change?: number
  readonly sha256?: string
  readonly sizeBytes?: number
  readonly lockBefore?: ObjectLockState
  readonly lockAfter?: ObjectLockState
  readonly detail?: AuditDetail
}

export function auditFields(subject: Subject, now: TrustedNow, facts: DecisionFacts): AuditFields {
  return {
    trustedMs: now.trustedMs,
    wallMs: now.wallMs,
    actor: subject.actor,
    bucket: subject.bucket,
    key: subject.key,
    versionId: facts.versionId ?? null,
    change: facts.change ?? null,
    sha256: facts.sha256 ?? null,
    sizeBytes: facts.sizeBytes ?? null,
    lockBefore: facts.lockBefore ?? null,
    lockAfter: facts.lockAfter ?? null,
    verdict: facts.verdict.kind,
    rule: facts.verdict.rule,
    detail: facts.detail ?? null,
  }
}

/** A write whose lock by period the clock does not allow to count, with its record. */
export function clockRefusal(subject: Subject, now: TrustedNow) {
  const { trustedMs, wallMs } = now
  const verdict = { kind: 'deny', rule: 'ClockSuspect' } as const
  return {
    answer: { kind: 'clockSuspect', trustedMs, wallMs },
    refusal: auditFields(subject, now, { verdict }),
  } as const
}

/** The facts that every decision about an existing version carries. */
export function versionFacts(
  version: VersionRecord,
): Pick<DecisionFacts, 'versionId' | 'change' | 'sizeBytes' | 'lockBefore'> {
  const { versionId, change, lock, object } = version
  const facts = { versionId, change, lockBefore: lock }
  return object === null ? facts : { ...facts, sizeBytes: object.sizeBytes }
}

/**
 * Runs a mutation; a record that cannot be read turns into a recorded denial (I3): no lock state was
 * understood, so nothing may be done. `work` writes nothing when it throws. Other errors pass.
 */
export async function denyIfUnreadable<Answer>(
  context: StoreContext,
  subject: Subject & { readonly versionId: string | null },
  work: () => Promise<Answer>,
): Promise<Answer | Denied> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    const { bucket, key, versionId } = subject
    context.log.error({ bucket, key, cause: error.message }, 'a stored record cannot be read: denied')
    const now = await readTrustedNow(context.kv, context.clock)
    const verdict = unknownLockDenial(now, error.message)
    const lockBefore: ObjectLockState = { kind: 'unknown', cause: error.message }
    // An id that a client made up is no version of ours: it goes into the detail.
    const detail = versionId === null ? {} : { detail: { requestedVersionId: versionId } }
    await context.denials.record(auditFields(subject, now, { verdict, lockBefore, ...detail }))
    return { kind: 'denied', verdict }
  }
}
