import { isDeepStrictEqual } from 'node:util'
import { type Bar, effectiveRetention } from '../../api/cluster-retention.ts'
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
import { BindingChanges, type ClusterPolicies, clusterPoliciesOf } from '../cluster-policies.ts'
import { makeConditions, type WantedCondition } from '../conditions.ts'
import type { Controller, Report } from '../controller.ts'
import { formatKey, type ObjectKey, type ObjectRef } from '../objects.ts'
import { handledRequests, isPaused, pausedConditions } from '../requests.ts'
import type { Source } from '../sources/source.ts'
import { clusterPolicyConditions } from './cluster-policy-condition.ts'

export type RetentionPolicySnapshot = {
  readonly object: RetentionPolicy
  /** Of the LockedBuckets that refer to it, in order. */
  readonly bucketNames: readonly string[]
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
  const bindings = new BindingChanges()
  return {
    name: 'retentionpolicy',
    kind: 'RetentionPolicy',
    watches: [
      {
        kind: 'LockedBucket',
        delayMs: limits.bucketCountDelayMs,
        keys: (changed) => changedReferences(references, changed, source),
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
      const cluster = clusterPoliciesOf(source, key.namespace)
      return { object, bucketNames: bucketNamesOf(object, source), cluster, guard: source.guard() }
    },
    decide: () => [],
    act: async () => null,
    status: (nowMs, snapshot) => retentionPolicyReport(nowMs, snapshot),
  }
}

/** Pure: the status of a policy. Nothing of it needs a server, so it is never waiting. */
export function retentionPolicyReport(
  nowMs: EpochMs,
  { object, bucketNames, cluster, guard }: RetentionPolicySnapshot,
): Report<'RetentionPolicy'> {
  const { generation } = object.metadata
  const violations = validateRetentionPolicy(null, object)
  const isReferenced = bucketNames.length > 0
  const binding = cluster.kind === 'known' ? cluster.policies : []
  const effective = violations.length === 0 ? effectiveRetention(object.spec, binding) : null
  const stall = effective === null ? invalid(formatViolations(violations)) : effective.bar
  const wanted: WantedCondition[] = [
    ...pausedConditions(object),
    ...(stall === null ? acceptedConditions() : stalledConditions(stall)),
    ...clusterPolicyConditions(cluster, effective, 'met'),
    {
      type: 'DeletionProtected',
      status: isReferenced ? 'True' : 'False',
      reason: isReferenced ? 'Referenced' : 'NotReferenced',
      message: isReferenced ? referencedMessage(bucketNames) : null,
    },
    ...guardConditions(guard),
  ]
  const status: RetentionPolicyStatus = {
    observedGeneration: generation,
    conditions: makeConditions(wanted, object.status?.conditions, { generation, nowMs }),
    ...(violations.length === 0 ? { retention: formatRetention(toBucketRetention(object.spec)) } : {}),
    bucketCount: bucketNames.length,
    deletionProtected: isReferenced,
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
