import { isDeepStrictEqual } from 'node:util'
import {
  type ClusterRetentionPolicy,
  type ClusterRetentionPolicyStatus,
  validateClusterRetentionPolicy,
} from '../../api/ClusterRetentionPolicy.ts'
import { bindingPolicies } from '../../api/cluster-retention.ts'
import { formatViolations } from '../../api/manifest.ts'
import { formatPeriod, toPeriod } from '../../api/periods.ts'
import { limits } from '../../lib/limits.ts'
import type { EpochMs } from '../../lib/units.ts'
import { type GuardState, guardConditions } from '../admission/guard.ts'
import { makeConditions, type WantedCondition } from '../conditions.ts'
import type { Controller, Report } from '../controller.ts'
import { formatKey, keyOf, type ObjectKey, type ObjectRef } from '../objects.ts'
import { handledRequests, isPaused, pausedConditions } from '../requests.ts'
import type { Source } from '../sources/source.ts'

export type ClusterRetentionPolicySnapshot = {
  readonly object: ClusterRetentionPolicy
  readonly namespaceCount: number
  readonly bucketCount: number
  /** Of the API server; null: there is none. */
  readonly guard: GuardState | null
}

/**
 * Says whether the policy can be used and whom it binds. What it does to them is in the statuses of the
 * RetentionPolicies and LockedBuckets of those namespaces.
 */
export function clusterRetentionPolicyController(
  source: Source,
): Controller<'ClusterRetentionPolicy', ClusterRetentionPolicySnapshot, never, null> {
  const buckets = new Set<string>()
  return {
    name: 'clusterretentionpolicy',
    kind: 'ClusterRetentionPolicy',
    watches: [
      {
        kind: 'LockedBucket',
        delayMs: limits.bucketCountDelayMs,
        keys: (changed) => (isNews(buckets, changed, source) ? allKeys(source) : []),
      },
    ],
    read: async (key) => {
      const object = source.get('ClusterRetentionPolicy', key)
      return object === null ? null : { object, ...countsOf(object, source), guard: source.guard() }
    },
    decide: () => [],
    act: async () => null,
    status: (nowMs, snapshot) => clusterRetentionPolicyReport(nowMs, snapshot),
  }
}

/** Pure: the status of a policy. Nothing of it needs a server, so it is never waiting. */
export function clusterRetentionPolicyReport(
  nowMs: EpochMs,
  { object, namespaceCount, bucketCount, guard }: ClusterRetentionPolicySnapshot,
): Report<'ClusterRetentionPolicy'> {
  const { generation } = object.metadata
  const violations = validateClusterRetentionPolicy(object)
  const isValid = violations.length === 0
  const wanted: WantedCondition[] = [
    ...pausedConditions(object),
    ...(isValid ? bindingConditions(namespaceCount) : invalidConditions(formatViolations(violations))),
    ...guardConditions(guard),
  ]
  const status: ClusterRetentionPolicyStatus = {
    observedGeneration: generation,
    conditions: makeConditions(wanted, object.status?.conditions, { generation, nowMs }),
    ...(isValid ? { range: describe(object) } : {}),
    namespaceCount,
    bucketCount,
    ...handledRequests(object, { reconcile: isPaused(object) ? 'open' : 'handled', verify: 'handled' }),
  }
  return {
    status: isDeepStrictEqual(status, object.status) ? null : status,
    events: [],
    next: isValid ? { kind: 'done' } : { kind: 'terminal', error: new Error(formatViolations(violations)) },
  }
}

function bindingConditions(namespaceCount: number): readonly WantedCondition[] {
  const message = namespaceCount === 0 ? 'Valid, but its namespaceSelector selects no namespace.' : null
  return [{ type: 'Ready', status: 'True', reason: 'Binding', message }]
}

function invalidConditions(message: string): readonly WantedCondition[] {
  return [
    { type: 'Ready', status: 'False', reason: 'SpecInvalid', message },
    { type: 'Stalled', status: 'True', reason: 'SpecInvalid', message },
  ]
}

function describe({ spec }: ClusterRetentionPolicy): NonNullable<ClusterRetentionPolicyStatus['range']> {
  const { floor, ceiling } = spec
  return {
    ...(floor === undefined ? {} : { floor: `${floor.mode} ${formatPeriod(toPeriod(floor))}` }),
    ...(ceiling === undefined ? {} : { ceiling: formatPeriod(toPeriod(ceiling)) }),
  }
}

function countsOf(policy: ClusterRetentionPolicy, source: Source) {
  const selected = [...(source.namespaces() ?? new Map())].filter(
    ([, labels]) => bindingPolicies([policy], labels).length > 0,
  )
  const names = new Set(selected.map(([name]) => name))
  const buckets = source.list('LockedBucket').filter(({ metadata }) => names.has(metadata.namespace))
  return { namespaceCount: names.size, bucketCount: buckets.length }
}

/** A bucket that came or went; a change of one counts nowhere. */
function isNews(buckets: Set<string>, changed: ObjectRef, source: Source): boolean {
  const key = formatKey(changed)
  const exists = source.get('LockedBucket', changed) !== null
  if (exists === buckets.has(key)) return false
  if (exists) buckets.add(key)
  else buckets.delete(key)
  return true
}

function allKeys(source: Source): readonly ObjectKey[] {
  return source.list('ClusterRetentionPolicy').map(keyOf)
}
