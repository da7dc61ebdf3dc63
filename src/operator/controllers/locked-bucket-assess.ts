/**
 * How things stand with a LockedBucket: the conditions that follow from what was asked and what the server
 * answered. Pure.
 */
import { annotations } from '../../api/annotations.ts'
import type { Bar } from '../../api/cluster-retention.ts'
import type { ConditionReason } from '../../api/conditions.ts'
import { bucketFinalizer } from '../../api/metadata.ts'
import {
  type ApplyBucketAnswer,
  type BucketFactsAnswer,
  type CanaryOutcome,
  ServerRefusedError,
  toldBy,
} from '../../client/lock-server.ts'
import { unreachable } from '../../lib/assert.ts'
import { limits } from '../../lib/limits.ts'
import { canaryBucket } from '../../lib/system-buckets.ts'
import { isWithin } from '../../lock/combine.ts'
import type { WantedCondition } from '../conditions.ts'
import type { Next } from '../controller.ts'
import type { HistoryState } from '../history/volume-history.ts'
import { clusterPolicyConditions } from './cluster-policy-condition.ts'
import type { LockedBucketOutcome } from './LockedBucket.ts'
import {
  type Asked,
  actualRetention,
  compareActual,
  isOwnedBy,
  isReplaced,
  type LockedBucketSnapshot,
  lacksOfPolicy,
  neededStep,
  pausedBy,
  type SetBackAspect,
  setBackAspects,
  wantedOf,
} from './locked-bucket-decide.ts'
import {
  describe,
  driftedCondition,
  enforcedCondition,
  type OwnedView,
  undecided,
} from './locked-bucket-observed.ts'
import { differentSettings } from './locked-bucket-settings.ts'

/**
 * `progress`: kstatus' three outcomes. `facts`: what of the server may be shown; null when it did not answer,
 * or when the bucket is not this object's.
 */
export type Assessment = {
  readonly ready: 'True' | 'False'
  readonly progress: 'current' | 'reconciling' | 'stalled'
  readonly reason: ConditionReason
  readonly message: string | null
  readonly enforced: WantedCondition
  readonly drifted: WantedCondition
  readonly view: OwnedView
  readonly next: Next
}

/** Null: this operator leads no more, and must say nothing. */
export function assess(snapshot: LockedBucketSnapshot, outcome: LockedBucketOutcome): Assessment | null {
  const { answer, server } = outcome
  if (answer?.kind === 'staleEpoch') return null
  const assessment = withDeletion(assessBucket(snapshot, outcome), snapshot, outcome)
  if (server.kind === 'failed') return assessment
  return withCanary(withHistory(assessment, server.history), server.canary)
}

/**
 * It was deleted, and a finalizer holds it that is not ours, or that waits for the end of a pause: what the server has is told
 * on, and nothing is done. What is wrong with the server or its volume is told first.
 */
function withDeletion(
  assessment: Assessment,
  { object: { metadata, spec } }: LockedBucketSnapshot,
  { server }: LockedBucketOutcome,
): Assessment {
  if (metadata.deletionTimestamp === undefined || server.kind === 'failed') return assessment
  if (assessment.reason === 'VolumeReplaced') return assessment
  const { enforced, drifted, view } = assessment
  const finalizers = metadata.finalizers ?? []
  const kept = `bucket ${spec.bucketName} stays on the lock server with its locks, its floor and its owner record`
  const owned = finalizers.includes(bucketFinalizer) ? 'its bucket is seen to when the pause ends' : kept
  const what = view.kind === 'owned' ? owned : 'the lock server has no bucket of it'
  const message = `It was deleted and waits for ${finalizers.join(', ')}; ${what}. Nothing is corrected any more.`
  return { ...unsettled('Terminating', message, view), enforced, drifted }
}

/** What the bucket itself says of its volume is said already. */
function withHistory(assessment: Assessment, history: HistoryState): Assessment {
  if (history.kind === 'continuous' || assessment.reason === 'VolumeReplaced') return assessment
  const { enforced, drifted, view } = assessment
  // The right volume comes back without a change of ours: that needs nobody, and no whole interval.
  const next: Next = { kind: 'after', delayMs: limits.serverRetryMsMax }
  return { ...stalled(history.reason, history.message, view), enforced, drifted, next }
}

/** What a server says of a bucket is worth as much as what it does with the canary. */
function withCanary(assessment: Assessment, canary: CanaryOutcome): Assessment {
  const type = 'ObjectLockEnforced'
  const { enforced, drifted, view } = assessment
  switch (canary.kind) {
    case 'refused':
      return assessment
    case 'untried':
      if (enforced.status !== 'True') return assessment
      return { ...assessment, enforced: { type, status: 'Unknown', reason: 'CanaryUntried', message: null } }
    case 'deleted': {
      const message =
        `The deletion of a version under COMPLIANCE in bucket ${canaryBucket} was answered with ${canary.answer}. ` +
        'What this lock server says of its locks cannot be believed. Stop clients, keep the volume as it is, and look ' +
        "into the operator's log and the server's audit log."
      const broken: WantedCondition = { type, status: 'False', reason: 'CanaryDeleted', message }
      return { ...stalled('CanaryDeleted', message, view), enforced: broken, drifted }
    }
    default:
      return unreachable(canary, 'every outcome of the canary is told')
  }
}

function assessBucket(snapshot: LockedBucketSnapshot, outcome: LockedBucketOutcome): Assessment {
  const { answer, server } = outcome
  if (snapshot.server.kind === 'seen' && isReplaced(snapshot))
    return assessReplaced(snapshot.object, snapshot.server)
  const view = ownedView(snapshot, outcome)
  const wanted = wantedOf(snapshot)
  switch (wanted.kind) {
    case 'specInvalid':
      return stalled('SpecInvalid', wanted.message, view)
    case 'policyInvalid':
      return stalled('PolicyInvalid', wanted.message, view)
    case 'policyNotFound': {
      const { name } = snapshot.object.spec.retentionPolicyRef
      const message = `RetentionPolicy ${name} does not exist in namespace ${snapshot.object.metadata.namespace}.`
      return { ...unsettled('PolicyNotFound', message, view), next: { kind: 'done' } }
    }
    case 'policyUnparsable': {
      const { name } = snapshot.object.spec.retentionPolicyRef
      const message = `This operator cannot understand RetentionPolicy ${name}; what is enforced stays.`
      return stalled('PolicyUnparsable', message, view)
    }
    case 'namespacePending': {
      const error = new Error('the namespace is not listed yet')
      return { ...unsettled('NamespaceUnknown', null, view), next: { kind: 'retry', error } }
    }
    case 'retention':
      break
    default:
      unreachable(wanted, 'a spec asks for a retention or cannot')
  }
  if (server.kind === 'failed') return assessFailure(server.error, answer, view)
  const pause = pausedBy(snapshot)
  const withheld = pause === null ? null : neededStep(snapshot)
  if (pause !== null && withheld !== null && withheld.cause !== 'request')
    return assessPaused(pause, wanted, view)
  if (answer?.kind === 'nameConflict') return assessConflict(answer, snapshot)
  if (answer?.kind === 'wouldShorten') return assessShortening(answer, wanted, view)
  if (wanted.bar !== null) return assessBarred(wanted, wanted.bar, view)
  return assessSetBack(snapshot, wanted, view) ?? assessReadBack(wanted, view)
}

function ownedView(snapshot: LockedBucketSnapshot, { server }: LockedBucketOutcome): OwnedView {
  if (server.kind === 'failed') return { kind: 'unknown' }
  const { facts, observed } = server
  return facts !== null && isOwnedBy(facts.owner, snapshot)
    ? { kind: 'owned', facts, observed }
    : { kind: 'none' }
}

/** The status keeps what it knew: it is the only record of what is missing. */
function assessReplaced(
  { spec, status }: LockedBucketSnapshot['object'],
  { info, facts }: Extract<LockedBucketSnapshot['server'], { kind: 'seen' }>,
): Assessment {
  const has = facts === null ? 'no bucket' : 'another bucket'
  const reason = 'VolumeReplaced'
  const message =
    `Volume ${info.volumeId} of the lock server has ${has} ${spec.bucketName}; the one of this object is ` +
    `${status?.bucket?.uid ?? 'unknown'}. Nothing is changed. Bring its volume back, or delete this object and ` +
    'make it again to begin with what the server has.'
  return {
    ...stalled('VolumeReplaced', message, { kind: 'unknown' }),
    enforced: { type: 'ObjectLockEnforced', status: 'Unknown', reason, message },
    drifted: { type: 'Drifted', status: 'True', reason, message },
  }
}

function assessFailure(error: Error, answer: ApplyBucketAnswer | null, view: OwnedView): Assessment {
  const retry: Next = { kind: 'retry', error, delayMsMax: limits.serverRetryMsMax }
  if (error instanceof ServerRefusedError) {
    const message = `The lock server answered ${error.status} ${error.code}: ${error.message}`
    // A wrong or missing key is cured at the server, where no generation of ours changes.
    const next: Next = error.status === 401 || error.status === 403 ? retry : { kind: 'terminal', error }
    return { ...stalled('ServerRefused', message, view), next }
  }
  // Applied and then silent: the change is there, its evidence is not.
  const reason = answer?.kind === 'applied' ? 'NotVerified' : 'ServerUnreachable'
  return { ...unsettled(reason, toldBy(error), view), next: retry }
}

/** A change waits for somebody to end the pause. */
function assessPaused(
  { kind, metadata }: NonNullable<ReturnType<typeof pausedBy>>,
  asked: Asked,
  view: OwnedView,
): Assessment {
  const message =
    `A change is held back: ${kind} ${metadata.name} is paused by the annotation ${annotations.paused}; ` +
    `the policy asks for ${describe(asked.retention)}.`
  return {
    ...stalled('Paused', message, view),
    enforced: enforcedCondition(asked.retention, view),
    drifted: driftedCondition(asked, view),
    next: { kind: 'done' },
  }
}

function assessConflict(
  { owner }: Extract<ApplyBucketAnswer, { kind: 'nameConflict' }>,
  { object }: LockedBucketSnapshot,
): Assessment {
  const { bucketName } = object.spec
  if (owner === null) {
    const message =
      `Bucket ${bucketName} exists and belongs to no LockedBucket; adoptionPolicy Never leaves it alone. ` +
      'Set adoptionPolicy to IfUnowned to take it over, or choose another bucketName in a new object.'
    return stalled('AdoptionRefused', message, { kind: 'none' })
  }
  const message = `Bucket ${bucketName} belongs to LockedBucket ${owner.namespace}/${owner.name}${
    owner.clusterId === '' ? '' : ` of cluster ${owner.clusterId}`
  }.`
  return stalled('NameConflict', message, { kind: 'none' })
}

function assessShortening(
  { aspects }: Extract<ApplyBucketAnswer, { kind: 'wouldShorten' }>,
  asked: Asked,
  view: OwnedView,
): Assessment {
  const actual = view.kind === 'owned' ? actualRetention(view.facts, view.observed) : null
  const enforced =
    actual === null
      ? ''
      : ` It keeps enforcing ${describe(actual)}; the policy asks for ${describe(asked.retention)}.`
  const message = `The lock server refused a weaker retention (${aspects.join('; ')}).${enforced}`
  return {
    ...stalled('RetentionWouldShorten', message, view),
    enforced: enforcedCondition(asked.retention, view),
    drifted: { type: 'Drifted', status: 'True', reason: 'ServerStronger', message },
  }
}

/** Nothing new is begun, and nothing that is enforced ends. */
function assessBarred(asked: Asked, { reason, message }: Bar, view: OwnedView): Assessment {
  const actual = view.kind === 'owned' ? actualRetention(view.facts, view.observed) : null
  const kept = actual === null ? 'No bucket is made' : `The lock server keeps enforcing ${describe(actual)}`
  return {
    ...stalled(reason, `${message} ${kept}.`, view),
    enforced: enforcedCondition(asked.retention, view),
    drifted: driftedCondition(asked, view),
  }
}

const lessOf: { readonly [Aspect in SetBackAspect]: string } = {
  retention: 'a shorter retention',
  minimum: 'a lower minimum, or none',
  walk: 'another walk over existing versions than the one that goes on',
}

/** Null: the policy is at least the one that the server has, or somebody has said that it is meant. */
function assessSetBack(snapshot: LockedBucketSnapshot, asked: Asked, view: OwnedView): Assessment | null {
  if (view.kind !== 'owned') return null
  const { facts } = view
  const aspects = setBackAspects(snapshot, asked, facts)
  if (aspects.length === 0) return null
  const { name, generation } = asked.policy.metadata
  const actual = actualRetention(facts, view.observed)
  const message =
    `RetentionPolicy ${name} has generation ${generation} here and generation ${facts.policy?.generation} on the lock server: an older copy ` +
    `of the cluster's state was put back. It asks for less: ${aspects.map((aspect) => lessOf[aspect]).join('; ')}. ` +
    `The lock server keeps enforcing ${actual === null ? 'what it has' : describe(actual)}; the policy asks for ${describe(asked.retention)}. ` +
    `Make the policy what it was; or, if the older one is meant, give this LockedBucket the annotation ${annotations.reconcileNow} with a new value.`
  return {
    ...stalled('PolicySetBack', message, view),
    enforced: enforcedCondition(asked.retention, view),
    drifted: driftedCondition(asked, view),
  }
}

function assessReadBack(asked: Asked, view: OwnedView): Assessment {
  const enforced = enforcedCondition(asked.retention, view)
  const drifted = driftedCondition(asked, view)
  const isAsAsked =
    view.kind === 'owned' &&
    differentSettings(view.facts, asked.settings).length === 0 &&
    isCapped(asked, view) &&
    !lacksOfPolicy(view.facts, asked)
  if (enforced.status === 'True' && drifted.reason !== 'ServerWeaker' && isAsAsked) {
    return {
      ready: 'True',
      progress: 'current',
      reason: 'Enforced',
      message: `The lock server enforces ${describe(asked.retention)}; read back.`,
      enforced,
      drifted,
      view,
      next: nextLook(view.facts),
    }
  }
  const error = new Error(enforced.message ?? 'the server does not enforce the policy yet')
  return {
    ...unsettled('NotVerified', null, view),
    enforced,
    drifted,
    next: { kind: 'retry', error, delayMsMax: limits.serverRetryMsMax },
  }
}

/** A walk over existing versions is looked at until it is done. */
function nextLook({ applyToExisting }: BucketFactsAnswer): Next {
  const isWalking = applyToExisting !== null && applyToExisting.ended === null
  return isWalking ? { kind: 'after', delayMs: limits.existingProgressMs } : { kind: 'done' }
}

function isCapped({ bounds }: Asked, { facts }: Extract<OwnedView, { kind: 'owned' }>): boolean {
  return facts.policy !== null && isWithin(facts.policy.bounds, bounds.maximum)
}

/** ClusterPolicyMet, by what the server has. */
export function clusterConditions(
  snapshot: LockedBucketSnapshot,
  outcome: LockedBucketOutcome,
): readonly WantedCondition[] {
  const wanted = wantedOf(snapshot)
  const view = ownedView(snapshot, outcome)
  if (wanted.kind !== 'retention') return clusterPolicyConditions(snapshot.cluster, null, 'NotVerified')
  if (view.kind === 'unknown') return clusterPolicyConditions(snapshot.cluster, wanted, 'ServerUnreachable')
  const isMet =
    view.kind === 'owned' &&
    compareActual(wanted.retention, actualRetention(view.facts, view.observed)) !== 'weaker' &&
    isCapped(wanted, view)
  return clusterPolicyConditions(snapshot.cluster, wanted, isMet ? 'met' : 'NotVerified')
}

type ReasonText = readonly [reason: ConditionReason, message: string | null]

/** Somebody has to act; what the server has is said as far as it is known. */
function stalled(...[reason, message, view]: [...ReasonText, OwnedView]): Assessment {
  return {
    ...undecided(view),
    ready: 'False',
    progress: 'stalled',
    reason,
    message,
    view,
    next: { kind: 'terminal', error: new Error(message ?? reason) },
  }
}

/** Goes on by itself. */
function unsettled(...[reason, message, view]: [...ReasonText, OwnedView]): Assessment {
  return {
    ...undecided(view),
    ready: 'False',
    progress: 'reconciling',
    reason,
    message,
    view,
    next: { kind: 'done' },
  }
}
