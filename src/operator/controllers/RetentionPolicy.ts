import { isDeepStrictEqual } from 'node:util'
import type { Bar } from '../../api/cluster-retention.ts'
import { formatViolations } from '../../api/manifest.ts'
import { formatRetention } from '../../api/periods.ts'
import {
  type RetentionPolicy,
  type RetentionPolicyStatus,
  toBucketRetention,
  validateRetentionPolicy,
} from '../../api/RetentionPolicy.ts'
import { limits } from '../../lib/limits.ts'
import type { EpochMs } from '../../lib/units.ts'
import { type GuardState, guardConditions } from '../admission/guard.ts'
import {
  BindingChanges,
  type ClusterPolicies,
  clusterPoliciesOf,
  effectiveUnder,
} from '../cluster-policies.ts'
import { makeConditions, type WantedCondition } from '../conditions.ts'
import type { Controller, Report } from '../controller.ts'
import { formatKey, keyOf, type ObjectKey, type ObjectRef } from '../objects.ts'
import { handledRequests, isPaused, pausedConditions } from '../requests.ts'
import type { Source } from '../sources/source.ts'
import { clusterPolicyConditions } from './cluster-policy-condition.ts'

export type RetentionPolicySnapshot = {
  readonly object: RetentionPolicy
  /** Of the LockedBuckets that refer to it, in order. */
  readonly bucketNames: readonly string[]
  /** Of the LockedBuckets of its namespace that cannot be understood: each may refer to it. */
  readonly unparsableNames: readonly string[]
  /** What binds its namespace. */
  readonly cluster: ClusterPolicies
  /** Of the API server; null: there is none. */
  readonly guard: GuardState | null
}

/**
 * Says whether the policy can be used and who uses it. What it makes servers enforce is the business of the
 * LockedBuckets that refer to it.
 */
export function retentionPolicyController(
  source: Source,
): Controller<'RetentionPolicy', RetentionPolicySnapshot, never, null> {
  const references = new Map<string, ObjectKey>()
  /** Namespaces in which a LockedBucket could not be understood when it was last looked. */
  const doubted = new Set<string>()
  const bindings = new BindingChanges()
  return {
    name: 'retentionpolicy',
    kind: 'RetentionPolicy',
    watches: [
      {
        kind: 'LockedBucket',
        delayMs: limits.bucketCountDelayMs,
        keys: (changed) => [
          ...changedReferences(references, changed, source),
          ...changedDoubts(doubted, changed, source),
        ],
      },
      {
        kind: 'ClusterRetentionPolicy',
        delayMs: 0,
        keys: () => bindings.keysOf(source, source.list('RetentionPolicy')),
      },
    ],
    read: async (key) => {
      const object = source.get('RetentionPolicy', key)
      if (object === null) return null
      const unparsableNames = unparsableNamesIn(key.namespace, source)
      if (unparsableNames.length > 0) doubted.add(key.namespace)
      const cluster = clusterPoliciesOf(source, key.namespace)
      const bucketNames = bucketNamesOf(object, source)
      return { object, bucketNames, unparsableNames, cluster, guard: source.guard() }
    },
    decide: () => [],
    act: async () => null,
    status: (nowMs, snapshot) => retentionPolicyReport(nowMs, snapshot),
  }
}

/** Pure: the status of a policy. Nothing of it needs a server, so it is never waiting. */
export function retentionPolicyReport(
  nowMs: EpochMs,
  { object, bucketNames, unparsableNames, cluster, guard }: RetentionPolicySnapshot,
): Report<'RetentionPolicy'> {
  const { generation } = object.metadata
  const violations = validateRetentionPolicy(null, object)
  const effective = violations.length === 0 ? effectiveUnder(cluster, object.spec) : null
  const stall = effective === null ? invalid(formatViolations(violations)) : effective.bar
  const protection = deletionProtected(bucketNames, unparsableNames)
  const wanted: WantedCondition[] = [
    ...pausedConditions(object),
    ...(stall === null ? acceptedConditions() : stalledConditions(stall)),
    ...clusterPolicyConditions(cluster, effective, 'met'),
    protection,
    ...guardConditions(guard),
  ]
  const status: RetentionPolicyStatus = {
    observedGeneration: generation,
    conditions: makeConditions(wanted, object.status?.conditions, { generation, nowMs }),
    ...(violations.length === 0 ? { retention: formatRetention(toBucketRetention(object.spec)) } : {}),
    bucketCount: bucketNames.length,
    deletionProtected: protection.status === 'True',
    // Nothing of a policy is at a server: looking at it is all there is to do.
    ...handledRequests(object, { reconcile: isPaused(object) ? 'open' : 'handled', verify: 'handled' }),
  }
  return {
    status: isDeepStrictEqual(status, object.status) ? null : status,
    events: [],
    next: stall === null ? { kind: 'done' } : { kind: 'terminal', error: new Error(stall.message) },
  }
}

function acceptedConditions(): readonly WantedCondition[] {
  return [{ type: 'Ready', status: 'True', reason: 'Accepted', message: null }]
}

type Stall = { readonly reason: Bar['reason'] | 'SpecInvalid'; readonly message: string }

function invalid(message: string): Stall {
  return { reason: 'SpecInvalid', message }
}

function stalledConditions(stall: Stall): readonly WantedCondition[] {
  return [
    { type: 'Ready', status: 'False', ...stall },
    { type: 'Stalled', status: 'True', ...stall },
  ]
}

function deletionProtected(
  bucketNames: readonly string[],
  unparsableNames: readonly string[],
): WantedCondition {
  const type = 'DeletionProtected'
  if (bucketNames.length > 0)
    return { type, status: 'True', reason: 'Referenced', message: referencedMessage(bucketNames) }
  if (unparsableNames.length === 0) return { type, status: 'False', reason: 'NotReferenced', message: null }
  const message = `This operator cannot understand LockedBucket ${unparsableNames.join(', ')}, which may refer to it.`
  return { type, status: 'True', reason: 'Unverified', message }
}

/** Names a few: a message that lists a thousand is read by nobody. */
function referencedMessage(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  const more = names.length > 5 ? ` and ${names.length - 5} more` : ''
  const subject = names.length === 1 ? 'One LockedBucket refers' : `${names.length} LockedBuckets refer`
  return `${subject} to it: ${shown}${more}`
}

function bucketNamesOf(policy: RetentionPolicy, source: Source): readonly string[] {
  const { namespace, name } = policy.metadata
  return source
    .list('LockedBucket')
    .filter(({ metadata, spec }) => metadata.namespace === namespace && spec.retentionPolicyRef.name === name)
    .map(({ metadata }) => metadata.name)
    .sort()
}

function unparsableNamesIn(namespace: string, source: Source): readonly string[] {
  return [...source.unparsable('LockedBucket').values()]
    .filter(({ metadata }) => metadata.namespace === namespace)
    .map(({ metadata }) => metadata.name)
    .sort()
}

/** All policies of a namespace in which the first bucket became one that nobody understands, or none is any more. */
function changedDoubts(doubted: Set<string>, { namespace }: ObjectRef, source: Source): readonly ObjectKey[] {
  const isDoubted = unparsableNamesIn(namespace, source).length > 0
  if (isDoubted === doubted.has(namespace)) return []
  if (isDoubted) doubted.add(namespace)
  else doubted.delete(namespace)
  return source
    .list('RetentionPolicy')
    .filter(({ metadata }) => metadata.namespace === namespace)
    .map(keyOf)
}

/** The policies whose count a changed bucket changes: the one it left and the one it came to. */
function changedReferences(
  references: Map<string, ObjectKey>,
  changed: ObjectRef,
  source: Source,
): readonly ObjectKey[] {
  const bucket = source.get('LockedBucket', changed)
  const before = references.get(formatKey(changed)) ?? null
  const now =
    bucket === null ? null : { namespace: changed.namespace, name: bucket.spec.retentionPolicyRef.name }
  if (now === null) references.delete(formatKey(changed))
  else references.set(formatKey(changed), now)
  if (isDeepStrictEqual(before, now)) return []
  return [before, now].filter((key) => key !== null)
}
