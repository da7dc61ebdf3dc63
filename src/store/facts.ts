/** What status says of a bucket, from its counters: the cost does not grow with the bucket. */

import { limits } from '../lib/limits.ts'
import { isSystemBucket } from '../lib/system-buckets.ts'
import { dayMs, type EpochMs, epochMs } from '../lib/units.ts'
import { findLifecycle, findTags } from './apply-documents.ts'
import { readLastDenials } from './bucket-denials.ts'
import type { StoreContext } from './decision.ts'
import { findExisting } from './existing-rows.ts'
import {
  expiryFrom,
  expiryPrefix,
  histogramFrom,
  histogramPrefix,
  parseBucketKey,
  parseExpiryKey,
  parseHistogramKey,
  rangeOf,
  tablePrefix,
} from './keys.ts'
import type { KeyValueReader } from './kv/contract.ts'
import { parseCounter } from './kv/counter.ts'
import { readLifecycleState } from './lifecycle-state.ts'
import type { BucketId } from './records.ts'
import type { BucketFacts } from './requests.ts'
import { readIntegrity } from './scrub-record.ts'
import { dayIndexOf, expiryCodec, readStat, walkRange } from './stats.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { readBucket } from './version-rows.ts'

/** Versions with a retention in force; `held`: those of them that also have a hold. */
type Active = { readonly count: number; readonly held: number }

/** null: no such bucket. Throws CorruptRecordError. */
export function bucketFacts(context: StoreContext, name: string): Promise<BucketFacts | null> {
  return context.kv.snapshot(async (reader) => {
    const [bucket, now] = await Promise.all([readBucket(reader, name), readTrustedNow(reader, context.clock)])
    if (bucket === null) return null
    const [stat, lockedUntilMs, active, state, existing, lifecycle, tags, lastDenials, integrity] =
      await Promise.all([
        readStat(reader, bucket.id),
        latestActive(reader, bucket.id, now.trustedMs),
        countActive(reader, bucket.id, now.trustedMs),
        readLifecycleState(reader, bucket.id, context.log),
        findExisting(reader, bucket.id, context.log),
        findLifecycle(reader, bucket, context.log),
        findTags(reader, bucket, context.log),
        readLastDenials(reader, bucket.id, context.log),
        readIntegrity(reader, bucket),
      ])
    const heldOnly = stat.legalHoldCount - active.held
    return {
      bucket,
      stat,
      lockedVersionCount: active.count + heldOnly,
      lockedUntilMs,
      lifecycle,
      tags,
      lastLifecycleRun: state.lastRun,
      applyToExisting: existing,
      lastDenials,
      integrity,
      now,
    }
  })
}

/** The first in byte order. Throws CorruptRecordError. */
export async function findLocked(context: StoreContext): Promise<string | null> {
  for await (const { key } of walkRange(context.kv, rangeOf(tablePrefix('bucket')))) {
    const name = parseBucketKey(key)
    if (isSystemBucket(name)) continue
    const facts = await bucketFacts(context, name)
    if (facts !== null && facts.lockedVersionCount > 0) return name
  }
  return null
}

async function latestActive(
  reader: KeyValueReader,
  bucketId: BucketId,
  nowMs: EpochMs,
): Promise<EpochMs | null> {
  const [last] = await reader.range({ ...rangeOf(expiryPrefix(bucketId)), limit: 1, reverse: true })
  if (last === undefined) return null
  const { retainUntilMs } = parseExpiryKey(last.key)
  return nowMs > retainUntilMs ? null : epochMs(retainUntilMs)
}

/** The rest of today by its rows, all later days by their counters. */
async function countActive(reader: KeyValueReader, bucketId: BucketId, nowMs: EpochMs): Promise<Active> {
  const today = dayIndexOf(nowMs)
  const rest = await countRows(reader, bucketId, nowMs)
  const later = await countDays(reader, bucketId, today + 1, null)
  // Too many rows to read: the whole day is counted as locked, which is late but never early.
  const day = rest ?? (await countDays(reader, bucketId, today, today + 1))
  return { count: day.count + later.count, held: day.held + later.held }
}

/** null: more than limits.factsExpiryRowsMax rows. */
async function countRows(reader: KeyValueReader, bucketId: BucketId, nowMs: EpochMs): Promise<Active | null> {
  const from = expiryFrom(bucketId, nowMs)
  const to = expiryFrom(bucketId, (dayIndexOf(nowMs) + 1) * dayMs)
  let count = 0
  let held = 0
  for await (const { key, value } of walkRange(reader, { from, to })) {
    count += 1
    if (expiryCodec.decode(key, value).legalHold === 'ON') held += 1
    if (count > limits.factsExpiryRowsMax) return null
  }
  return { count, held }
}

async function countDays(
  reader: KeyValueReader,
  bucketId: BucketId,
  firstDay: number,
  endDay: number | null,
): Promise<Active> {
  const from = histogramFrom(bucketId, firstDay)
  const to = endDay === null ? rangeOf(histogramPrefix(bucketId)).to : histogramFrom(bucketId, endDay)
  let count = 0
  let held = 0
  for await (const { key, value } of walkRange(reader, { from, to })) {
    const { measure } = parseHistogramKey(key)
    if (measure === 'count') count += parseCounter(value)
    if (measure === 'held') held += parseCounter(value)
  }
  return { count, held }
}
