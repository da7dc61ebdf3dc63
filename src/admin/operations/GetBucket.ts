import { limits } from '../../lib/limits.ts'
import { formatIso } from '../../lib/units.ts'
import type { BucketDenial, BucketIntegrity, ExistingFacts, LifecycleRunFacts } from '../../store/store.ts'
import { AdminError, type AdminOperation } from '../operation.ts'

function existingDocument({ policy, startedMs, endedMs, ...facts }: ExistingFacts) {
  const { scope, retention, versionCount, seenCount, extendedCount } = facts
  const { otherModeCount, deniedCount, unreadableCount, deferredCount } = facts
  return {
    scope,
    retention,
    policyGeneration: policy.generation,
    started: formatIso(startedMs),
    ended: endedMs === null ? null : formatIso(endedMs),
    versionCount,
    seenCount,
    extendedCount,
    otherModeCount,
    deniedCount,
    unreadableCount,
    deferredCount,
  }
}

/** What is really enforced on a bucket, and counts of what is locked in it. */
export const GetBucket: AdminOperation = {
  name: 'GetBucket',
  method: 'GET',
  path: '/v1/buckets/{name}',
  principals: ['root', 'operator'],
  handle: async ({ store, pathName }) => {
    const facts = await store.buckets.facts(pathName)
    if (facts === null) throw new AdminError(404, 'NoSuchBucket', `there is no bucket ${pathName}`)
    const { bucket, stat } = facts
    return {
      status: 200,
      document: {
        name: bucket.name,
        bucketId: bucket.id,
        region: bucket.region,
        versioning: bucket.versioning,
        objectLock: bucket.objectLock,
        owner: bucket.owner,
        policy: bucket.policy,
        profile: bucket.profile,
        requireChecksum: bucket.requireChecksum,
        quotaBytes: bucket.quotaBytes,
        lifecycle: facts.lifecycle,
        tags: facts.tags,
        applyToExisting: facts.applyToExisting === null ? null : existingDocument(facts.applyToExisting),
        versionCount: stat.versionCount,
        deleteMarkerCount: stat.deleteMarkerCount,
        sizeBytes: stat.sizeBytes,
        lockedVersionCount: facts.lockedVersionCount,
        legalHoldCount: stat.legalHoldCount,
        lockedUntil: facts.lockedUntilMs === null ? null : formatIso(facts.lockedUntilMs),
        lastLifecycleRun: lifecycleDocument(facts.lastLifecycleRun),
        lastDenials: facts.lastDenials.map(denialDocument),
        integrity: integrityDocument(facts.integrity),
      },
    }
  },
}

function lifecycleDocument(run: LifecycleRunFacts | null) {
  if (run === null) return null
  const { startedMs, endedMs, ...counts } = run
  return { started: formatIso(startedMs), ended: formatIso(endedMs), ...counts }
}

function denialDocument({ trustedMs, ...denial }: BucketDenial) {
  return { time: formatIso(trustedMs), ...denial }
}

/** Names a few of the damaged versions, and counts all that are known. */
function integrityDocument({ lastScrubMs, quarantined, ...known }: BucketIntegrity) {
  return {
    lastScrub: lastScrubMs === null ? null : formatIso(lastScrubMs),
    ...known,
    quarantined: quarantined
      .slice(0, limits.quarantinedNamedMax)
      .map(({ key, versionId, problem }) => ({ key, versionId, problem })),
  }
}
