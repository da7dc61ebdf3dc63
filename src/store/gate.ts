/**
 * THE gate: the only code that removes a version's row or changes its lock. Each function takes its verdict
 * from src/lock on what it was given in `scene`, in the transaction of the write, and writes nothing when
 * that denies. Nothing else in the store deletes a row of the version table.
 */
import { assert } from '../lib/assert.ts'
import { equalBytes } from '../lib/bytes.ts'
import { decide } from '../lock/rules.ts'
import { activeRetention, extendsRetention } from '../lock/state.ts'
import type { LockContext, LockRequest, ObjectLockState, Retention, Verdict } from '../lock/types.ts'
import { decodeVersion, encodeCurrent, encodeVersion } from './codec.ts'
import { detach } from './content.ts'
import { currentKey, nullKey, statKey, versionKey } from './keys.ts'
import type { Entry, KeyValueTransaction } from './kv/contract.ts'
import type { BucketRecord, CurrentRecord, VersionRecord } from './records.ts'
import type { TrustedNow } from './requests.ts'
import { countVersion, discountVersion } from './stats.ts'
import { encodeNull, type FoundVersion, type Scene } from './version-rows.ts'

export type Denial = Extract<Verdict, { readonly kind: 'deny' }>
export type Removal = { readonly bypassGovernance: boolean }
export type LockChange = Exclude<LockRequest, { readonly kind: 'DeleteObjectVersion' }>
export type LockChangeResult =
  | { readonly kind: 'changed'; readonly verdict: Verdict; readonly version: VersionRecord }
  | { readonly kind: 'denied'; readonly verdict: Denial }

/** Whether `removeVersion` would remove; reads and writes nothing. */
export function judgeRemoval(scene: Scene, version: VersionRecord, removal: Removal): Verdict {
  return decide(lockContext(scene.bucket, scene.now), version.lock, {
    kind: 'DeleteObjectVersion',
    isDeleteMarker: version.object === null,
    bypassGovernance: removal.bypassGovernance,
  })
}

/** Removes the version, unless the verdict denies; the next newest becomes current. */
export async function removeVersion(scene: Scene, found: FoundVersion, removal: Removal): Promise<Verdict> {
  const verdict = judgeRemoval(scene, found.version, removal)
  if (verdict.kind === 'allow') await dropVersion(scene.transaction, found)
  return verdict
}

/** Puts retention or hold of a version that is not a delete marker, unless the verdict denies. */
export function changeLock(scene: Scene, version: VersionRecord, change: LockChange): LockChangeResult {
  return changeLockIn(lockContext(scene.bucket, scene.now), scene, version, change)
}

/**
 * Gives a version the retention of its bucket's policy, which is never less than what is in force. The bounds are about
 * dates that clients ask for, and the bypass is what a stronger mode needs.
 */
export function strengthenLock(scene: Scene, version: VersionRecord, next: Retention): LockChangeResult {
  const { lock } = version
  const current = lock.kind === 'known' ? activeRetention(lock, scene.now.trustedMs) : null
  assert(current === null || extendsRetention(current, next), 'a policy only strengthens what is in force')
  const context = { ...lockContext(scene.bucket, scene.now), bounds: { minimum: null, maximum: null } }
  return changeLockIn(context, scene, version, { kind: 'PutObjectRetention', next, bypassGovernance: true })
}

function changeLockIn(
  context: LockContext,
  scene: Scene,
  version: VersionRecord,
  change: LockChange,
): LockChangeResult {
  assert(version.object !== null, 'a delete marker has no lock to change')
  const verdict = decide(context, version.lock, change)
  if (verdict.kind === 'deny') return { kind: 'denied', verdict }
  const lock = lockAfter(version.lock, change, scene.now)
  if (lock === version.lock) return { kind: 'changed', verdict, version }
  const next = { ...version, lock, change: version.change + 1 }
  replaceVersion(scene.transaction, version, next)
  return { kind: 'changed', verdict, version: next }
}

/** Tags may change under a lock, as on AWS; not under one that cannot be read, which a rewrite would hide. */
export function changeTags(
  scene: Scene,
  version: VersionRecord,
  tags: Readonly<Record<string, string>>,
): LockChangeResult {
  const { object, lock } = version
  assert(object !== null, 'a delete marker has no tags')
  if (lock.kind === 'unknown') return { kind: 'denied', verdict: unknownLockDenial(scene.now, lock.cause) }
  const next = { ...version, object: { ...object, tags }, change: version.change + 1 }
  replaceVersion(scene.transaction, version, next)
  return { kind: 'changed', verdict: { kind: 'allow', rule: 'TagsAreMutable' }, version: next }
}

/** Adds a new newest version; touches no older one (I12). A former null version was removed before. */
export function insertVersion(scene: Scene, version: VersionRecord): void {
  const { transaction, bucket } = scene
  assert(version.bucketId === bucket.id, 'a version is written into the bucket of its verdict')
  assert(version.isNull === (bucket.versioning !== 'Enabled'), 'versioning decides which versions are null')
  transaction.put(rowOf(version), encodeVersion(version))
  putCurrent(transaction, version)
  if (version.isNull) {
    const row = nullKey(bucket.id, version.key)
    transaction.put(row, encodeNull(row, version.versionId))
  }
  countVersion(transaction, version)
  // Judged at commit, on all that others wrote meanwhile: however many write, a quota is never passed.
  if (bucket.quotaBytes !== null) transaction.bound(statKey(bucket.id, 'sizeBytes'), bucket.quotaBytes)
}

/** The verdict on anything whose lock, or whose bucket's record, cannot be read. */
export function unknownLockDenial(now: TrustedNow, cause: string): Denial {
  const bounds = { minimum: null, maximum: null }
  const context = {
    nowMs: now.trustedMs,
    requestMs: now.requestMs,
    bucketLock: null,
    policyMode: null,
    bounds,
  }
  const request: LockRequest = { kind: 'DeleteObjectVersion', isDeleteMarker: false, bypassGovernance: false }
  const verdict = decide(context, { kind: 'unknown', cause }, request)
  assert(verdict.kind === 'deny', 'an unknown lock denies everything')
  return verdict
}

export function lockContext(bucket: BucketRecord, now: TrustedNow): LockContext {
  return {
    nowMs: now.trustedMs,
    requestMs: now.requestMs,
    bucketLock: bucket.objectLock?.status ?? null,
    policyMode: bucket.policy?.mode ?? null,
    bounds: bucket.policy?.bounds ?? { minimum: null, maximum: null },
  }
}

// All that can fail comes first: no half of a removal may be buffered.
async function dropVersion(transaction: KeyValueTransaction, found: FoundVersion): Promise<void> {
  const { version, isCurrent, newest } = found
  const next = isCurrent ? promoted(newest, version) : null
  if (version.object !== null) await detach(transaction, version.object.content, version)
  const { bucketId, key } = version
  transaction.delete(rowOf(version))
  if (version.isNull) transaction.delete(nullKey(bucketId, key))
  if (isCurrent && next === null) transaction.delete(currentKey(bucketId, key))
  if (next !== null) putCurrent(transaction, next)
  discountVersion(transaction, version)
}

function putCurrent(transaction: KeyValueTransaction, version: VersionRecord): void {
  const row = currentKey(version.bucketId, version.key)
  transaction.put(row, encodeCurrent(row, currentOf(version)))
}

/** The version that becomes current when the newest goes; null when it was the last. */
function promoted(newest: readonly Entry[], removed: VersionRecord): VersionRecord | null {
  const [first, second] = newest
  assert(first !== undefined && equalBytes(first.key, rowOf(removed)), 'the current version is the newest')
  return second === undefined ? null : decodeVersion(second.key, second.value)
}

function replaceVersion(transaction: KeyValueTransaction, before: VersionRecord, after: VersionRecord): void {
  const row = rowOf(before)
  assert(equalBytes(row, rowOf(after)), 'a change of lock or tags keeps the row')
  const value = encodeVersion(after)
  discountVersion(transaction, before)
  transaction.put(row, value)
  countVersion(transaction, after)
}

function lockAfter(lock: ObjectLockState, change: LockChange, now: TrustedNow): ObjectLockState {
  assert(lock.kind === 'known', 'an unknown lock denies every change')
  if (change.kind === 'PutObjectLegalHold') return { ...lock, legalHold: change.next }
  // S3: an empty Retention where none is in force changes nothing; an expired one stays readable.
  if (change.next === null && activeRetention(lock, now.trustedMs) === null) return lock
  return { ...lock, retention: change.next }
}

function rowOf(version: VersionRecord): Uint8Array {
  return versionKey(version.bucketId, version.key, version.order, version.versionId)
}

/** What the current row of a key says while `version` is its newest. */
export function currentOf(version: VersionRecord): CurrentRecord {
  const { versionId, isNull, order, lastModifiedMs, accountId, object } = version
  return {
    versionId,
    isNull,
    order,
    isDeleteMarker: object === null,
    lastModifiedMs,
    accountId,
    sizeBytes: object?.sizeBytes ?? 0,
    etag: object?.etag ?? '',
    checksum: object?.checksum ?? null,
  }
}
