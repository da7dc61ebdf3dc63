/**
 * Carries a policy's retention to the versions that were there before it: a walk over the bucket in bounded transactions
 * that changes versions through the gate, only ever to longer, and remembers where it is.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { limits } from '../lib/limits.ts'
import { type ExistingAnswer, retentionForExisting } from '../lock/existing.ts'
import { appendAudit } from './audit-chain.ts'
import { decodeVersion } from './codec.ts'
import { auditFields, type StoreContext, versionFacts } from './decision.ts'
import {
  deleteExisting,
  type ExistingCounts,
  type ExistingRecord,
  pendingBuckets,
  readExisting,
  writeExisting,
} from './existing-rows.ts'
import { CorruptRecordError } from './fields.ts'
import { strengthenLock } from './gate.ts'
import { keyAfter, parseVersionKey, rangeOf, versionKey, versionsPrefix } from './keys.ts'
import type { Entry, KeyValueTransaction } from './kv/contract.ts'
import type { BucketId, VersionRecord } from './records.ts'
import type { Actor, TrustedNow } from './requests.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { orderOfVersionId } from './version-id.ts'
import { openScene, type Scene } from './version-rows.ts'

/** `changed`: somebody else moved the walk, or the policy did, since the page was read. */
type Step = 'more' | 'done' | 'changed'

/**
 * Does what is pending in all buckets until it is done or `signal` says so; returns in how many it was done. A walk that
 * cannot be read or whose versions keep changing is left to the next run. Errors: those of `transact`.
 */
export async function applyToExisting(context: StoreContext, signal: AbortSignal): Promise<number> {
  let doneCount = 0
  for (const bucketId of await pendingBuckets(context.kv, limits.existingBucketsPerRunMax)) {
    try {
      if (await walkBucket(context, bucketId, signal)) doneCount += 1
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
      context.log.error({ bucketId, cause: error.message }, 'applyToExisting cannot go on in a bucket')
    }
  }
  return doneCount
}

async function walkBucket(context: StoreContext, bucketId: BucketId, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const step = await stepExisting(context, bucketId)
    if (step === 'done') return true
    // Clients' writes come first. The pause rejects when the signal ends it, which the loop asks for itself.
    await pause(limits.existingPauseMs, undefined, { signal }).catch(() => signal.aborted)
  }
  return false
}

/** One page: planned on a snapshot, so that only versions that change are read again, and conflict. */
export async function stepExisting(context: StoreContext, bucketId: BucketId): Promise<Step> {
  const { kv, clock } = context
  const planned = await kv.snapshot(async (reader) => {
    const [record, now] = await Promise.all([readExisting(reader, bucketId), readTrustedNow(reader, clock)])
    if (record === null || record.endedMs !== null) return null
    const all = rangeOf(versionsPrefix(bucketId, ''))
    const from = record.cursor === null ? all.from : keyAfter(rowOf(bucketId, record.cursor))
    const page = await reader.range({ from, to: all.to, limit: limits.existingPageVersionsMax })
    return { record, page, plan: planPage(context, { record, now }, page) }
  })
  if (planned === null) return 'done'
  return kv.transact((transaction) => commitPage(context, { bucketId, ...planned }, transaction))
}

type Task = { readonly record: ExistingRecord; readonly now: TrustedNow }
type Plan = { readonly rows: readonly Uint8Array[]; readonly counts: ExistingCounts }
type Page = {
  readonly bucketId: BucketId
  readonly record: ExistingRecord
  readonly page: readonly Entry[]
  readonly plan: Plan
}

/** The rows of the page that would change, and what the others count as. */
function planPage(context: StoreContext, task: Task, page: readonly Entry[]): Plan {
  const rows: Uint8Array[] = []
  let { seenCount, otherModeCount, unreadableCount } = task.record
  for (const { key: row, value } of page) {
    const version = readable(context, row, value)
    if (version === null) {
      unreadableCount += 1
      continue
    }
    if (!isExisting(version, task)) continue
    seenCount += 1
    const { kind } = answerFor(version, task)
    if (kind === 'extend') rows.push(row)
    if (kind === 'otherMode') otherModeCount += 1
    if (kind === 'unknown') unreadableCount += 1
  }
  const { extendedCount, deniedCount } = task.record
  return { rows, counts: { seenCount, extendedCount, otherModeCount, deniedCount, unreadableCount } }
}

async function commitPage(
  context: StoreContext,
  { bucketId, record, page, plan }: Page,
  transaction: KeyValueTransaction,
): Promise<Step> {
  const actor = actorOf(record, bucketId)
  const [current, scene, ...values] = await Promise.all([
    readExisting(transaction, bucketId),
    openScene(transaction, context.clock, { bucket: record.bucketName, actor }),
    ...plan.rows.map((row) => transaction.get(row)),
  ])
  if (current === null || !isSamePlace(current, record)) return 'changed'
  if (scene === null) {
    deleteExisting(transaction, bucketId)
    return 'done'
  }
  let { extendedCount, deniedCount } = plan.counts
  for (const [index, value] of values.entries()) {
    const row = plan.rows[index]
    if (row === undefined || value === null) continue
    const result = extend(scene, { record, now: scene.now }, decodeVersion(row, value))
    if (result === 'extended') extendedCount += 1
    if (result === 'denied') deniedCount += 1
  }
  const last = page.at(-1)
  const isLast = page.length < limits.existingPageVersionsMax
  writeExisting(transaction, bucketId, {
    ...current,
    ...plan.counts,
    extendedCount,
    deniedCount,
    cursor: last === undefined ? record.cursor : cursorOf(last.key),
    endedMs: isLast ? scene.now.trustedMs : null,
  })
  return isLast ? 'done' : 'more'
}

/** Through the gate, with a record of its own. A version that changed since it was planned is judged as it is now. */
function extend(scene: Scene, task: Task, version: VersionRecord): 'extended' | 'denied' | 'enough' {
  const answer = answerFor(version, task)
  if (answer.kind !== 'extend') return 'enough'
  const result = strengthenLock(scene, version, answer.next)
  if (result.kind === 'denied') return 'denied'
  const { namespace, name, generation } = task.record.policy
  const subject = {
    actor: actorOf(task.record, version.bucketId),
    bucket: task.record.bucketName,
    key: version.key,
  }
  const facts = {
    ...versionFacts(version),
    verdict: result.verdict,
    change: result.version.change,
    lockAfter: result.version.lock,
    detail: { policyNamespace: namespace, policyName: name, policyGeneration: generation },
  }
  appendAudit(scene.transaction, auditFields(subject, scene.now, facts))
  return 'extended'
}

/**
 * Whether the version was there when the policy was applied; delete markers are never locked. One that claims to be of a
 * time to come was written under a clock that went ahead: it is no new one.
 */
function isExisting({ object, lastModifiedMs }: VersionRecord, { record, now }: Task): boolean {
  const isNew = lastModifiedMs > record.startedMs && lastModifiedMs <= now.requestMs
  return object !== null && !isNew
}

function answerFor(
  version: VersionRecord,
  { record, now }: Task,
): ExistingAnswer | { readonly kind: 'unknown' } {
  const { lock: state, key, lastModifiedMs: createdMs } = version
  if (state.kind === 'unknown') return state
  const { retention: bucket, scope } = record
  return retentionForExisting({ nowMs: now.trustedMs, key, createdMs, state, bucket, scope })
}

/** null: damaged, so locked for good; the walk goes on. */
function readable({ log }: StoreContext, row: Uint8Array, value: Uint8Array): VersionRecord | null {
  try {
    return decodeVersion(row, value)
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    const { key, versionId } = parseVersionKey(row)
    log.error({ key, versionId, cause: error.message }, 'applyToExisting: a version that cannot be read')
    return null
  }
}

function isSamePlace(current: ExistingRecord, planned: ExistingRecord): boolean {
  const place = ({ startedMs, endedMs, scope, retention, cursor }: ExistingRecord) => {
    return { startedMs, endedMs, scope, retention, cursor }
  }
  return isDeepStrictEqual(place(current), place(planned))
}

/** Who applied the policy, by whose record of this very bucket. */
function actorOf({ policy }: ExistingRecord, bucketId: BucketId): Actor {
  const { accessKeyId, accountId, requestId } = policy
  return { accessKeyId, accountId, requestId, operation: 'ApplyToExisting', bucketId }
}

function cursorOf(row: Uint8Array): ExistingRecord['cursor'] {
  const { key, versionId } = parseVersionKey(row)
  return { key, versionId }
}

function rowOf(bucketId: BucketId, { key, versionId }: NonNullable<ExistingRecord['cursor']>): Uint8Array {
  const order = orderOfVersionId(versionId)
  if (order === null) throw new CorruptRecordError('stored record: applyToExisting.cursor is not a version')
  return versionKey(bucketId, key, order, versionId)
}
