/** The status of a LockedBucket: what the server answered, and when it is worth a write. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { type EventReason, eventReasons } from '../../api/conditions.ts'
import type { LockedBucketSpec, LockedBucketStatus } from '../../api/LockedBucket.ts'
import { formatRetention, fromPeriod } from '../../api/periods.ts'
import type { BucketFactsAnswer, ServerInfo } from '../../client/lock-server.ts'
import { limits } from '../../lib/limits.ts'
import { type EpochMs, epochMs } from '../../lib/units.ts'
import type { BucketRetention } from '../../lock/types.ts'
import { guardConditions } from '../admission/guard.ts'
import { findCondition, formatTime, makeConditions, type WantedCondition } from '../conditions.ts'
import type { Report } from '../controller.ts'
import { handledRequests, pausedConditions } from '../requests.ts'
import type { EventRecord } from '../sources/source.ts'
import { storageConditions } from '../storage/storage-state.ts'
import type { LockedBucketOutcome } from './LockedBucket.ts'
import { type Assessment, assess, clusterConditions } from './locked-bucket-assess.ts'
import {
  actualRetention,
  type LockedBucketSnapshot,
  pausedBy,
  type ServerView,
} from './locked-bucket-decide.ts'
import { clockSuspect, evidenceEvents, evidenceFields, integrityVerified } from './locked-bucket-evidence.ts'
import { type OwnedView, ownsNothing } from './locked-bucket-observed.ts'
import { differentSettings, settingsOf } from './locked-bucket-settings.ts'

export function lockedBucketReport(
  nowMs: EpochMs,
  snapshot: LockedBucketSnapshot,
  outcome: LockedBucketOutcome,
): Report<'LockedBucket'> {
  const assessment = assess(snapshot, outcome)
  if (assessment === null) return { status: null, events: [], next: { kind: 'done' } }
  const { object } = snapshot
  const status = makeStatus(nowMs, snapshot, { assessment, outcome })
  return {
    status: isWorthWriting(nowMs, object.status, status) ? status : null,
    events: eventsOf(snapshot, outcome, assessment),
    next: assessment.next,
  }
}

function makeStatus(
  nowMs: EpochMs,
  snapshot: LockedBucketSnapshot,
  { assessment, outcome }: { assessment: Assessment; outcome: LockedBucketOutcome },
): LockedBucketStatus {
  const { object } = snapshot
  const { generation } = object.metadata
  const { view } = assessment
  const protectedCondition = deletionProtected(
    isDoubted(outcome) ? { kind: 'unknown' } : view,
    object.spec.deletionPolicy ?? 'Retain',
  )
  const conditions = makeConditions(
    [
      ...readyConditions(assessment),
      ...pausedConditions(object),
      assessment.enforced,
      protectedCondition,
      assessment.drifted,
      ...evidenceConditions(snapshot, assessment, outcome),
      ...clusterConditions(snapshot, outcome),
      ...guardConditions(snapshot.guard),
    ],
    object.status?.conditions,
    { generation, nowMs },
  )
  return {
    observedGeneration: generation,
    conditions,
    ...serverPart(nowMs, view, { info: infoOf(outcome), previous: object.status }),
    ...handled(snapshot, outcome),
    deletionProtected: protectedCondition.status === 'True',
  }
}

function evidenceConditions(
  { storage }: LockedBucketSnapshot,
  { view }: Assessment,
  { server }: LockedBucketOutcome,
): readonly WantedCondition[] {
  return [clockSuspect(server), integrityVerified(view), ...storageConditions(storage)]
}

/** A request is handled when the server answered; one to reconcile not while a pause holds it back. */
function handled(snapshot: LockedBucketSnapshot, { server }: LockedBucketOutcome) {
  const verify = server.kind === 'seen' ? 'handled' : 'open'
  const reconcile = pausedBy(snapshot) === null ? verify : 'open'
  return handledRequests(snapshot.object, { reconcile, verify })
}

/**
 * kstatus: Reconciling and Stalled are there only while True; Ready alone would read as "in progress" for
 * ever.
 */
function readyConditions({ ready, progress, reason, message }: Assessment): readonly WantedCondition[] {
  const base: WantedCondition[] = [{ type: 'Ready', status: ready, reason, message }]
  if (progress === 'reconciling') base.push({ type: 'Reconciling', status: 'True', reason, message })
  if (progress === 'stalled') base.push({ type: 'Stalled', status: 'True', reason, message })
  return base
}

/** What is not there may be on the volume as it was. */
function isDoubted({ server }: LockedBucketOutcome): boolean {
  return server.kind === 'seen' && server.history.kind === 'doubted'
}

/** Protected unless it is proved that nothing is locked; or, where the bucket is to go, that nothing is there. */
function deletionProtected(view: OwnedView, deletionPolicy: 'Retain' | 'Delete'): WantedCondition {
  const type = 'DeletionProtected'
  switch (view.kind) {
    case 'unknown':
      return { type, status: 'True', reason: 'Unverified', message: null }
    case 'none':
      return { type, status: 'False', reason: 'NoLockedVersions', message: ownsNothing }
    case 'owned': {
      const { lockedVersionCount, legalHoldCount, versionCount, deleteMarkerCount } = view.facts
      const isLocked = lockedVersionCount > 0 || legalHoldCount > 0
      if (!isLocked && deletionPolicy === 'Delete' && versionCount + deleteMarkerCount > 0)
        return { type, status: 'True', reason: 'VersionsLeft', message: null }
      return {
        type,
        status: isLocked ? 'True' : 'False',
        reason: isLocked ? 'LockedVersions' : 'NoLockedVersions',
        message: null,
      }
    }
  }
}

type ServerPart = Omit<
  LockedBucketStatus,
  'observedGeneration' | 'conditions' | 'deletionProtected' | 'lastHandledReconcileAt' | 'lastHandledVerifyAt'
>

/**
 * While the server is silent the last answer stays, with the time it is from; what is not ours is never
 * shown.
 */
function serverPart(
  nowMs: EpochMs,
  view: OwnedView,
  { info, previous }: { info: ServerInfo | null; previous: LockedBucketStatus | undefined },
): ServerPart {
  if (view.kind === 'unknown') {
    const {
      observedGeneration: _generation,
      conditions: _conditions,
      deletionProtected: _protected,
      lastHandledReconcileAt: _reconcile,
      lastHandledVerifyAt: _verify,
      ...kept
    } = previous ?? {}
    return kept
  }
  if (view.kind === 'none') return { lastVerifiedTime: formatTime(nowMs) }
  const { facts, observed } = view
  const actual = actualRetention(facts, observed)
  return {
    bucket: {
      name: facts.name,
      ...(info === null ? {} : { endpoint: info.s3Endpoint }),
      region: facts.region,
      uid: facts.bucketId,
    },
    ...(actual === null
      ? {}
      : { objectLock: { retention: formatRetention(actual), ...retentionFields(actual) } }),
    ...(facts.lockedUntil === null ? {} : { lockedUntil: wholeSeconds(facts.lockedUntil) }),
    lockedVersions: facts.lockedVersionCount,
    legalHolds: facts.legalHoldCount,
    versions: facts.versionCount,
    sizeBytes: facts.sizeBytes,
    ...(facts.quotaBytes === null ? {} : { quotaBytes: facts.quotaBytes }),
    profile: facts.profile,
    requireChecksum: facts.requireChecksum,
    ...evidenceFields(facts),
    ...(facts.applyToExisting === null ? {} : { applyToExisting: existingFields(facts.applyToExisting) }),
    ...(facts.policy === null
      ? {}
      : { policy: { name: facts.policy.name, uid: facts.policy.uid, generation: facts.policy.generation } }),
    ...(facts.policy?.floor == null ? {} : { floor: retentionFields(facts.policy.floor) }),
    lastVerifiedTime: formatTime(nowMs),
  }
}

function retentionFields({
  defaultRetention,
  prefixRules,
}: BucketRetention): NonNullable<LockedBucketStatus['floor']> {
  return {
    ...(defaultRetention === null
      ? {}
      : { mode: defaultRetention.mode, ...fromPeriod(defaultRetention.period) }),
    ...(prefixRules.length === 0
      ? {}
      : { rules: prefixRules.map(({ prefix, period }) => ({ prefix, ...fromPeriod(period) })) }),
  }
}

function existingFields(
  walk: NonNullable<BucketFactsAnswer['applyToExisting']>,
): NonNullable<LockedBucketStatus['applyToExisting']> {
  return {
    scope: walk.scope,
    policyGeneration: walk.policyGeneration,
    startTime: wholeSeconds(walk.started),
    ...(walk.ended === null ? {} : { completionTime: wholeSeconds(walk.ended) }),
    versions: walk.versionCount,
    seen: walk.seenCount,
    extended: walk.extendedCount,
    otherMode: walk.otherModeCount,
    denied: walk.deniedCount,
    unreadable: walk.unreadableCount,
    deferred: walk.deferredCount,
  }
}

/** Rounded up: a date in a status must never be before the lock's end. */
function wholeSeconds(instant: string): string {
  const parsedMs = Date.parse(instant)
  return Number.isNaN(parsedMs) ? instant : formatTime(epochMs(Math.ceil(parsedMs / 1000) * 1000))
}

/**
 * A status is written when something in it means something new. Counts, dates of locks and refusals alone wait five
 * minutes after the last write, and times of verification, scrub and lifecycle alone six hours: a busy bucket must not
 * keep etcd busy.
 */
function isWorthWriting(
  nowMs: EpochMs,
  previous: LockedBucketStatus | undefined,
  next: LockedBucketStatus,
): boolean {
  if (previous === undefined || !isDeepStrictEqual(withoutCounts(previous), withoutCounts(next))) return true
  const ageMs = nowMs - (previous.lastVerifiedTime === undefined ? 0 : Date.parse(previous.lastVerifiedTime))
  const isVerified = next.lastVerifiedTime !== previous.lastVerifiedTime
  const isCountedOtherwise = !isDeepStrictEqual(countsOf(previous), countsOf(next))
  // Written when the clock was ahead: until then nothing would be old enough.
  if (ageMs < 0) return isVerified || isCountedOtherwise
  return isCountedOtherwise
    ? ageMs >= limits.countsWriteIntervalMs
    : isVerified && ageMs >= limits.statusRefreshMs
}

function withoutCounts(status: LockedBucketStatus): object {
  const {
    lockedUntil: _until,
    lockedVersions: _versions,
    legalHolds: _holds,
    versions: _versionCount,
    sizeBytes: _size,
    lastVerifiedTime: _time,
    lastDenials: _denials,
    lastLifecycleRun: _run,
    integrity: _integrity,
    applyToExisting,
    ...rest
  } = status
  if (applyToExisting === undefined) return rest
  const { scope, policyGeneration, startTime, completionTime } = applyToExisting
  return { ...rest, applyToExisting: { scope, policyGeneration, startTime, completionTime } }
}

function countsOf(status: LockedBucketStatus): object {
  const { lockedUntil, lockedVersions, legalHolds, versions, sizeBytes, applyToExisting, lastDenials } =
    status
  const { startTime: _start, completionTime: _end, ...did } = status.lastLifecycleRun ?? {}
  return { lockedUntil, lockedVersions, legalHolds, versions, sizeBytes, applyToExisting, lastDenials, did }
}

/** What was done, and what turned bad since the last status; a state that lasts is told once. */
function eventsOf(
  snapshot: LockedBucketSnapshot,
  outcome: LockedBucketOutcome,
  assessment: Assessment,
): readonly EventRecord[] {
  const { object, server } = snapshot
  const { step, answer } = outcome
  const { namespace, name, uid, resourceVersion } = object.metadata
  const regarding = { kind: 'LockedBucket', namespace, name, uid, resourceVersion } as const
  const say = (reason: EventReason, message: string): EventRecord => ({ reason, message, regarding })
  const { bucketName } = object.spec
  const events: EventRecord[] = []
  if (answer?.kind === 'applied' && answer.change !== 'unchanged') {
    const done = step?.cause === 'drift' ? 'DriftCorrected' : changeReasons[answer.change]
    const names = done === 'DriftCorrected' ? differencesOf(server, object.spec) : ''
    events.push(say(done, `Bucket ${bucketName}: ${eventReasons[done].sentence}${names}`))
  }
  const before = findCondition(object.status?.conditions, 'Ready')
  const isNews = before?.status !== 'False' || before.reason !== assessment.reason
  if (assessment.ready === 'False' && isNews && isEventReason(assessment.reason)) {
    events.push(say(assessment.reason, assessment.message ?? eventReasons[assessment.reason].sentence))
  }
  const driftedBefore = findCondition(object.status?.conditions, 'Drifted')
  const { drifted } = assessment
  if (assessment.ready === 'True' && drifted.status === 'True' && driftedBefore?.status !== 'True') {
    events.push(say('DriftDetected', drifted.message ?? eventReasons.DriftDetected.sentence))
  }
  const evidence = evidenceConditions(snapshot, assessment, outcome)
  for (const { reason, message } of evidenceEvents(object.status, evidence))
    events.push(say(reason, message ?? eventReasons[reason].sentence))
  return events
}

function differencesOf(server: ServerView, spec: LockedBucketSpec): string {
  if (server.kind === 'failed' || server.facts === null) return ''
  const names = differentSettings(server.facts, settingsOf(spec))
  return names.length === 0 ? '' : ` Changed behind the operator: ${names.join(', ')}.`
}

const changeReasons = {
  created: 'BucketCreated',
  adopted: 'BucketAdopted',
  updated: 'RetentionApplied',
} as const satisfies Record<string, EventReason>

function isEventReason(reason: string): reason is EventReason {
  return Object.hasOwn(eventReasons, reason)
}

function infoOf({ server }: LockedBucketOutcome): ServerInfo | null {
  return server.kind === 'seen' ? server.info : null
}
