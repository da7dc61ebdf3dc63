/** What the lifecycle found, as deletes and aborts that are done only while all that they rely on still holds. */
import { assert } from '../lib/assert.ts'
import { equalBytes } from '../lib/bytes.ts'
import { appliesTo, dueOfNoncurrent, type LifecycleRule, uploadToAbort } from '../lock/lifecycle.ts'
import { decodeVersion } from './codec.ts'
import { uploadCreatedMs, versionCreatedMs } from './creation.ts'
import type { PlannedDelete } from './delete-version.ts'
import { rangeOf, versionKey, versionPrefix } from './keys.ts'
import { type LifecycleFinding, lifecycleVersion } from './lifecycle-walk.ts'
import type { BucketRecord, VersionRecord } from './records.ts'
import type { PlannedAbort } from './uploads.ts'
import { clientVersionId, orderOfVersionId } from './version-id.ts'
import { type FoundVersion, findVersion, type Scene } from './version-rows.ts'

/** `bucket`: as it was when its rules were read. */
export function plannedDelete(bucket: BucketRecord, finding: LifecycleFinding): PlannedDelete {
  const { version, verdict } = finding
  const versionId = verdict.kind === 'expireCurrent' ? null : clientVersionId(version)
  const input = { bucket: bucket.name, key: version.key, versionId, bypassGovernance: false }
  return {
    input,
    detail: { lifecycleRule: verdict.ruleId },
    holds: async (scene) => {
      if (!isUnderSameRules(scene, bucket) || scene.now.trustedMs < verdict.dueMs) return false
      const found = await findVersion(scene.transaction, scene.bucket.id, input)
      return found.kind === 'found' && stillHolds(scene, finding, found)
    },
  }
}

type FoundUpload = { readonly key: string; readonly uploadId: string; readonly ruleId: string }

/** `bucket`: as it was when `rules` were read. */
export function plannedAbort(
  bucket: BucketRecord,
  rules: readonly LifecycleRule[],
  { key, uploadId, ruleId }: FoundUpload,
): PlannedAbort {
  return {
    address: { bucket: bucket.name, key, uploadId },
    detail: { lifecycleRule: ruleId },
    holds: (scene, upload) => {
      const nowMs = scene.now.trustedMs
      const isDue = uploadToAbort({ rules, key, nowMs }, uploadCreatedMs(upload)) !== null
      return isDue && isUnderSameRules(scene, bucket)
    },
  }
}

/** Any change of the bucket counts: its rules, its versioning, its deletion and creation under the same name. */
function isUnderSameRules({ bucket, now }: Scene, planned: BucketRecord): boolean {
  return bucket.id === planned.id && bucket.revision === planned.revision && !now.suspect
}

async function stillHolds(scene: Scene, finding: LifecycleFinding, found: FoundVersion): Promise<boolean> {
  const { version, verdict, rule } = finding
  const isSame = found.version.versionId === version.versionId
  if (!isSame || !appliesTo(rule, version.key, lifecycleVersion(found.version, 'newer'))) return false
  switch (verdict.kind) {
    case 'expireCurrent':
      return found.isCurrent
    case 'removeDeleteMarker':
      return found.newest.length === 1
    case 'removeNoncurrent':
      return (await isStillDue(scene, finding, found)) && newerStay(scene, finding, found)
  }
}

/**
 * By the version that makes it noncurrent now. The one that the walk saw over it may be gone: then it was current again, or
 * still is, and its days count anew from whatever came next.
 */
async function isStillDue(scene: Scene, { rule }: LifecycleFinding, found: FoundVersion): Promise<boolean> {
  if (found.isCurrent) return false
  const { version } = found
  const { from } = rangeOf(versionPrefix(version.bucketId, version.key))
  const [next] = await scene.transaction.range({ from, to: rowOf(version), limit: 1, reverse: true })
  assert(next !== undefined, 'a noncurrent version has a successor')
  const successorMs = versionCreatedMs(decodeVersion(next.key, next.value))
  return scene.now.trustedMs >= dueOfNoncurrent(rule, versionCreatedMs(version), successorMs)
}

/** The versions that the rule keeps are there, and none of them has become the current one. */
async function newerStay(scene: Scene, finding: LifecycleFinding, found: FoundVersion): Promise<boolean> {
  const { version, verdict, rule } = finding
  const rows = verdict.newerVersionIds.map((id) => {
    const order = orderOfVersionId(id)
    assert(order !== null, 'a stored version has an id of ours')
    return versionKey(version.bucketId, version.key, order, id)
  })
  const current = found.newest[0]
  assert(current !== undefined, 'a key with a version has a newest version')
  const values = await scene.transaction.getMany(rows)
  return rows.every((row, index) => {
    const value = values[index] ?? null
    if (value === null || equalBytes(row, current.key)) return false
    return appliesTo(rule, version.key, lifecycleVersion(decodeVersion(row, value), 'newer'))
  })
}

function rowOf({ bucketId, key, order, versionId }: VersionRecord): Uint8Array {
  return versionKey(bucketId, key, order, versionId)
}
