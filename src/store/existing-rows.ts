/**
 * How far a bucket's applyToExisting has come: one row a bucket, which every step of the walk reads and writes in the
 * transaction of its changes, so that a crash loses nothing and two walkers cannot both count a page.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../lib/log.ts'
import type { EpochMs } from '../lib/units.ts'
import type { ExistingScope } from '../lock/existing.ts'
import type { BucketRetention } from '../lock/types.ts'
import { bucketRetentionShape } from './codec.ts'
import {
  CorruptRecordError,
  count,
  instant,
  matching,
  nullable,
  oneOf,
  orAbsent,
  positive,
  shape,
  text,
} from './fields.ts'
import { existingKey, keyAfter, metaKey, parseMetaKey, rangeOf } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import type { BucketId, BucketRecord } from './records.ts'
import type { Actor, ApplyBucket, TrustedNow } from './requests.ts'
import { rowCodec, sealRow } from './row-codec.ts'

/** Whose policy it is, and who applied it: for the audit records of the versions that it changes. */
type ExistingPolicy = {
  readonly namespace: string
  readonly name: string
  readonly generation: number
  readonly accessKeyId: string
  readonly accountId: string
  readonly requestId: string
}

export type ExistingCounts = {
  /** Versions of objects that were looked at. */
  readonly seenCount: number
  readonly extendedCount: number
  /** Left alone: a retention of another mode is in force. */
  readonly otherModeCount: number
  /** The decision denied it: the bucket was frozen meanwhile. */
  readonly deniedCount: number
  /** Records or locks that cannot be read. */
  readonly unreadableCount: number
}

export type ExistingRecord = ExistingCounts & {
  readonly bucketName: string
  readonly scope: ExistingScope
  readonly retention: BucketRetention
  readonly policy: ExistingPolicy
  /** max(trusted, wall). */
  readonly startedMs: EpochMs
  /** The bucket's from then on: versions of it are not existing ones. null: begun by a release that noted none. */
  readonly bucketRevision: number | null
  /** Trusted time; null: not done yet. */
  readonly endedMs: EpochMs | null
  /** Versions of objects when it began: an estimate of how many there are to see. */
  readonly versionCount: number
  /** Of those of this pass, how many are to be judged again once the clock is not suspect: the walk is not done then. */
  readonly deferredCount: number
  /** The last version that was looked at; null: a pass is to begin. */
  readonly cursor: { readonly key: string; readonly versionId: string } | null
}

const codec = rowCodec<ExistingRecord>(
  'applyToExisting',
  shape({
    bucketName: text,
    scope: oneOf('ExtendOnly', 'IncludingModeChange'),
    retention: bucketRetentionShape,
    policy: shape({
      namespace: text,
      name: text,
      generation: count,
      accessKeyId: text,
      accountId: matching(/^[0-9]{12}$/),
      requestId: text,
    }),
    startedMs: instant,
    bucketRevision: orAbsent(nullable(positive), null),
    endedMs: nullable(instant),
    versionCount: count,
    deferredCount: orAbsent(count, 0),
    cursor: nullable(shape({ key: text, versionId: text })),
    seenCount: count,
    extendedCount: count,
    otherModeCount: count,
    deniedCount: count,
    unreadableCount: count,
  }),
)

/** The buckets whose walk is not done: who looks for work does not read all the others. */
const pendingKey = (bucketId: BucketId): Uint8Array => metaKey('existing-pending', bucketId)

/** null: none was ever asked for. Throws CorruptRecordError. */
export async function readExisting(
  reader: KeyValueReader,
  bucketId: BucketId,
): Promise<ExistingRecord | null> {
  const row = existingKey(bucketId)
  const value = await reader.get(row)
  return value === null ? null : codec.decode(row, value)
}

/** As `readExisting`; what cannot be read is logged, and a walk begun again: that it went before decides nothing. */
export async function findExisting(
  reader: KeyValueReader,
  bucketId: BucketId,
  log: Log,
): Promise<ExistingRecord | null> {
  try {
    return await readExisting(reader, bucketId)
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    log.error({ bucketId, cause: error.message }, 'how far applyToExisting has come cannot be read')
    return null
  }
}

export function writeExisting(
  transaction: KeyValueTransaction,
  bucketId: BucketId,
  record: ExistingRecord,
): void {
  const row = existingKey(bucketId)
  transaction.put(row, codec.encode(row, record))
  const pending = pendingKey(bucketId)
  if (record.endedMs === null) transaction.put(pending, sealRow(pending, Uint8Array.of(1)))
  else transaction.delete(pending)
}

export function deleteExisting(transaction: KeyValueTransaction, bucketId: BucketId): void {
  transaction.delete(existingKey(bucketId))
  transaction.delete(pendingKey(bucketId))
}

/** Ids of at most `limit` buckets with work left, in order, behind `after`; null: from the first. */
export async function pendingBuckets(
  reader: KeyValueReader,
  after: BucketId | null,
  limit: number,
): Promise<readonly BucketId[]> {
  const all = rangeOf(metaKey('existing-pending'))
  const from = after === null ? all.from : keyAfter(pendingKey(after))
  const rows = await reader.range({ from, to: all.to, limit })
  return rows.map(({ key }) => parseMetaKey(key)[1] ?? '')
}

/** When a walk begins, and over what. */
type Begun = {
  /** As it will be: its revision is that of the change. */
  readonly bucket: BucketRecord
  readonly now: TrustedNow
  readonly versionCount: number
}

export type ExistingWish = Begun & {
  readonly actor: Actor
  readonly input: Pick<ApplyBucket, 'applyToExisting' | 'policy'>
  /** `open`: versions may have been written, or met by the walk, since without the rule of the walk. */
  readonly since: 'covered' | 'open'
}

/**
 * What the row becomes by an apply: null, nothing (`No`; what was extended stays), the same record, or a walk from the
 * beginning when the scope or the rule changed, or a time without the rule ended. Another generation of the same rule goes on where it
 * was.
 */
export function wishedExisting(before: ExistingRecord | null, wish: ExistingWish): ExistingRecord | null {
  const { actor, input, bucket, since } = wish
  if (input.applyToExisting === 'No') return null
  if (input.applyToExisting === 'Keep')
    return before === null || since === 'covered' ? before : walkAgain(before, wish)
  const current = since === 'covered' ? before : null
  const { namespace, name, generation, defaultRetention, prefixRules } = input.policy
  const retention = { defaultRetention, prefixRules }
  const isSameRule =
    current?.scope === input.applyToExisting && isDeepStrictEqual(current.retention, retention)
  const isSamePolicy = current?.policy.namespace === namespace && current.policy.name === name
  if (isSameRule && isSamePolicy && current.policy.generation === generation) return current
  const { accessKeyId, accountId, requestId } = actor
  const policy = { namespace, name, generation, accessKeyId, accountId, requestId }
  if (isSameRule) return { ...current, policy }
  const about = { bucketName: bucket.name, scope: input.applyToExisting, retention, policy }
  return { ...about, ...walkFrom(wish) }
}

/** The same walk, pending or done, from the beginning. */
export function walkAgain(current: ExistingRecord, begun: Begun): ExistingRecord {
  return { ...current, ...walkFrom(begun) }
}

/** At the first version; those of before the bucket's revision are existing ones. */
function walkFrom({ bucket, now, versionCount }: Begun) {
  return {
    startedMs: now.requestMs,
    bucketRevision: bucket.revision,
    endedMs: null,
    versionCount,
    deferredCount: 0,
    cursor: null,
    seenCount: 0,
    extendedCount: 0,
    otherModeCount: 0,
    deniedCount: 0,
    unreadableCount: 0,
  }
}
