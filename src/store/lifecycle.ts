/** The lifecycle of all buckets: what their rules ask for is removed through the gate, like any client's delete. */
import type { LifecycleRule } from '../lock/lifecycle.ts'
import { readDocument } from './bucket-documents.ts'
import type { VersionContext } from './decision.ts'
import { CorruptRecordError } from './fields.ts'
import { TransactionConflictError, TransactionTooOldError } from './kv/contract.ts'
import { runBucketLifecycle } from './lifecycle-bucket.ts'
import { lifecycleCodec } from './lifecycle-document.ts'
import { newRequestId } from './random-ids.ts'
import type { BucketRecord } from './records.ts'
import type { Actor } from './requests.ts'
import type { Buckets, LifecycleRun } from './store.ts'
import { readTrustedNow } from './trusted-clock.ts'

export type LifecycleOptions = {
  readonly context: VersionContext
  readonly buckets: Pick<Buckets, 'list'>
}

const bucketsPerPage = 100

/**
 * One run over every bucket that has rules. What cannot be read, what conflicts for too long and what a lock keeps is left
 * to the next run. Errors: StoreFailedError and those of a server whose time is over.
 */
export async function runLifecycle(options: LifecycleOptions, signal: AbortSignal): Promise<LifecycleRun> {
  const { kv, clock, log } = options.context
  const runId = newRequestId()
  let after: string | null = null
  let bucketCount = 0
  for (;;) {
    const page: readonly BucketRecord[] = await options.buckets.list({
      accountId: null,
      after,
      limit: bucketsPerPage,
    })
    for (const bucket of page) {
      if (signal.aborted) return { kind: 'stopped' }
      if (!bucket.documents.includes('lifecycle')) continue
      if ((await readTrustedNow(kv, clock)).suspect) {
        log.warn({}, 'the clock is suspect: the lifecycle removes nothing until it is confirmed')
        return { kind: 'clockSuspect' }
      }
      await runBucket(options, { bucket, runId, signal })
      bucketCount += 1
    }
    const last = page.at(-1)
    if (last === undefined || page.length < bucketsPerPage) return { kind: 'done', bucketCount }
    after = last.name
  }
}

type BucketTask = { readonly bucket: BucketRecord; readonly runId: string; readonly signal: AbortSignal }

async function runBucket(options: LifecycleOptions, { bucket, runId, signal }: BucketTask): Promise<void> {
  const { log } = options.context
  try {
    const rules = await readRules(options, bucket)
    const outcome = await runBucketLifecycle(options.context, {
      actor: actorOf(bucket, runId),
      bucket,
      rules,
      signal,
    })
    log.info({ bucket: bucket.name, runId, outcome: outcome.kind, ...outcome.counts }, 'lifecycle')
  } catch (error) {
    if (!isPassing(error)) throw error
    log.error({ bucket: bucket.name, runId, error }, 'the lifecycle of a bucket did not come to its end')
  }
}

async function readRules(
  { context }: LifecycleOptions,
  bucket: BucketRecord,
): Promise<readonly LifecycleRule[]> {
  const text = await readDocument(context.kv, bucket, 'lifecycle')
  return text === null ? [] : lifecycleCodec.decode(text).rules
}

/** In the audit log. `bucketId`: the rules of this very bucket, never of another under its name. */
function actorOf({ id, accountId }: BucketRecord, runId: string): Actor {
  return {
    accessKeyId: 'lifecycle',
    accountId,
    requestId: runId,
    operation: 'LifecycleExpiration',
    bucketId: id,
  }
}

/** Concerns this bucket or this moment: the others go on. Of damaged rules nothing is done. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof CorruptRecordError ||
    error instanceof TransactionConflictError ||
    error instanceof TransactionTooOldError
  )
}
