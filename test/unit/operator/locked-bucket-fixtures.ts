import type { LockedBucket, LockedBucketStatus } from '../../../src/api/LockedBucket.ts'
import type { RetentionPolicy, RetentionPolicySpec } from '../../../src/api/RetentionPolicy.ts'
import { toBounds, toBucketRetention } from '../../../src/api/RetentionPolicy.ts'
import type { BucketFactsAnswer, ObservedObjectLock, ServerInfo } from '../../../src/client/lock-server.ts'
import {
  type ApplyBucketAnswer,
  ServerRefusedError,
  ServerUnreachableError,
} from '../../../src/client/lock-server.ts'
import { epochMs } from '../../../src/lib/units.ts'
import type { BucketRetention } from '../../../src/lock/types.ts'
import type { ClusterPolicies } from '../../../src/operator/cluster-policies.ts'
import type { LockedBucketOutcome } from '../../../src/operator/controllers/LockedBucket.ts'
import {
  decideLockedBucket,
  type LockedBucketSnapshot,
  type ServerView,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import { UnparsableObject } from '../../../src/operator/object-cache.ts'

export const nowMs = epochMs(Date.UTC(2026, 10, 21, 12, 0, 0))
export const clusterId = 'cluster-1'
/** No ClusterRetentionPolicy binds. */
export const unbound: ClusterPolicies = { kind: 'known', policies: [] }

export const info: ServerInfo = {
  volumeId: 'volume-1',
  version: '0.1.0',
  region: 'us-east-1',
  s3Endpoint: 'http://127.0.0.1:9000',
  epoch: 7,
  clock: { trusted: '', wall: '', suspect: false, behindMs: 0, budgetMs: 0 },
  auditHead: null,
}

export function policyOf(spec: RetentionPolicySpec, generation = 1): RetentionPolicy {
  return {
    apiVersion: 'holdfast.dev/v1',
    kind: 'RetentionPolicy',
    metadata: { namespace: 'team', name: 'keep', uid: 'policy-uid', generation, resourceVersion: '10' },
    spec,
  }
}

export const compliance30 = policyOf({ defaultRetention: { mode: 'COMPLIANCE', days: 30 } })
export const governance30 = policyOf({ defaultRetention: { mode: 'GOVERNANCE', days: 30 } })

export function bucketOf(status?: LockedBucketStatus): LockedBucket {
  return {
    apiVersion: 'holdfast.dev/v1',
    kind: 'LockedBucket',
    metadata: { namespace: 'team', name: 'backups', uid: 'bucket-uid', generation: 2, resourceVersion: '20' },
    spec: { bucketName: 'backups', retentionPolicyRef: { name: 'keep' } },
    ...(status === undefined ? {} : { status }),
  }
}

/** The facts of a bucket that has exactly what the policy asks for, and what differs from that. */
export function factsOf(
  policy: RetentionPolicy,
  different: Partial<BucketFactsAnswer> = {},
): BucketFactsAnswer {
  const retention = toBucketRetention(policy.spec)
  const { namespace, name, uid, generation } = policy.metadata
  return {
    name: 'backups',
    bucketId: '00000000000000aa',
    region: 'us-east-1',
    versioning: 'Enabled',
    objectLock: { status: 'Enabled', retention },
    owner: { clusterId, namespace: 'team', name: 'backups', uid: 'bucket-uid' },
    policy: {
      namespace,
      name,
      uid,
      generation,
      mode: policy.spec.defaultRetention.mode,
      bounds: toBounds(policy.spec),
      floor: policy.spec.defaultRetention.mode === 'COMPLIANCE' ? retention : null,
    },
    profile: 'aws',
    requireChecksum: true,
    quotaBytes: null,
    lifecycle: null,
    tags: null,
    applyToExisting: null,
    versionCount: 0,
    deleteMarkerCount: 0,
    sizeBytes: 0,
    lockedVersionCount: 0,
    legalHoldCount: 0,
    lockedUntil: null,
    lastLifecycleRun: null,
    lastDenials: [],
    integrity: {
      lastScrub: '2026-11-20T03:00:00.000Z',
      unreadableCount: 0,
      owners: 'known',
      stoppedCount: 0,
      quarantinedCount: 0,
      quarantined: [],
    },
    ...different,
  }
}

export function observedOf(retention: BucketRetention): ObservedObjectLock {
  return { versioning: 'Enabled', objectLockEnabled: true, defaultRetention: retention.defaultRetention }
}

/** What S3 and the admin API show of a bucket; without facts there is no bucket. */
export function seen(facts: BucketFactsAnswer | null): ServerView {
  const retention = facts?.objectLock?.retention ?? null
  const none: ObservedObjectLock = { versioning: null, objectLockEnabled: false, defaultRetention: null }
  const observed = facts === null ? null : retention === null ? none : observedOf(retention)
  return { kind: 'seen', info, facts, observed, canary: { kind: 'refused' }, history: { kind: 'continuous' } }
}

export function snapshotOf(
  server: ServerView,
  policy: LockedBucketSnapshot['policy'] = compliance30,
  object: LockedBucket = bucketOf(),
): LockedBucketSnapshot {
  return { object, policy, cluster: unbound, server, clusterId, epoch: 7, guard: null, storage: null }
}

/** The outcome of what `decide` asks for when the server answers so and then shows `server`. */
export function outcomeOf(
  snapshot: LockedBucketSnapshot,
  answer: ApplyBucketAnswer | null,
  server: ServerView = snapshot.server,
): LockedBucketOutcome {
  const step = decideLockedBucket(snapshot)[0] ?? null
  return { step, answer: step === null ? null : answer, server }
}

export const silent = { kind: 'failed', error: new ServerUnreachableError('connect ECONNREFUSED') } as const
/** A server that reads only, as the operator's client tells it. */
export const readOnlySentence = 'The lock server answers 503 VolumeReadOnly: The volume was restored.'
export const readOnly = {
  kind: 'failed',
  error: new ServerUnreachableError('http://lock answered 503', { told: readOnlySentence }),
} as const
export const stronger = factsOf(governance30, {
  objectLock: {
    status: 'Enabled',
    retention: {
      defaultRetention: { mode: 'GOVERNANCE', period: { unit: 'DAYS', count: 60 } },
      prefixRules: [],
    },
  },
})
export const applied = (change: 'created' | 'adopted' | 'updated' | 'unchanged'): ApplyBucketAnswer => ({
  kind: 'applied',
  change,
})

/**
 * Conditions as `Type=Status Reason`, which is what everything that reads them looks at; without those that follow from
 * nothing but the server's health.
 */
export function shown(status: LockedBucketStatus | null): readonly string[] {
  return conditionLines(status).filter((line) => !isOfHealth(line))
}

/** ClockSuspect and IntegrityVerified. */
export function shownHealth(status: LockedBucketStatus | null): readonly string[] {
  return conditionLines(status).filter(isOfHealth)
}

function conditionLines(status: LockedBucketStatus | null): readonly string[] {
  return (status?.conditions ?? []).map(({ type, status: value, reason }) => `${type}=${value} ${reason}`)
}

const isOfHealth = (line: string) => /^(ClockSuspect|IntegrityVerified)=/.test(line)

/** The status after one reconcile, as the next one finds it. */
export function settled(snapshot: LockedBucketSnapshot): LockedBucketStatus {
  const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
  if (status === null) throw new Error('a first status is always written')
  return status
}

export const created = snapshotOf(seen(null))
export const inSync = snapshotOf(seen(factsOf(compliance30)))
export const refused = { kind: 'failed', error: new ServerRefusedError(400, 'BadName', 'no') } as const
export const wrongKey = { kind: 'failed', error: new ServerRefusedError(403, 'AccessDenied', 'no') } as const

/** As a reflector keeps what is there and cannot be understood. */
export function unparsableObject(namespace: string, name: string): UnparsableObject {
  return new UnparsableObject({ namespace, name, uid: `uid-${name}`, resourceVersion: '9' }, 'spec: no')
}
