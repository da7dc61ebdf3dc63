/** How a new version, or a delete marker, comes on top of a key; PutObject, Complete and delete share it. */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { LockStamp } from '../lock/create.ts'
import { type Denial, insertVersion, judgeRemoval, removeVersion } from './gate.ts'
import type { ObjectData, VersionId, VersionRecord } from './records.ts'
import type { Precondition, TrustedNow } from './requests.ts'
import { nextOrder, versionIdOf } from './version-id.ts'
import type { KeyPlace, Scene } from './version-rows.ts'

export type VersionDraft = {
  /** From `newVersionSuffix`, chosen before the transaction. */
  readonly suffix: string
  readonly lock: LockStamp
  /** Attaches the content to the version; null: a delete marker. */
  readonly makeObject: ((versionId: VersionId) => ObjectData) | null
}

export type WriteVersionResult =
  /** `replaced`: the null version that gave way. */
  | { readonly kind: 'written'; readonly version: VersionRecord; readonly replaced: VersionRecord | null }
  /** Nothing was written: the null version in the way is locked. */
  | { readonly kind: 'denied'; readonly verdict: Denial; readonly version: VersionRecord }

/**
 * Writes the newest version of `place.key`. With versioning Enabled no older row is touched (I12); otherwise
 * the new version is the null version and replaces the former one, through the gate.
 */
export async function writeVersion(
  scene: Scene,
  place: KeyPlace,
  draft: VersionDraft,
): Promise<WriteVersionResult> {
  const replaced = scene.bucket.versioning === 'Enabled' ? null : place.nullVersion
  if (replaced !== null) {
    const verdict = judgeRemoval(scene, replaced.version, { bypassGovernance: false })
    if (verdict.kind === 'deny') return { kind: 'denied', verdict, version: replaced.version }
  }
  const version = newVersion(scene, place, draft)
  if (replaced !== null) {
    // After the new version holds its content: a copy onto itself shares the list that goes here.
    const verdict = await removeVersion(scene, replaced, { bypassGovernance: false })
    assert(verdict.kind === 'allow', 'the gate answers the same twice')
  }
  insertVersion(scene, version)
  return { kind: 'written', version, replaced: replaced?.version ?? null }
}

/** S3's conditional writes and deletes, judged on the current version in their transaction; null: go on. */
export function judgePrecondition(
  place: KeyPlace,
  precondition: Precondition,
): { readonly kind: 'preconditionFailed' } | { readonly kind: 'noSuchKey' } | null {
  const current = place.current === null || place.current.isDeleteMarker ? null : place.current
  const { ifMatch, ifNoneMatch } = precondition
  if (ifNoneMatch === '*' && current !== null) return { kind: 'preconditionFailed' }
  if (ifMatch === null) return null
  if (current === null) return { kind: 'noSuchKey' }
  return ifMatch === '*' || current.etag === ifMatch ? null : { kind: 'preconditionFailed' }
}

/** While the clock is suspect and wall is far ahead, a period stamped from wall might last far too long. */
export function refusesPeriodLocks(now: TrustedNow): boolean {
  return now.suspect && now.wallMs - now.trustedMs > limits.clockSuspectLockMsMax
}

function newVersion(scene: Scene, place: KeyPlace, draft: VersionDraft): VersionRecord {
  const { bucket, now } = scene
  const order = nextOrder(now.requestMs, place.current)
  const versionId = versionIdOf(order, draft.suffix)
  const { retention, legalHold } = draft.lock
  return {
    bucketId: bucket.id,
    key: place.key,
    versionId,
    isNull: bucket.versioning !== 'Enabled',
    order,
    bucketRevision: bucket.revision,
    lastModifiedMs: now.wallMs,
    // Objects belong to the bucket's owner (S3's BucketOwnerEnforced).
    accountId: bucket.accountId,
    change: 1,
    lock: { kind: 'known', retention, legalHold },
    object: draft.makeObject === null ? null : draft.makeObject(versionId),
  }
}
