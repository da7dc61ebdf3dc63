/** The status of a BucketAccess: what the server and the Secret have, and what stands in the way. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { annotations } from '../../api/annotations.ts'
import { type BucketAccessStatus, validateBucketAccess } from '../../api/BucketAccess.ts'
import { type ConditionReason, type EventReason, eventReasons } from '../../api/conditions.ts'
import { toDuration } from '../../api/durations.ts'
import { formatViolations } from '../../api/manifest.ts'
import { ServerRefusedError, toldBy } from '../../client/lock-server.ts'
import { unreachable } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import { addMs, type DurationMs, durationMs, type EpochMs, epochMs } from '../../lib/units.ts'
import { guardConditions } from '../admission/guard.ts'
import { findCondition, formatTime, makeConditions } from '../conditions.ts'
import type { Next, Report } from '../controller.ts'
import { KubeStatusError } from '../kube.ts'
import { handledRequests, isPaused, pausedConditions, requestedBy } from '../requests.ts'
import type { EventRecord } from '../sources/source.ts'
import type { BucketAccessOutcome, Granted } from './BucketAccess.ts'
import {
  type BucketAccessSnapshot,
  changesAnything,
  decideBucketAccess,
  graceMs,
  readyNames,
} from './bucket-access-decide.ts'
import { isMadeFor, slotsOf } from './bucket-access-secret.ts'

type Assessment = {
  readonly ready: 'True' | 'False'
  readonly progress: 'current' | 'reconciling' | 'stalled'
  readonly reason: ConditionReason
  readonly message: string | null
  readonly next: Next
}

export function bucketAccessReport(
  nowMs: EpochMs,
  snapshot: BucketAccessSnapshot,
  outcome: BucketAccessOutcome,
): Report<'BucketAccess'> {
  // This operator leads no more, and must say nothing.
  if (outcome.kind === 'staleEpoch') return { status: null, events: [], next: { kind: 'done' } }
  const { object } = snapshot
  const assessment = assess(nowMs, snapshot, outcome)
  const { ready, progress, reason, message } = assessment
  const { generation } = object.metadata
  const progressing = { reconciling: 'Reconciling', stalled: 'Stalled' } as const
  const wanted = [
    { type: 'Ready', status: ready, reason, message } as const,
    ...(progress === 'current'
      ? []
      : [{ type: progressing[progress], status: 'True', reason, message } as const]),
    ...pausedConditions(object),
    ...guardConditions(snapshot.guard),
  ]
  const status: BucketAccessStatus = {
    observedGeneration: generation,
    conditions: makeConditions(wanted, object.status?.conditions, { generation, nowMs }),
    ...facts(snapshot, outcome),
    ...handled(snapshot, outcome),
  }
  return {
    status: isDeepStrictEqual(status, object.status) ? null : status,
    events: eventsOf(snapshot, outcome, assessment),
    next: assessment.next,
  }
}

function assess(nowMs: EpochMs, snapshot: BucketAccessSnapshot, outcome: BucketAccessOutcome): Assessment {
  const { object, secret, server } = snapshot
  const violations = validateBucketAccess(null, object)
  if (violations.length > 0) return stalled('SpecInvalid', formatViolations(violations))
  if (secret.kind === 'unsupported') return stalled('NoSecretsHere', null)
  if (server.kind === 'failed') return assessFailure(server.error)
  if (isPaused(object)) {
    const withheld = decideBucketAccess(nowMs, snapshot).find((step) => changesAnything(step, snapshot))
    if (withheld !== undefined) return { ...stalled('Paused', null), next: { kind: 'done' } }
  }
  switch (outcome.kind) {
    case 'serverFailed':
      return assessFailure(outcome.error)
    case 'secretFailed':
      return assessSecretFailure(outcome.error, snapshot)
    case 'refused':
      return outcome.reason === 'noMasterKey'
        ? stalled('MasterKeyMissing', null)
        : stalled('AccessKeyTaken', null)
    case 'none':
    case 'revoked':
    case 'granted':
    case 'staleEpoch':
      break
  }
  return assessSecret(snapshot) ?? assessBuckets(nowMs, snapshot, outcome)
}

function assessSecret({ object, secret }: BucketAccessSnapshot): Assessment | null {
  const { spec, metadata } = object
  const name = spec.secretName ?? spec.existingSecret ?? ''
  const isOwn = spec.secretName !== undefined
  if (secret.kind === 'forbidden')
    return forbidden(`The operator may not read Secret ${name} in namespace ${metadata.namespace}.`)
  if (secret.kind === 'failed') return waiting('Applying', null, retryOf(secret.error))
  if (secret.kind === 'held' && isOwn && !isMadeFor(secret.secret, object)) {
    const message = `Secret ${name} was not made for this BucketAccess and is never overwritten; choose another secretName.`
    return stalled('SecretConflict', message)
  }
  if (isOwn) return null
  if (secret.kind === 'none') {
    const message = `Secret ${name} does not exist in namespace ${metadata.namespace}.`
    // Secrets are not watched.
    return waiting('SecretNotFound', message, { kind: 'after', delayMs: limits.serverRetryMsMax })
  }
  if (secret.kind === 'held' && slotsOf(secret.secret).current === null) {
    const message = `Secret ${name} has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that S3 clients could use.`
    return { ...stalled('SecretInvalid', message), next: { kind: 'after', delayMs: limits.serverRetryMsMax } }
  }
  return null
}

/** A missing LockedBucket comes by itself: that is told. */
function assessBuckets(
  nowMs: EpochMs,
  snapshot: BucketAccessSnapshot,
  outcome: BucketAccessOutcome,
): Assessment {
  const names = (kind: 'notFound' | 'notReady' | 'unparsable') =>
    snapshot.buckets.flatMap((bucket) => (bucket.kind === kind ? [bucket.name] : []))
  const rest = readyNames(snapshot).length === 0 ? 'No key is valid.' : 'The others are granted.'
  const next = nextLook(nowMs, snapshot, outcome)
  const missing = names('notFound')
  if (missing.length > 0) {
    const { namespace } = snapshot.object.metadata
    const message = `There is no LockedBucket ${missing.join(', ')} in namespace ${namespace}. ${rest}`
    return waiting('LockedBucketNotFound', message, next)
  }
  const unparsable = names('unparsable')
  if (unparsable.length > 0) {
    const message = `This operator cannot understand LockedBucket ${unparsable.join(', ')}; what the keys may do there stays as it is.`
    return waiting('LockedBucketUnparsable', message, next)
  }
  const waitedFor = names('notReady')
  if (waitedFor.length > 0) {
    const message = `LockedBucket ${waitedFor.join(', ')} has no bucket at the lock server yet. ${rest}`
    return waiting('LockedBucketNotReady', message, next)
  }
  return { ready: 'True', progress: 'current', reason: 'Granted', message: null, next }
}

/** When the former key is to be refused, or the next one to be made. */
function nextLook(nowMs: EpochMs, snapshot: BucketAccessSnapshot, outcome: BucketAccessOutcome): Next {
  if (outcome.kind !== 'granted') return { kind: 'done' }
  const { previousMs, rotationMs } = dates(snapshot, outcome)
  const due = [previousMs, rotationMs].filter((each) => each !== null)
  if (due.length === 0) return { kind: 'done' }
  return { kind: 'after', delayMs: Math.max(1, Math.min(...due) - nowMs) }
}

function dates({ object }: BucketAccessSnapshot, { created, previousId }: Granted) {
  const createdMs = epochMs(Date.parse(created))
  const lengthMs = graceMs(object)
  const { period } = object.spec.rotation ?? {}
  const after = (length: DurationMs) => addMs(createdMs, length)
  return {
    createdMs,
    previousMs: previousId === null || lengthMs === null ? null : after(durationMs(lengthMs)),
    rotationMs: period === undefined ? null : after(toDuration(period)),
  }
}

function assessFailure(error: Error): Assessment {
  if (!(error instanceof ServerRefusedError))
    return waiting('ServerUnreachable', toldBy(error), retryOf(error))
  const message = `The lock server answered ${error.status} ${error.code}: ${error.message}`
  const refused = stalled('ServerRefused', message)
  // A wrong or missing key is cured at the server, where no generation of ours changes.
  return error.status === 401 || error.status === 403 ? { ...refused, next: retryOf(error) } : refused
}

/** Rights, a quota, a policy or a webhook: the API server's own words say which. */
function assessSecretFailure(error: Error, { object }: BucketAccessSnapshot): Assessment {
  const name = object.spec.secretName ?? ''
  if (error instanceof KubeStatusError && [400, 403, 422].includes(error.status))
    return forbidden(`The API server refuses Secret ${name}, so no key is made for it: ${error.message}`)
  return waiting('Applying', `Secret ${name} cannot be written: ${error.message}`, retryOf(error))
}

function forbidden(message: string): Assessment {
  // Rights are given without a change of ours.
  return { ...stalled('SecretForbidden', message), next: retryOf(new Error(message)) }
}

function retryOf(error: Error): Next {
  return { kind: 'retry', error, delayMsMax: limits.serverRetryMsMax }
}

function stalled(reason: ConditionReason, message: string | null): Assessment {
  const next: Next = { kind: 'terminal', error: new Error(message ?? reason) }
  return { ready: 'False', progress: 'stalled', reason, message, next }
}

function waiting(reason: ConditionReason, message: string | null, next: Next): Assessment {
  return { ready: 'False', progress: 'reconciling', reason, message, next }
}

type Facts = Pick<
  BucketAccessStatus,
  | 'accountId'
  | 'role'
  | 'buckets'
  | 'secretName'
  | 'endpoint'
  | 'region'
  | 'accessKeyIds'
  | 'lastRotatedTime'
  | 'nextRotationTime'
  | 'previousKeyExpiryTime'
>

/** While nothing is known of the server what it last said stays; what is revoked goes at once. */
function facts(snapshot: BucketAccessSnapshot, outcome: BucketAccessOutcome): Facts {
  const { object, server } = snapshot
  const { spec, status } = object
  const { accountId, role, buckets, secretName, endpoint, region } = status ?? {}
  const { accessKeyIds, lastRotatedTime, nextRotationTime, previousKeyExpiryTime } = status ?? {}
  const revoked = revokedBy(outcome)
  const left = accessKeyIds?.filter((id) => !revoked.includes(id))
  if (outcome.kind !== 'granted' || server.kind === 'failed') {
    const isNoneLeft = outcome.kind === 'revoked' || revoked.length > 0
    if (isNoneLeft && (left ?? []).length === 0)
      return given({ accountId, endpoint, region, accessKeyIds: [] })
    const before = { accountId, role, buckets, secretName, endpoint, region }
    return given({ ...before, accessKeyIds: left, lastRotatedTime, nextRotationTime, previousKeyExpiryTime })
  }
  const { createdMs, previousMs, rotationMs } = dates(snapshot, outcome)
  const { info } = server
  return given({
    accountId: outcome.accountId,
    role: spec.role,
    buckets: [...readyNames(snapshot)],
    secretName: spec.secretName ?? spec.existingSecret,
    endpoint: info.s3Endpoint,
    region: info.region,
    accessKeyIds: [outcome.currentId, ...(outcome.previousId === null ? [] : [outcome.previousId])],
    lastRotatedTime: formatTime(createdMs),
    nextRotationTime: rotationMs === null ? undefined : formatTime(rotationMs),
    previousKeyExpiryTime: previousMs === null ? undefined : formatTime(previousMs),
  })
}

/** Without the fields that are not there: a status is compared as JSON would have it. */
function given(all: Facts): Facts {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

function handled({ object, server }: BucketAccessSnapshot, outcome: BucketAccessOutcome) {
  const verify = server.kind === 'seen' ? 'handled' : 'open'
  const isDone = outcome.kind === 'granted' || outcome.kind === 'revoked'
  const asked = requestedBy(object, 'rotateNow')
  const before = object.status?.lastHandledRotateAt
  const rotated = outcome.kind === 'granted' && asked !== null ? asked : before
  return {
    ...handledRequests(object, { reconcile: isDone ? 'handled' : 'open', verify }),
    ...(rotated === undefined ? {} : { lastHandledRotateAt: rotated }),
  }
}

type Said = { readonly reason: EventReason; readonly message: string }

function eventsOf(
  { object }: BucketAccessSnapshot,
  outcome: BucketAccessOutcome,
  { ready, reason, message }: Assessment,
): readonly EventRecord[] {
  const { namespace, name, uid, resourceVersion } = object.metadata
  const regarding = { kind: 'BucketAccess', namespace, name, uid, resourceVersion } as const
  const before = findCondition(object.status?.conditions, 'Ready')
  const isNews = before?.status !== 'False' || before.reason !== reason
  const news = ready === 'False' && isNews && isEventReason(reason) ? [say(reason, message)] : []
  return [...doneEvents(object, outcome), ...news].map((said) => ({ ...said, regarding }))
}

function doneEvents(object: BucketAccessSnapshot['object'], outcome: BucketAccessOutcome): readonly Said[] {
  const revoked = revokedBy(outcome).map((id) =>
    say('CredentialsRevoked', `Access key ${id} is refused by the lock server from now on.`),
  )
  return outcome.kind === 'granted' ? [...writtenEvents(object, outcome), ...revoked] : revoked
}

/** Also before something failed: what is not said now would never be. */
function revokedBy(outcome: BucketAccessOutcome): readonly string[] {
  return outcome.kind === 'none' || outcome.kind === 'staleEpoch' ? [] : outcome.revokedIds
}

function writtenEvents(
  object: BucketAccessSnapshot['object'],
  { made, currentId, written }: Granted,
): readonly Said[] {
  switch (made) {
    case 'first':
      return [say('CredentialsCreated', `Access key ${currentId} was made.`)]
    case 'rotation':
      return [say('CredentialsRotated', `Access key ${currentId} was made.`)]
    case 'lost':
    case 'tampered':
      return [say('SecretRestored', restored(made, currentId))]
    case null:
      if (written === 'authority') return [say('AuthorityReplaced', null)]
      return written === 'content' && isSettled(object) ? [say('SecretRestored', null)] : []
    default:
      return unreachable(made, 'a key was there or was made for a reason')
  }
}

/** null: the sentence of the table. */
function say(reason: EventReason, message: string | null): Said {
  return { reason, message: message ?? eventReasons[reason].sentence }
}

function restored(made: 'lost' | 'tampered', currentId: string): string {
  const what = made === 'lost' ? 'was deleted or had another access key' : 'had another secret access key'
  return `The Secret ${what} than this BucketAccess; it has the new access key ${currentId} now.`
}

/** This very spec was granted, and no former key ran out: what differed in the Secret was changed by somebody else. */
function isSettled({ metadata, status }: BucketAccessSnapshot['object']): boolean {
  const isSeen = status?.observedGeneration === metadata.generation
  const isReady = findCondition(status?.conditions, 'Ready')?.status === 'True'
  const isRotating = metadata.annotations?.[annotations.rotateNow] !== status?.lastHandledRotateAt
  return isSeen && isReady && !isRotating && (status?.accessKeyIds ?? []).length < 2
}

function isEventReason(reason: string): reason is EventReason {
  return Object.hasOwn(eventReasons, reason)
}
