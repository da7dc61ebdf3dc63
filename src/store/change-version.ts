/** PutObjectRetention, PutObjectLegalHold and PutObjectTagging on one version. */
import { unreachable } from '../lib/assert.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditFields } from './audit-record.ts'
import { auditFields, denyIfUnreadable, type VersionContext, versionFacts } from './decision.ts'
import { changeLock, changeTags, type LockChange, type LockChangeResult } from './gate.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import type { VersionRecord } from './records.ts'
import type { Actor, ChangeLockResult, Denied, Objection, VersionAddress } from './requests.ts'
import { Scenes } from './scenes.ts'
import { findVersion, type Scene } from './version-rows.ts'

export type VersionChange = LockChange | { readonly kind: 'PutObjectTagging'; readonly tags: Tags }
type Tags = Readonly<Record<string, string>>

/** `record`: null when nothing was decided. */
type Attempt = { readonly answer: ChangeLockResult; readonly record: AuditFields | null }

/**
 * Answers in S3's order: bucket, key or version, the bucket's Object Lock, delete marker, the caller's objection, lock.
 * Errors: those of `transact`.
 */
export async function changeVersion(
  context: VersionContext,
  actor: Actor,
  address: VersionAddress & { readonly objection?: Objection },
  change: VersionChange,
): Promise<ChangeLockResult> {
  const { bucket, key, versionId } = address
  return denyIfUnreadable(context, { actor, bucket, key, versionId }, async () => {
    const { answer, record } = await context.kv.transact(async (transaction) => {
      const attempted = await attempt({ context, actor, address, change }, transaction)
      if (attempted.record?.verdict === 'allow') appendAudit(transaction, attempted.record)
      return attempted
    })
    if (record?.verdict === 'deny') await context.denials.record(record)
    return answer
  })
}

type Job = {
  readonly context: VersionContext
  readonly actor: Actor
  readonly address: VersionAddress & { readonly objection?: Objection }
  readonly change: VersionChange
}

async function attempt(
  { context, actor, address, change }: Job,
  transaction: KeyValueTransaction,
): Promise<Attempt> {
  const { bucket, key } = address
  const scenes = new Scenes(transaction, context, actor)
  const opened = await scenes.open(bucket, ({ id }) => findVersion(transaction, id, address))
  if (opened === null) return { answer: { kind: 'noSuchBucket' }, record: null }
  const { scene, found } = opened
  if (found.kind !== 'found') return { answer: { kind: found.kind }, record: null }
  const { version, isCurrent } = found
  if (change.kind !== 'PutObjectTagging' && scene.bucket.objectLock === null) {
    return { answer: { kind: 'bucketLockMissing' }, record: null }
  }
  if (version.object === null) return { answer: { kind: 'isDeleteMarker', isCurrent }, record: null }
  const objection = address.objection?.(version, scene.bucket, scene.now) ?? null
  const result = objection === null ? changed(scene, version, change) : refused(objection)
  const { verdict } = result
  const before = { verdict, ...versionFacts(version), detail: requested(change) }
  const subject = { actor, bucket, key }
  if (result.kind === 'denied') {
    return {
      answer: { kind: 'denied', verdict: result.verdict },
      record: auditFields(subject, scene.now, before),
    }
  }
  const facts = { ...before, change: result.version.change, lockAfter: result.version.lock }
  return {
    answer: { kind: 'changed', version: result.version },
    record: auditFields(subject, scene.now, facts),
  }
}

function refused(verdict: Denied['verdict']): LockChangeResult {
  return { kind: 'denied', verdict }
}

function changed(scene: Scene, version: VersionRecord, change: VersionChange): LockChangeResult {
  return change.kind === 'PutObjectTagging'
    ? changeTags(scene, version, change.tags)
    : changeLock(scene, version, change)
}

/** What was asked for, so that a refused request says what it tried. */
function requested(change: VersionChange): Readonly<Record<string, string | number | boolean>> {
  switch (change.kind) {
    case 'PutObjectRetention':
      return change.next === null
        ? { requested: 'no retention' }
        : { requestedMode: change.next.mode, requestedRetainUntilMs: change.next.retainUntilMs }
    case 'PutObjectLegalHold':
      return { requestedLegalHold: change.next }
    case 'PutObjectTagging':
      return { tagCount: Object.keys(change.tags).length }
    default:
      return unreachable(change, 'a change is of retention, hold or tags')
  }
}
