/** What a LockedBucket needs done, from what was read. Pure: no clock, no I/O. */
import { isDeepStrictEqual } from 'node:util'
import type { EffectiveRetention } from '../../api/cluster-retention.ts'
import { type LockedBucket, validateLockedBucket } from '../../api/LockedBucket.ts'
import { formatViolations } from '../../api/manifest.ts'
import { bucketFinalizer } from '../../api/metadata.ts'
import {
  type RetentionPolicy,
  toBucketRetention,
  validateRetentionPolicy,
} from '../../api/RetentionPolicy.ts'
import type {
  ApplyBucketRequest,
  BucketFactsAnswer,
  CanaryOutcome,
  ObservedObjectLock,
  OwnerRef,
  ServerInfo,
} from '../../client/lock-server.ts'
import { assert } from '../../lib/assert.ts'
import { capAt, isAtLeast, isWithin } from '../../lock/combine.ts'
import { compareBucketRetention, meetsFloor, type RetentionComparison } from '../../lock/compare.ts'
import type { BucketRetention, RetentionBounds } from '../../lock/types.ts'
import type { GuardState } from '../admission/guard.ts'
import { type ClusterPolicies, effectiveUnder } from '../cluster-policies.ts'
import { findCondition } from '../conditions.ts'
import type { HistoryState } from '../history/volume-history.ts'
import { isPaused, requestsOf } from '../requests.ts'
import type { StorageState } from '../storage/storage-state.ts'
import { type BucketSettings, differentSettings, settingsOf } from './locked-bucket-settings.ts'

/** What the server said. `failed`: it did not answer, or refused; then nothing is known about now. */
export type ServerView =
  | {
      readonly kind: 'seen'
      readonly info: ServerInfo
      readonly facts: BucketFactsAnswer | null
      readonly observed: ObservedObjectLock | null
      readonly canary: CanaryOutcome
      readonly history: HistoryState
    }
  | { readonly kind: 'failed'; readonly error: Error }

export type LockedBucketSnapshot = {
  readonly object: LockedBucket
  /** `unparsable`: it is there, and cannot be understood. */
  readonly policy: RetentionPolicy | 'unparsable' | null
  /** What binds its namespace. */
  readonly cluster: ClusterPolicies
  readonly server: ServerView
  readonly clusterId: string
  readonly epoch: number
  /** Of the API server; null: there is none. */
  readonly guard: GuardState | null
  /** Of the lock server's volumes; null: there is no API server. */
  readonly storage: StorageState | null
}

export type ApplyStep = {
  readonly kind: 'apply'
  /**
   * `drift`: the server had all of this already and somebody changed the bucket since; `request`: nothing
   * differs, and somebody asked for it.
   */
  readonly cause: 'new' | 'change' | 'drift' | 'request'
  readonly request: ApplyBucketRequest
}

export type Asked = {
  readonly kind: 'retention'
  readonly policy: RetentionPolicy
  readonly settings: BucketSettings
} & EffectiveRetention

/** What the spec asks for; or why it cannot be asked. */
export type Wanted =
  | Asked
  | { readonly kind: 'policyNotFound' | 'policyUnparsable' }
  /** Nobody can say yet what binds its namespace: applied now, it might be too weak. */
  | { readonly kind: 'namespacePending' }
  | { readonly kind: 'policyInvalid'; readonly message: string }
  | { readonly kind: 'specInvalid'; readonly message: string }

/** One admin call when something must change at the server, else nothing: an idle operator writes nothing. */
export function decideLockedBucket(snapshot: LockedBucketSnapshot): readonly ApplyStep[] {
  const step = pausedBy(snapshot) === null ? neededStep(snapshot) : null
  return step === null ? [] : [step]
}

/** The paused object that holds changes of this bucket back: itself or its policy. */
export function pausedBy({ object, policy }: LockedBucketSnapshot): LockedBucket | RetentionPolicy | null {
  if (isPaused(object)) return object
  return policy !== null && policy !== 'unparsable' && isPaused(policy) ? policy : null
}

/** What would be done if nothing were paused. */
export function neededStep(snapshot: LockedBucketSnapshot): ApplyStep | null {
  // Its bucket was seen to, and nothing may make it again.
  if (snapshot.object.metadata.deletionTimestamp !== undefined) return null
  const wanted = wantedOf(snapshot)
  const { server } = snapshot
  if (wanted.kind !== 'retention' || server.kind === 'failed' || isReplaced(snapshot)) return null
  const { facts, observed } = server
  if (server.history.kind === 'doubted' || setBackAspects(snapshot, wanted, facts).length > 0)
    return tightening(snapshot, wanted, { facts, observed })
  const request = applyRequest(snapshot, wanted)
  if (facts !== null && isApplied(facts, request)) return correction(snapshot, wanted, { facts, observed })
  // Barred, it is not begun; what the server has of it is kept.
  if (wanted.bar !== null) return null
  return { kind: 'apply', cause: facts === null ? 'new' : 'change', request }
}

type Held = { readonly facts: BucketFactsAnswer; readonly observed: ObservedObjectLock | null }

/** The server has this very policy: what it lacks of it all the same, or of what binds it since. */
function correction(
  snapshot: LockedBucketSnapshot,
  wanted: Asked,
  { facts, observed }: Held,
): ApplyStep | null {
  const { object } = snapshot
  const kept = correctingRequest(snapshot, wanted, facts)
  if (differentSettings(facts, wanted.settings).length > 0)
    return { kind: 'apply', cause: isSettled(object) ? 'drift' : 'change', request: kept }
  if (isWeaker(facts, observed, wanted.retention)) {
    const isDrift = isWeaker(facts, observed, toBucketRetention(wanted.policy.spec))
    return { kind: 'apply', cause: isDrift ? 'drift' : 'change', request: kept }
  }
  // Barred, nothing is begun, also not of the same policy.
  if (
    !isWithin(boundsOf(facts), wanted.bounds.maximum) ||
    (wanted.bar === null && lacksOfPolicy(facts, wanted))
  )
    return { kind: 'apply', cause: 'change', request: kept }
  if (requestsOf(object).reconcile !== 'open') return null
  return { kind: 'apply', cause: 'request', request: applyRequest(snapshot, wanted) }
}

/**
 * On a volume that is not the one that it was, or by a policy that is not: a bucket of this object that enforces less than its policy gets that, and nothing else
 * changes, neither its settings nor what it says of its policy nor its walk over existing versions; so all of it is applied once the
 * volume, or the policy, is the right one.
 */
function tightening(
  snapshot: LockedBucketSnapshot,
  wanted: Asked,
  { facts, observed }: { facts: BucketFactsAnswer | null; observed: ObservedObjectLock | null },
): ApplyStep | null {
  if (facts === null || facts.policy === null || !isOwnedBy(facts.owner, snapshot)) return null
  if (wanted.bar !== null || !isWeaker(facts, observed, wanted.retention)) return null
  const actual = actualRetention(facts, observed)
  if (actual !== null && compareBucketRetention(actual, wanted.retention) === 'weaker') return null
  const { profile, requireChecksum, quotaBytes, policy } = facts
  const settings = { profile, requireChecksum, quotaBytes, lifecycle: null, tags: null }
  const request = applyRequest(snapshot, { ...wanted, settings, bounds: policy.bounds })
  const { namespace, name, uid, generation } = policy
  const same = {
    owner: facts.owner ?? request.owner,
    applyToExisting: 'Keep',
    strongerRetention: 'Keep',
  } as const
  return {
    kind: 'apply',
    cause: 'drift',
    request: { ...request, ...same, policy: { ...request.policy, namespace, name, uid, generation } },
  }
}

export type SetBackAspect = 'retention' | 'minimum' | 'walk'

/**
 * What a policy asks for less than the newer generation of it that the server has: its etcd was set back, and with it what people
 * had decided since. Empty where nothing is less, or where somebody asked for it by the annotation. In COMPLIANCE the server says
 * itself what it does not take.
 */
export function setBackAspects(
  snapshot: LockedBucketSnapshot,
  wanted: Asked,
  facts: BucketFactsAnswer | null,
): readonly SetBackAspect[] {
  if (facts === null || facts.policy === null || !isOwnedBy(facts.owner, snapshot)) return []
  const { uid, generation } = wanted.policy.metadata
  if (facts.policy.uid !== uid || facts.policy.generation <= generation) return []
  if (requestsOf(snapshot.object).reconcile === 'open') return []
  const aspects: SetBackAspect[] = []
  if (facts.policy.mode === 'GOVERNANCE') {
    // The server's own record: of a frozen bucket S3 shows no rule.
    const held = facts.objectLock?.retention ?? null
    if (held !== null && compareBucketRetention(held, wanted.retention) === 'weaker')
      aspects.push('retention')
    if (!isAtLeast(wanted.bounds, facts.policy.bounds.minimum)) aspects.push('minimum')
  }
  // What it has done stays; what it has not is what nobody would come back to.
  const isWalking = facts.applyToExisting !== null && facts.applyToExisting.ended === null
  if (isWalking && isOtherWalk(facts, wanted)) aspects.push('walk')
  return aspects
}

/**
 * Of a policy that the server has already: what it enforces beyond it stays, perhaps from a ClusterRetentionPolicy that
 * was loosened since, until somebody edits the policy or asks for a reconcile. The walk stays too, unless it is less than asked.
 */
function correctingRequest(
  snapshot: LockedBucketSnapshot,
  wanted: Asked,
  facts: BucketFactsAnswer,
): ApplyBucketRequest {
  const request = applyRequest(snapshot, { ...wanted, bounds: keptBounds(wanted.bounds, boundsOf(facts)) })
  const isBegun = wanted.bar === null && isOtherWalk(facts, wanted)
  return {
    ...request,
    applyToExisting: isBegun ? request.applyToExisting : 'Keep',
    strongerRetention: 'Keep',
  }
}

function keptBounds(wanted: RetentionBounds, { minimum, maximum }: RetentionBounds): RetentionBounds {
  const capped = maximum === null ? wanted : capAt(wanted, maximum)
  return isAtLeast({ minimum, maximum }, wanted.minimum) ? { ...capped, minimum } : capped
}

function boundsOf({ policy }: BucketFactsAnswer): RetentionBounds {
  return policy?.bounds ?? { minimum: null, maximum: null }
}

/**
 * The same uid and generation may be another spec, after etcd was restored; and what binds the policy changes without either. So what
 * the server says that it has of it is compared, beside the retention: what clients have to ask for at least, what none of them may set
 * the default below, and the walk.
 */
export function lacksOfPolicy(facts: BucketFactsAnswer, wanted: Asked): boolean {
  const { defaultRetention } = wanted.retention
  const floor = facts.policy?.floor?.defaultRetention ?? null
  const isFloorMissing = defaultRetention !== null && !meetsFloor(defaultRetention, floor)
  return isFloorMissing || !isAtLeast(boundsOf(facts), wanted.bounds.minimum) || isOtherWalk(facts, wanted)
}

/** A walk with a stronger rule is one that was asked for before what binds the policy was loosened. */
function isOtherWalk({ applyToExisting: walk }: BucketFactsAnswer, { policy, retention }: Asked): boolean {
  if ((walk?.scope ?? 'No') !== (policy.spec.applyToExisting ?? 'No')) return true
  if (walk === null || walk.retention === null) return false
  return compareBucketRetention(retention, walk.retention) === 'weaker'
}

/**
 * The bucket that the status speaks of is not there. It goes with its object alone, so this is another
 * volume, or one set back: making the bucket again, empty, would hide that.
 */
export function isReplaced({ object, server }: Pick<LockedBucketSnapshot, 'object' | 'server'>): boolean {
  const known = isReleased(object) ? undefined : object.status?.bucket?.uid
  return known !== undefined && server.kind === 'seen' && server.facts?.bucketId !== known
}

/** Its bucket went, or was kept, when the server was asked; a finalizer of somebody else holds the object. */
export function isReleased({ metadata, spec }: LockedBucket): boolean {
  const isHeld = (metadata.finalizers ?? []).includes(bucketFinalizer)
  return metadata.deletionTimestamp !== undefined && spec.deletionPolicy === 'Delete' && !isHeld
}

export function wantedOf({
  object,
  policy,
  cluster,
}: Pick<LockedBucketSnapshot, 'object' | 'policy' | 'cluster'>): Wanted {
  const specViolations = validateLockedBucket(null, object)
  if (specViolations.length > 0) return { kind: 'specInvalid', message: formatViolations(specViolations) }
  if (policy === null) return { kind: 'policyNotFound' }
  if (policy === 'unparsable') return { kind: 'policyUnparsable' }
  const violations = validateRetentionPolicy(null, policy)
  if (violations.length > 0) return { kind: 'policyInvalid', message: formatViolations(violations) }
  if (cluster.kind === 'pending') return { kind: 'namespacePending' }
  return {
    kind: 'retention',
    policy,
    settings: settingsOf(object.spec),
    ...effectiveUnder(cluster, policy.spec),
  }
}

/** The server knows owners by cluster, namespace and name; the uid only says which incarnation. */
export function isOwnedBy(owner: OwnerRef | null, { object, clusterId }: LockedBucketSnapshot): boolean {
  return (
    owner !== null &&
    owner.clusterId === clusterId &&
    owner.namespace === object.metadata.namespace &&
    owner.name === object.metadata.name
  )
}

/**
 * What the bucket really stamps: the default rule as S3 shows it, the prefix rules, of which S3 has no word,
 * as the admin API says. Null: no bucket, or none with Object Lock.
 */
export function actualRetention(
  facts: BucketFactsAnswer | null,
  observed: ObservedObjectLock | null,
): BucketRetention | null {
  if (facts === null || facts.objectLock === null || observed === null || !observed.objectLockEnabled)
    return null
  return {
    defaultRetention: observed.defaultRetention,
    prefixRules: facts.objectLock.retention.prefixRules,
  }
}

/** How what the server enforces stands to what is wanted. `weaker` includes "not provably as strong". */
export function compareActual(wanted: BucketRetention, actual: BucketRetention | null): RetentionComparison {
  return actual === null ? 'weaker' : compareBucketRetention(wanted, actual)
}

function applyRequest(
  { object, clusterId, epoch }: LockedBucketSnapshot,
  { policy, retention, bounds, settings }: Asked,
): ApplyBucketRequest {
  const { defaultRetention, prefixRules } = retention
  assert(defaultRetention !== null, 'a policy always has a default retention')
  const { metadata } = policy
  return {
    epoch,
    name: object.spec.bucketName,
    owner: {
      clusterId,
      namespace: object.metadata.namespace,
      name: object.metadata.name,
      uid: object.metadata.uid,
    },
    // Absent means Never: the CRD has no default inside optional fields.
    adoptionPolicy: object.spec.adoptionPolicy ?? 'Never',
    ...settings,
    applyToExisting: policy.spec.applyToExisting ?? 'No',
    strongerRetention: 'Replace',
    policy: {
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
      generation: metadata.generation,
      defaultRetention,
      prefixRules,
      bounds,
    },
  }
}

/** True when the server says that it took this owner, this policy and this generation of it. */
function isApplied(facts: BucketFactsAnswer, { owner, policy }: ApplyBucketRequest): boolean {
  if (facts.policy === null || !isDeepStrictEqual(facts.owner, owner)) return false
  const { namespace, name, uid, generation } = facts.policy
  return isDeepStrictEqual(
    { namespace, name, uid, generation },
    { namespace: policy.namespace, name: policy.name, uid: policy.uid, generation: policy.generation },
  )
}

/** This very spec was ready: what differs now was changed at the server. */
function isSettled({ metadata, status }: LockedBucket): boolean {
  const isSeen = status?.observedGeneration === metadata.generation
  return isSeen && findCondition(status?.conditions, 'Ready')?.status === 'True'
}

function isWeaker(
  facts: BucketFactsAnswer,
  observed: ObservedObjectLock | null,
  wanted: BucketRetention,
): boolean {
  if (facts.objectLock === null || facts.objectLock.status !== 'Enabled') return true
  if (facts.versioning !== 'Enabled') return true
  return compareActual(wanted, actualRetention(facts, observed)) === 'weaker'
}
