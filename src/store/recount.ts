/**
 * A bucket's counters and its index of expiries, computed again from its versions and uploads and compared with what is
 * stored. What is in memory does not grow with the bucket: counters are few, and expiries are looked up one by one.
 */
import { isDeepStrictEqual } from 'node:util'
import { decodeVersion } from './codec.ts'
import { CorruptRecordError } from './fields.ts'
import { hex } from './hex.ts'
import {
  expiryPrefix,
  histogramPrefix,
  parseExpiryKey,
  parseHistogramKey,
  parseStatKey,
  statKey,
  statPrefix,
  uploadsPrefix,
  versionKey,
  versionsPrefix,
} from './keys.ts'
import type { Entry, KeyValueReader } from './kv/contract.ts'
import { parseCounter } from './kv/counter.ts'
import type { BucketId, VersionId, VersionRecord } from './records.ts'
import { countersOf, expiryCodec, expiryOf, walk } from './stats.ts'
import { orderOfVersionId } from './version-id.ts'

export type CountDifference =
  /** `name`: of a stat counter, or `<UTC day as a number>/<mode>/<measure>` of the histogram. */
  | { readonly kind: 'counter'; readonly name: string; readonly stored: number; readonly counted: number }
  /** A version with a retention whose expiry row is not there, or says something else. */
  | { readonly kind: 'expiryMissing'; readonly key: string; readonly versionId: VersionId }
  /** An expiry row that no version has. */
  | { readonly kind: 'expiryStray'; readonly key: string; readonly versionId: VersionId }
  /** A row, or a version's lock, that cannot be read: with one of a version, counters cannot be compared. */
  | { readonly kind: 'unreadable'; readonly table: 'version' | 'expiry'; readonly cause: string }

/**
 * Empty when all agree. Walks every version and upload of the bucket, so never on a request's path; exact only while
 * nobody writes, or on a snapshot.
 */
export async function* countDifferences(
  reader: KeyValueReader,
  bucketId: BucketId,
): AsyncGenerator<CountDifference> {
  const counted = new Map<string, number>()
  let isComplete = true
  for await (const entry of walk(reader, versionsPrefix(bucketId, ''))) {
    const read = readCounted(entry)
    if (read.kind === 'unreadable') {
      isComplete = false
      yield { ...read, table: 'version' }
      continue
    }
    for (const [row, delta] of countersOf(read.version)) add(counted, row, delta)
    if (!(await hasExpiry(reader, read.version))) {
      yield { kind: 'expiryMissing', key: read.version.key, versionId: read.version.versionId }
    }
  }
  for await (const _upload of walk(reader, uploadsPrefix(bucketId, ''))) {
    add(counted, statKey(bucketId, 'uploadCount'), 1)
  }
  if (isComplete) yield* counterDifferences(reader, bucketId, counted)
  for await (const { key, value } of walk(reader, expiryPrefix(bucketId))) {
    const difference = await judgeExpiry(reader, bucketId, { key, value })
    if (difference !== null) yield difference
  }
}

type Counted =
  | { readonly kind: 'version'; readonly version: VersionRecord }
  | { readonly kind: 'unreadable'; readonly cause: string }

function readCounted({ key, value }: Entry): Counted {
  try {
    const version = decodeVersion(key, value)
    const { lock } = version
    return lock.kind === 'known'
      ? { kind: 'version', version }
      : { kind: 'unreadable', cause: `${version.key} ${version.versionId}: ${lock.cause}` }
  } catch (error) {
    return { kind: 'unreadable', cause: causeOf(error) }
  }
}

/** True also for a version that has none to have. */
async function hasExpiry(reader: KeyValueReader, version: VersionRecord): Promise<boolean> {
  const expiry = expiryOf(version)
  if (expiry === null) return true
  const value = await reader.get(expiry.row)
  if (value === null) return false
  try {
    return isDeepStrictEqual(expiryCodec.decode(expiry.row, value), expiry.record)
  } catch (error) {
    // Told once, where the rows of the index are walked.
    causeOf(error)
    return true
  }
}

async function* counterDifferences(
  reader: KeyValueReader,
  bucketId: BucketId,
  counted: ReadonlyMap<string, number>,
): AsyncGenerator<CountDifference> {
  const left = new Map(counted)
  for (const prefix of [statPrefix(bucketId), histogramPrefix(bucketId)]) {
    for await (const { key, value } of walk(reader, prefix)) {
      const name = hex(key)
      const difference = { name: counterName(key), stored: parseCounter(value), counted: left.get(name) ?? 0 }
      left.delete(name)
      if (difference.stored !== difference.counted) yield { kind: 'counter', ...difference }
    }
  }
  for (const [name, count] of left) {
    if (count !== 0)
      yield { kind: 'counter', name: counterName(Buffer.from(name, 'hex')), stored: 0, counted: count }
  }
}

function counterName(row: Uint8Array): string {
  if (row[0] === statPrefix('0'.repeat(16))[0]) return parseStatKey(row).name
  const { dayIndex, mode, measure } = parseHistogramKey(row)
  return `${dayIndex}/${mode}/${measure}`
}

async function judgeExpiry(
  reader: KeyValueReader,
  bucketId: BucketId,
  { key: row, value }: Entry,
): Promise<CountDifference | null> {
  try {
    const { retainUntilMs, versionId } = parseExpiryKey(row)
    const { key } = expiryCodec.decode(row, value)
    const order = orderOfVersionId(versionId)
    const version = order === null ? null : versionKey(bucketId, key, order, versionId)
    const stored = version === null ? null : await reader.get(version)
    if (version === null || stored === null) return { kind: 'expiryStray', key, versionId }
    const read = readCounted({ key: version, value: stored })
    if (read.kind === 'unreadable') return null
    const { lock } = read.version
    const isOwn = lock.kind === 'known' && lock.retention?.retainUntilMs === retainUntilMs
    return isOwn ? null : { kind: 'expiryStray', key, versionId }
  } catch (error) {
    return { kind: 'unreadable', table: 'expiry', cause: causeOf(error) }
  }
}

/** Of damage. Anything else goes up. */
function causeOf(error: unknown): string {
  if (error instanceof CorruptRecordError) return error.message
  throw error
}

function add(counted: Map<string, number>, row: Uint8Array, delta: number): void {
  const name = hex(row)
  counted.set(name, (counted.get(name) ?? 0) + delta)
}
