/** DeleteObject, DeleteObjects and the lifecycle's: the one place that asks the gate to remove on somebody's behalf. */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import { isWritesRefusal } from '../lib/read-only.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditDetail, AuditFields } from './audit-record.ts'
import { auditFields, denyIfUnreadable, type Subject, type VersionContext, versionFacts } from './decision.ts'
import { CorruptRecordError } from './fields.ts'
import { removeVersion } from './gate.ts'
import {
  type KeyValueTransaction,
  TransactionConflictError,
  TransactionTooLargeError,
  TransactionTooOldError,
} from './kv/contract.ts'
import type { VersionRecord } from './records.ts'
import type { Actor, DeleteManyResult, DeleteObject, DeleteObjectResult } from './requests.ts'
import { type BucketPlace, Scenes } from './scenes.ts'
import { clientVersionId, newVersionSuffix, nullVersionId } from './version-id.ts'
import {
  type FindVersionResult,
  type FoundVersion,
  findVersion,
  type KeyPlace,
  readPlaceIn,
  type Scene,
} from './version-rows.ts'
import { judgePrecondition, writeVersion } from './write-version.ts'

/** `record`: null when there was nothing to decide. Appended when allowed, else for the recorder. */
type Deletion = { readonly answer: DeleteObjectResult; readonly record: AuditFields | null }
type BatchDeletion = Pick<Deletion, 'record'> & { readonly answer: DeleteManyResult }
type WritesRefused = Extract<DeleteManyResult, { readonly kind: 'writesRefused' }>

type Target =
  | { readonly kind: 'place'; readonly place: KeyPlace }
  | FindVersionResult
  | { readonly kind: 'unmet'; readonly answer: NonNullable<ReturnType<typeof judgePrecondition>> }

/** A delete that was planned on what was read before: it is done only while `holds`, asked in its transaction. */
export type PlannedDelete = {
  readonly input: DeleteObject
  readonly holds: (scene: Scene) => Promise<boolean>
  /** Into the audit record. */
  readonly detail: AuditDetail
}

/** `unmet`: it did not hold any more, or there was nothing to delete. */
export type PlannedDeleteResult = 'done' | 'denied' | 'unmet'

/** A delete with all that is chosen before its transaction. */
type Job = {
  readonly actor: Actor
  readonly input: DeleteObject
  readonly suffix: string
  /** null: a client's, which asks for what is there. */
  readonly plan: Omit<PlannedDelete, 'input'> | null
}
type Batch = { readonly actor: Actor; readonly jobs: readonly Job[] }

const nothingThere: Deletion = {
  answer: { kind: 'deleted', versionId: null, isDeleteMarker: false },
  record: null,
}

/** Errors: those of `transact`. */
export async function deleteVersion(
  context: VersionContext,
  actor: Actor,
  input: DeleteObject,
): Promise<DeleteObjectResult> {
  const deletion = await deleteSingly(context, { actor, input, suffix: newVersionSuffix(), plan: null })
  await recordDenial(context, deletion)
  return deletion.answer
}

/**
 * The same effect and answers as one delete after the other (I6), in transactions of at most
 * limits.deleteObjectsPerTransactionMax keys. Where such a transaction fails for one of them they run singly, and only the
 * keys that others keep busy are not deleted. Where the volume takes no write any more the keys before keep their answers. Errors: those of
 * `transact` after which nobody knows what was written; that of the volume where it took no write at all, for then nothing was done.
 */
export async function deleteVersions(
  context: VersionContext,
  actor: Actor,
  inputs: readonly DeleteObject[],
): Promise<readonly DeleteManyResult[]> {
  assert(inputs.length <= limits.deleteObjectsKeysMax, 'a batch of deletes is bounded')
  const jobs = inputs.map((input) => ({ actor, input, suffix: newVersionSuffix(), plan: null }))
  const answers = (await deleteAll(context, actor, jobs)).map(({ answer }) => answer)
  const refusals = answers.filter((answer): answer is WritesRefused => answer.kind === 'writesRefused')
  const [first] = refusals
  if (first === undefined) return answers
  if (refusals.length === answers.length) throw first.error
  const { error } = first
  context.log.error({ error, count: refusals.length }, 'a batch of deletes was done in part')
  return answers
}

/** As `deleteVersions`, each only where its plan still holds. Never with a bypass. */
export async function deletePlanned(
  context: VersionContext,
  actor: Actor,
  deletes: readonly PlannedDelete[],
): Promise<readonly PlannedDeleteResult[]> {
  const jobs = deletes.map(({ input, holds, detail }) => {
    assert(!input.bypassGovernance, 'nothing that is planned bypasses governance')
    return { actor, input, suffix: newVersionSuffix(), plan: { holds, detail } }
  })
  const deletions = await deleteAll(context, actor, jobs)
  return deletions.map(({ answer, record }) => {
    if (answer.kind === 'writesRefused') throw answer.error
    if (answer.kind === 'denied') return 'denied'
    return record === null ? 'unmet' : 'done'
  })
}

async function deleteAll(
  context: VersionContext,
  actor: Actor,
  jobs: readonly Job[],
): Promise<readonly BatchDeletion[]> {
  const deletions: BatchDeletion[] = []
  try {
    for (let start = 0; start < jobs.length; start += limits.deleteObjectsPerTransactionMax) {
      const chunk = jobs.slice(start, start + limits.deleteObjectsPerTransactionMax)
      deletions.push(...(await deleteChunk(context, { actor, jobs: chunk })))
    }
  } catch (error) {
    // Nobody is answered, but what was decided is recorded.
    await recordDenials(context, deletions)
    throw error
  }
  return recordDenials(context, deletions)
}

async function deleteChunk(context: VersionContext, batch: Batch): Promise<readonly BatchDeletion[]> {
  try {
    return await deleteTogether(context, batch)
  } catch (error) {
    if (isWritesRefusal(error)) return batch.jobs.map(() => notDone(error))
    if (!concernsOneKey(error)) throw error
    const deletions: BatchDeletion[] = []
    for (const job of batch.jobs) deletions.push(await orNotDone(() => deleteSingly(context, job)))
    return deletions
  }
}

/** What was not done for one key is no reason to leave the answers of the others out. */
async function orNotDone(work: () => Promise<BatchDeletion>): Promise<BatchDeletion> {
  try {
    return await work()
  } catch (error) {
    return notDone(error)
  }
}

/** For errors that say that nothing was written; others may mean anything and pass. */
function notDone(error: unknown): BatchDeletion {
  if (isBusy(error)) return { answer: { kind: 'conflict' }, record: null }
  if (isWritesRefusal(error)) return { answer: { kind: 'writesRefused', error }, record: null }
  throw error
}

async function deleteSingly(context: VersionContext, job: Job): Promise<Deletion> {
  const { actor } = job
  const { bucket, key, versionId } = job.input
  const outcome = await denyIfUnreadable(context, { actor, bucket, key, versionId }, async () => {
    const [deletion] = await deleteTogether(context, { actor, jobs: [job] })
    assert(deletion !== undefined, 'one delete has one answer')
    return deletion
  })
  // A denial for what cannot be read is in the audit log already.
  return 'answer' in outcome ? outcome : { answer: outcome, record: null }
}

/** What was allowed is recorded in the transaction; what was denied is left to `recordDenials`. */
async function deleteTogether(context: VersionContext, batch: Batch): Promise<readonly Deletion[]> {
  return context.kv.transact(async (transaction) => {
    const attempted = await attemptAll(context, transaction, batch)
    for (const { record } of attempted) {
      if (record !== null && record.verdict === 'allow') appendAudit(transaction, record)
    }
    return attempted
  })
}

/**
 * All at once: a counted denial resolves only after its second has passed, and those of a batch share one. One that cannot be recorded is
 * answered with that.
 */
async function recordDenials(
  context: VersionContext,
  deletions: readonly BatchDeletion[],
): Promise<readonly BatchDeletion[]> {
  const recorded = (deletion: BatchDeletion) =>
    orNotDone(async () => {
      await recordDenial(context, deletion)
      return deletion
    })
  return Promise.all(deletions.map(recorded))
}

async function recordDenial(
  { denials }: VersionContext,
  { record }: Pick<Deletion, 'record'>,
): Promise<void> {
  if (record?.verdict === 'deny') await denials.record(record)
}

/** Different keys are read side by side; deletes of one key follow each other and see what the last did. */
async function attemptAll(
  context: VersionContext,
  transaction: KeyValueTransaction,
  { actor, jobs }: Batch,
): Promise<readonly Deletion[]> {
  const scenes = new Scenes(transaction, context, actor)
  const queues = new Map<string, Promise<unknown>>()
  const deletions = jobs.map((job) => {
    const { bucket, key } = job.input
    const queueName = JSON.stringify([bucket, key])
    const before = queues.get(queueName) ?? Promise.resolve()
    const deletion = before.then(() => attempt(scenes, transaction, job))
    queues.set(queueName, deletion)
    return deletion
  })
  return Promise.all(deletions)
}

async function attempt(scenes: Scenes, transaction: KeyValueTransaction, job: Job): Promise<Deletion> {
  const { input } = job
  const { key } = input
  const opened = await scenes.open(input.bucket, async (bucket): Promise<Target> => {
    const unmet = await unmetCondition(transaction, bucket, input)
    if (unmet !== null) return unmet
    // In an unversioned bucket a DELETE of the key is one of its only version.
    const versionId = input.versionId ?? (bucket.versioning === 'Unversioned' ? nullVersionId : null)
    if (versionId === null) return { kind: 'place', place: await readPlaceIn(transaction, bucket, key) }
    return findVersion(transaction, bucket.id, { key, versionId })
  })
  if (opened === null) return { answer: { kind: 'noSuchBucket' }, record: null }
  const { scene, found } = opened
  if (job.plan !== null && !(await job.plan.holds(scene))) return nothingThere
  if (found.kind === 'place') return putMarker(scene, found.place, job)
  if (found.kind === 'unmet') return { answer: found.answer, record: null }
  return found.kind === 'found' ? removeFound(scene, found, job) : nothingThere
}

/** If-Match is about the current version; null: it holds, or there is none. */
async function unmetCondition(
  transaction: KeyValueTransaction,
  bucket: BucketPlace,
  { key, ifMatch }: DeleteObject,
): Promise<Extract<Target, { readonly kind: 'unmet' }> | null> {
  if (ifMatch === undefined) return null
  const place = await readPlaceIn(transaction, bucket, key)
  const answer = judgePrecondition(place, { ifMatch, ifNoneMatch: null })
  return answer === null ? null : { kind: 'unmet', answer }
}

async function removeFound(scene: Scene, found: FoundVersion, job: Job): Promise<Deletion> {
  const { input } = job
  const { version } = found
  const verdict = await removeVersion(scene, found, { bypassGovernance: input.bypassGovernance })
  const record = auditFields(subjectOf(job), scene.now, {
    verdict,
    ...versionFacts(version),
    ...planFacts(job),
  })
  if (verdict.kind === 'deny') return { answer: { kind: 'denied', verdict }, record }
  const isMarkerAddressed = input.versionId !== null && version.object === null
  const answeredId = input.versionId === null ? null : clientVersionId(version)
  return { answer: { kind: 'deleted', versionId: answeredId, isDeleteMarker: isMarkerAddressed }, record }
}

/** DELETE without version id: Enabled adds a marker; Suspended puts one in the place of the null version. */
async function putMarker(scene: Scene, place: KeyPlace, job: Job): Promise<Deletion> {
  const lock = { kind: 'stamp', retention: null, legalHold: null } as const
  const written = await writeVersion(scene, place, { suffix: job.suffix, lock, makeObject: null })
  if (written.kind === 'denied') {
    const { verdict, version } = written
    const facts = { verdict, ...versionFacts(version), ...planFacts(job) }
    return { answer: { kind: 'denied', verdict }, record: auditFields(subjectOf(job), scene.now, facts) }
  }
  const { version, replaced } = written
  const record = auditFields(subjectOf(job), scene.now, {
    verdict: { kind: 'allow', rule: noRuleDenies },
    versionId: version.versionId,
    change: version.change,
    ...replacedFacts(job, replaced),
  })
  const versionId = clientVersionId(version)
  return { answer: { kind: 'deleted', versionId, isDeleteMarker: true }, record }
}

function planFacts({ plan }: Job): { readonly detail?: AuditDetail } {
  return plan === null ? {} : { detail: plan.detail }
}

function replacedFacts({ plan }: Job, replaced: VersionRecord | null) {
  const detail = { ...plan?.detail, isDeleteMarker: true }
  if (replaced === null) return { detail }
  return { lockBefore: replaced.lock, detail: { ...detail, replacedVersionId: replaced.versionId } }
}

function subjectOf({ actor, input }: Job): Subject {
  return { actor, bucket: input.bucket, key: input.key }
}

/** Neighbours in a batch must not suffer for one key (I6): these may go away when each runs for itself. */
function concernsOneKey(error: unknown): boolean {
  return isBusy(error) || error instanceof TransactionTooLargeError || error instanceof CorruptRecordError
}

function isBusy(error: unknown): boolean {
  return error instanceof TransactionConflictError || error instanceof TransactionTooOldError
}
