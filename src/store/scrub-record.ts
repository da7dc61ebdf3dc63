/** How far scrubs have come: a row of the volume, and what it says of the bytes of a bucket. */
import { limits } from '../lib/limits.ts'
import type { EpochMs } from '../lib/units.ts'
import { count, instant, matching, nullable, orAbsent, shape } from './fields.ts'
import { metaKey } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { areOwnersKnown, readQuarantineOf } from './quarantine.ts'
import type { BucketRecord } from './records.ts'
import type { BucketIntegrity } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import { unlessDamaged } from './verify-content.ts'

export type ScrubRecord = {
  /** Wall time; null: no pass has ended yet. */
  readonly lastEndedMs: EpochMs | null
  /** When that pass began. null beside an end: an earlier release wrote this row. */
  readonly lastBeganMs: EpochMs | null
  /** The same by trusted time, which says what was there. null beside it: that pass began in an earlier release. */
  readonly lastBeganTrustedMs: EpochMs | null
  readonly lastUnreadableCount: number
  /** Of the pass that goes on; null: none does. */
  readonly beganMs: EpochMs | null
  readonly beganTrustedMs: EpochMs | null
  /** Hex of the row of the version that was read last in the pass that goes on; null: none does. */
  readonly cursor: string | null
  readonly versionCount: number
  readonly readBytes: number
  /** Versions whose row or lock cannot be read. */
  readonly unreadableCount: number
  /** Runs, one after the other, that ended before their end because the disk gave too many bodies not out. */
  readonly stoppedCount: number
}

export const scrubKey = metaKey('scrub')
const codec = rowCodec<ScrubRecord>(
  'scrub',
  shape({
    lastEndedMs: nullable(instant),
    lastBeganMs: orAbsent(nullable(instant), null),
    lastBeganTrustedMs: orAbsent(nullable(instant), null),
    lastUnreadableCount: orAbsent(count, 0),
    beganMs: orAbsent(nullable(instant), null),
    beganTrustedMs: orAbsent(nullable(instant), null),
    cursor: nullable(matching(/^[0-9a-f]+$/)),
    versionCount: count,
    readBytes: count,
    unreadableCount: count,
    stoppedCount: orAbsent(count, 0),
  }),
)
/** Of a pass that begins. */
export const nothing = { cursor: null, versionCount: 0, readBytes: 0, unreadableCount: 0 }
const never: ScrubRecord = {
  lastEndedMs: null,
  lastBeganMs: null,
  lastBeganTrustedMs: null,
  lastUnreadableCount: 0,
  beganMs: null,
  beganTrustedMs: null,
  stoppedCount: 0,
  ...nothing,
}

/** What the last pass met is there until the next one ends without meeting it. */
export function unreadableOf({ lastUnreadableCount, unreadableCount }: ScrubRecord): number {
  return Math.max(lastUnreadableCount, unreadableCount)
}

/** Unreadable is as good as none: nothing is decided by it. */
export async function readScrub(reader: KeyValueReader): Promise<ScrubRecord> {
  const value = await reader.get(scrubKey)
  if (value === null) return never
  const found = await unlessDamaged(() => codec.decode(scrubKey, value))
  return found.kind === 'whole' ? found.value : never
}

export function writeScrub(transaction: KeyValueTransaction, record: ScrubRecord): void {
  transaction.put(scrubKey, codec.encode(scrubKey, record))
}

/** What is known of one bucket's bytes. */
export async function readIntegrity(
  reader: KeyValueReader,
  bucket: Pick<BucketRecord, 'id' | 'createdMs' | 'createdTrustedMs'>,
): Promise<BucketIntegrity> {
  const record = await readScrub(reader)
  const { versionCount, versions } = await readQuarantineOf(reader, bucket.id, limits.quarantineListMax)
  return {
    lastScrubMs: wasThere(bucket, record) ? record.lastEndedMs : null,
    unreadableCount: unreadableOf(record),
    owners: (await areOwnersKnown(reader)) ? 'known' : 'searching',
    stoppedCount: record.stoppedCount,
    quarantinedCount: versionCount,
    quarantined: versions,
  }
}

/** Whether the last pass began after the bucket was made. By trusted time: nothing that a wall clock does makes bytes read. */
function wasThere(
  { createdMs, createdTrustedMs }: Pick<BucketRecord, 'createdMs' | 'createdTrustedMs'>,
  { lastBeganMs, lastBeganTrustedMs }: ScrubRecord,
): boolean {
  if (lastBeganTrustedMs !== null) return createdTrustedMs === null || createdTrustedMs < lastBeganTrustedMs
  return createdTrustedMs === null && lastBeganMs !== null && createdMs <= lastBeganMs
}
