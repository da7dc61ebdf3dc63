/**
 * Carries a policy's retention to the versions that were there before it: a walk over the bucket in bounded transactions
 * that changes versions through the gate, only ever to longer, and remembers where it is.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { limits } from '../lib/limits.ts'
import { earlierOf } from '../lib/units.ts'
import { type ExistingAnswer, retentionForExisting } from '../lock/existing.ts'
import { appendAudit } from './audit-chain.ts'
import { decodeVersion } from './codec.ts'
import { versionCreatedMs } from './creation.ts'
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
import {
  type Entry,
  type KeyValueReader,
  type KeyValueTransaction,
  TransactionConflictError,
  TransactionTooLargeError,
  TransactionTooOldError,
} from './kv/contract.ts'
import type { BucketId, VersionRecord } from './records.ts'
import type { Actor, TrustedNow } from './requests.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { orderOfVersionId } from './version-id.ts'
import { openScene, type Scene } from './version-rows.ts'

/**
 * `changed`: somebody else moved the walk, or the policy did, since the page was read. `waits`: what is left cannot be judged
 * while the clock is suspect.
 */
type Step = 'more' | 'done' | 'changed' | 'waits'

/**
 * Does what is pending in all buckets until it is done or `signal` says so, a page of versions in each bucket by turns: a large one
 * keeps no other waiting. Returns in how many it was done. A walk that cannot be read is left to the next run. Errors: those of `transact`.
 */
export async function applyToExisting(context: StoreContext, signal: AbortSignal): Promise<number> {
  let doneCount = 0
  for (let round: Round = 'first'; !signal.aborted; round = 'later') {
    let leftCount = 0
    for await (const bucketId of allPending(context.kv)) {
      if (signal.aborted) return doneCount
      const step = await takeTurn(context, bucketId, round)
      if (step === 'done') doneCount += 1
      if (step !== 'more' && step !== 'changed') continue
      leftCount += 1
      await pauseAfterPage(signal)
    }
    if (leftCount === 0) break
  }
  return doneCount
}

/** What cannot be read is told once a run. */
type Round = 'first' | 'later'

async function* allPending(reader: KeyValueReader): AsyncGenerator<BucketId> {
  const limit = limits.existingBucketsPageMax
  let after: BucketId | null = null
  for (;;) {
    const page: readonly BucketId[] = await pendingBuckets(reader, after, limit)
    yield* page
    after = page.at(-1) ?? null
    if (page.length < limit) return
  }
}

/** null: its walk cannot be read, or not go on now. */
async function takeTurn(context: StoreContext, bucketId: BucketId, round: Round): Promise<Step | null> {
  try {
    return await stepExisting(context, bucketId)
  } catch (error) {
    if (!concernsOneBucket(error)) throw error
    if (round === 'first')
      context.log.error({ bucketId, cause: error.message }, 'applyToExisting cannot go on in a bucket')
    return null
  }
}

/** A conflict that does not end is somebody who writes there all the time. */
function concernsOneBucket(error: unknown): error is Error {
  return (
    error instanceof CorruptRecordError ||
    error instanceof TransactionConflictError ||
    error instanceof TransactionTooLargeError ||
    error instanceof TransactionTooOldError
  )
}

/** Clients' writes come first. The signal ends it, which whoever waits asks for itself. */
async function pauseAfterPage(signal: AbortSignal): Promise<void> {
  await pause(limits.existingPauseMs, undefined, { signal }).catch(() => {})
}

/** One page, of fewer versions where their rows are too large for one transaction. */
export async function stepExisting(context: StoreContext, bucketId: BucketId): Promise<Step> {
  for (let versionsMax: number = limits.existingPageVersionsMax; ; versionsMax = Math.ceil(versionsMax / 2)) {
    try {
      return await stepPage(context, bucketId, versionsMax)
    } catch (error) {
      if (!(error instanceof TransactionTooLargeError) || versionsMax === 1) throw error
    }
  }
}

/** Planned on a snapshot, so that only versions that change are read again, and conflict. */
async function stepPage(context: StoreContext, bucketId: BucketId, versionsMax: number): Promise<Step> {
  const { kv, clock } = context
  const planned = await kv.snapshot(async (reader) => {
    const [record, now] = await Promise.all([readExisting(reader, bucketId), readTrustedNow(reader, clock)])
    if (record === null || record.endedMs !== null) return 'done'
    if (isWaiting(record) && now.suspect) return 'waits'
    const all = rangeOf(versionsPrefix(bucketId, ''))
    const from = record.cursor === null ? all.from : keyAfter(rowOf(bucketId, record.cursor))
    const page = await reader.range({ from, to: all.to, limit: versionsMax })
    return {
      record,
      now,
      page,
      isFull: page.length === versionsMax,
      plan: planPage(context, { record, now }, page),
    }
  })
  if (planned === 'done' || planned === 'waits') return planned
  return kv.transact((transaction) => commitPage(context, { bucketId, ...planned }, transaction))
}

type Task = { readonly record: ExistingRecord; readonly now: TrustedNow }
type Counts = ExistingCounts & Pick<ExistingRecord, 'deferredCount'>
type Plan = { readonly rows: readonly Uint8Array[]; readonly counts: Counts }
type Page = Task & {
  readonly bucketId: BucketId
  readonly page: readonly Entry[]
  /** More versions may lie behind it. */
  readonly isFull: boolean
  readonly plan: Plan
}

/** The rows of the page that would change, and what the others count as. */
function planPage(context: StoreContext, task: Task, page: readonly Entry[]): Plan {
  const rows: Uint8Array[] = []
  const before = countsOfPass(task.record)
  let { seenCount, otherModeCount, unreadableCount, deferredCount } = before
  for (const { key: row, value } of page) {
    const version = readable(context, row, value)
    if (version === null) {
      unreadableCount += 1
      continue
    }
    if (!isExisting(version, task)) continue
    seenCount += 1
    if (isFromDoubtfulTime(version, task.now)) deferredCount += 1
    const { kind } = answerFor(version, task)
    if (kind === 'extend') rows.push(row)
    if (kind === 'otherMode') otherModeCount += 1
    if (kind === 'unknown') unreadableCount += 1
  }
  return { rows, counts: { ...before, seenCount, otherModeCount, unreadableCount, deferredCount } }
}

/** A pass that comes again looks at all versions once more: only what was extended stays so. */
function countsOfPass({ cursor, ...record }: ExistingRecord): Counts {
  const { seenCount, extendedCount, otherModeCount, deniedCount, unreadableCount, deferredCount } = record
  const none = { seenCount: 0, otherModeCount: 0, deniedCount: 0, unreadableCount: 0, deferredCount: 0 }
  if (cursor === null) return { ...none, extendedCount }
  return { seenCount, extendedCount, otherModeCount, deniedCount, unreadableCount, deferredCount }
}

/** A pass is over, and left versions for another one. */
function isWaiting({ cursor, deferredCount }: ExistingRecord): boolean {
  return cursor === null && deferredCount > 0
}

async function commitPage(
  context: StoreContext,
  { bucketId, record, now, page, isFull, plan }: Page,
  transaction: KeyValueTransaction,
): Promise<Step> {
  const actor = actorOf(record, bucketId)
  const [current, scene] = await Promise.all([
    readExisting(transaction, bucketId),
    openScene(transaction, context.clock, { bucket: record.bucketName, actor }),
  ])
  if (current === null || !isSamePlace(current, record)) return 'changed'
  if (scene === null) {
    deleteExisting(transaction, bucketId)
    return 'done'
  }
  // What was certain when it was planned is doubtful now: it is to be counted as that.
  if (scene.now.suspect && !now.suspect) return 'changed'
  const counts = await extendAll(scene, { record, now: scene.now }, plan)
  const step = stepAfter(isFull, counts)
  const last = page.at(-1)
  const cursor = last === undefined ? record.cursor : cursorOf(last.key)
  writeExisting(transaction, bucketId, {
    ...current,
    ...counts,
    cursor: step === 'waits' ? null : cursor,
    endedMs: step === 'done' ? scene.now.trustedMs : null,
  })
  return step
}

function stepAfter(isFull: boolean, { deferredCount }: Counts): Step {
  if (isFull) return 'more'
  return deferredCount > 0 ? 'waits' : 'done'
}

async function extendAll(scene: Scene, task: Task, { rows, counts }: Plan): Promise<Counts> {
  let { extendedCount, deniedCount } = counts
  const values = await Promise.all(rows.map((row) => scene.transaction.get(row)))
  for (const [index, value] of values.entries()) {
    const row = rows[index]
    if (row === undefined || value === null) continue
    const result = extend(scene, task, decodeVersion(row, value))
    if (result === 'extended') extendedCount += 1
    if (result === 'denied') deniedCount += 1
  }
  return { ...counts, extendedCount, deniedCount }
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

/** Whether the version was there when the policy was applied; delete markers are never locked. No clock has a say in it. */
function isExisting(version: VersionRecord, task: Task): boolean {
  if (version.object === null) return false
  const asked = task.record.bucketRevision
  if (asked === null) return wasThere(version, task)
  return version.bucketRevision === null || version.bucketRevision < asked
}

/**
 * For a walk that a release began which noted no revisions. What has one was written since; else one that claims to be of
 * a time to come was written under a clock that went ahead: it is no new one.
 */
function wasThere(version: VersionRecord, { record, now }: Task): boolean {
  const createdMs = versionCreatedMs(version)
  const isNew = createdMs > record.startedMs && createdMs <= now.requestMs
  return version.bucketRevision === null && !isNew
}

/**
 * While the clock is suspect nobody knows which of two times a version is from that a clock ahead of trusted time wrote: a
 * period from trusted time may end too early, one from the other years too late.
 */
function isFromDoubtfulTime(version: VersionRecord, now: TrustedNow): boolean {
  return now.suspect && versionCreatedMs(version) > now.trustedMs
}

/**
 * The period counts from the version's creation, and from no later instant than that of a version of now. What is certain of a
 * doubtful one is locked at once, and judged again when the clock is not suspect any more.
 */
function answerFor(
  version: VersionRecord,
  { record, now }: Task,
): ExistingAnswer | { readonly kind: 'unknown' } {
  const { lock: state, key } = version
  if (state.kind === 'unknown') return state
  const latestMs = now.suspect ? now.trustedMs : now.requestMs
  const createdMs = earlierOf(versionCreatedMs(version), latestMs)
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
  const place = ({ startedMs, bucketRevision, endedMs, scope, retention, ...at }: ExistingRecord) => {
    const { cursor, deferredCount } = at
    return { startedMs, bucketRevision, endedMs, scope, retention, cursor, deferredCount }
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
