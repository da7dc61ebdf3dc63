/**
 * What a bucket's lifecycle remembers: how far a run that did not end has come, and what the last one did. Nothing is
 * decided by it: without it a run begins at the first key and finds what is gone, gone.
 */
import type { Log } from '../lib/log.ts'
import type { EpochMs } from '../lib/units.ts'
import { CorruptRecordError, count, instant, nullable, positive, shape, text } from './fields.ts'
import { lifecycleKey } from './keys.ts'
import type { KeyValue, KeyValueReader } from './kv/contract.ts'
import type { BucketId, BucketRecord } from './records.ts'
import type { LifecycleRunFacts } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import { readBucket } from './version-rows.ts'

export type LifecycleCounts = Omit<LifecycleRunFacts, 'startedMs' | 'endedMs'>

export type LifecycleProgress = {
  readonly startedMs: EpochMs
  /** Of the bucket's record: a run goes on only under the configuration that it began with. */
  readonly revision: number
  /** The last key that was done with; null: none. */
  readonly afterKey: string | null
  readonly counts: LifecycleCounts
}

export type LifecycleState = {
  readonly lastRun: LifecycleRunFacts | null
  readonly running: LifecycleProgress | null
}

export const noCounts: LifecycleCounts = {
  expiredCount: 0,
  removedCount: 0,
  abortedUploadCount: 0,
  lockedCount: 0,
  unreadableCount: 0,
}

const counts = {
  expiredCount: count,
  removedCount: count,
  abortedUploadCount: count,
  lockedCount: count,
  unreadableCount: count,
} as const

const stateCodec = rowCodec<LifecycleState>(
  'lifecycle',
  shape({
    lastRun: nullable(shape({ startedMs: instant, endedMs: instant, ...counts })),
    running: nullable(
      shape({ startedMs: instant, revision: positive, afterKey: nullable(text), counts: shape(counts) }),
    ),
  }),
)

const nothing: LifecycleState = { lastRun: null, running: null }

/** A row that cannot be read is as good as none. */
export async function readLifecycleState(
  reader: KeyValueReader,
  bucketId: BucketId,
  log: Log,
): Promise<LifecycleState> {
  const row = lifecycleKey(bucketId)
  const value = await reader.get(row)
  if (value === null) return nothing
  try {
    return stateCodec.decode(row, value)
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    log.error(
      { bucketId, cause: error.message },
      'what the lifecycle remembered cannot be read: it begins anew',
    )
    return nothing
  }
}

/** Writes nothing for a bucket that is gone, whose rows nobody would remove. */
export async function writeLifecycleState(
  kv: KeyValue,
  { id, name }: Pick<BucketRecord, 'id' | 'name'>,
  state: LifecycleState,
): Promise<void> {
  await kv.transact(async (transaction) => {
    const bucket = await readBucket(transaction, name)
    const row = lifecycleKey(id)
    if (bucket?.id === id) transaction.put(row, stateCodec.encode(row, state))
  })
}
