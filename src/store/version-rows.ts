/** Finding versions: what a mutation judges by is read through these, on the reader of its transaction. */
import { assert } from '../lib/assert.ts'
import { equalBytes } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { decodeBucket, decodeCurrent, decodeVersion } from './codec.ts'
import { corrupt } from './fields.ts'
import { bucketKey, currentKey, nullKey, rangeOf, versionKey, versionPrefix } from './keys.ts'
import type { Entry, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import type { BucketId, BucketRecord, CurrentRecord, VersionId, VersionRecord } from './records.ts'
import type { Actor, TrustedNow } from './requests.ts'
import { sealRow, unsealRow } from './row-codec.ts'
import { readTrustedNow } from './trusted-clock.ts'
import { nullVersionId, orderOfVersionId } from './version-id.ts'

/** What one decision is taken in: all of it read in the transaction that will write. */
export type Scene = {
  readonly transaction: KeyValueTransaction
  readonly bucket: BucketRecord
  readonly now: TrustedNow
}

/** A version and the two newest rows of its key, read in the same snapshot. */
export type FoundVersion = {
  readonly kind: 'found'
  readonly version: VersionRecord
  readonly isCurrent: boolean
  readonly newest: readonly Entry[]
}

export type FindVersionResult =
  | FoundVersion
  | { readonly kind: 'noSuchKey' }
  | { readonly kind: 'noSuchVersion' }

/** What a new version of a key meets. `nullVersion` is read only where a null version would be replaced. */
export type KeyPlace = {
  readonly key: string
  readonly current: CurrentRecord | null
  readonly nullVersion: FoundVersion | null
}

/** null: no such bucket. Throws CorruptRecordError. */
export async function readBucket(reader: KeyValueReader, name: string): Promise<BucketRecord | null> {
  // Whoever asks may make a name up; one so long was never given, and fits no row.
  if (name.length > limits.bucketNameLengthMax) return null
  const row = bucketKey(name)
  const value = await reader.get(row)
  return value === null ? null : decodeBucket(row, value)
}

/** A bucket by its name, for somebody: the requests of `actor` may concern one bucket only. */
export type BucketAddress = { readonly bucket: string; readonly actor: Pick<Actor, 'bucketId'> }

/** null: no such bucket for the actor. Throws CorruptRecordError, also for the clock. */
export async function openScene(
  transaction: KeyValueTransaction,
  clock: Clock,
  address: BucketAddress,
): Promise<Scene | null> {
  const [bucket, now] = await Promise.all([
    readBucket(transaction, address.bucket),
    readTrustedNow(transaction, clock),
  ])
  return bucket === null || !isJudged(bucket, address.actor) ? null : { transaction, bucket, now }
}

/**
 * Whether the actor was authorised by this very bucket. While a slow request is under way its bucket may go and the
 * name pass to somebody else, whose data the request must never touch.
 */
export function isJudged(bucket: Pick<BucketRecord, 'id'>, actor: Pick<Actor, 'bucketId'>): boolean {
  return actor.bucketId === undefined || actor.bucketId === bucket.id
}

/**
 * Finds a version as S3 addresses it: null is the current version, 'null' the null version only (I13), and an
 * id the version that was given this id; the id behind a null version is never shown and finds nothing.
 */
export async function findVersion(
  reader: KeyValueReader,
  bucketId: BucketId,
  address: { readonly key: string; readonly versionId: string | null },
): Promise<FindVersionResult> {
  const { key, versionId } = address
  if (versionId === null) return findCurrent(reader, bucketId, key)
  if (versionId === nullVersionId) return (await findNull(reader, bucketId, key)) ?? { kind: 'noSuchVersion' }
  const order = orderOfVersionId(versionId)
  if (order === null) return { kind: 'noSuchVersion' }
  const row = versionKey(bucketId, key, order, versionId)
  const [value, newest] = await Promise.all([reader.get(row), readNewest(reader, bucketId, key)])
  if (value === null) return { kind: 'noSuchVersion' }
  const found = foundIn(newest, row, value)
  return found.version.isNull ? { kind: 'noSuchVersion' } : found
}

export function readPlace(scene: Scene, key: string): Promise<KeyPlace> {
  return readPlaceIn(scene.transaction, scene.bucket, key)
}

export async function readPlaceIn(
  reader: KeyValueReader,
  bucket: Pick<BucketRecord, 'id' | 'versioning'>,
  key: string,
): Promise<KeyPlace> {
  const row = currentKey(bucket.id, key)
  const [value, nullVersion] = await Promise.all([
    reader.get(row),
    bucket.versioning === 'Enabled' ? null : findNull(reader, bucket.id, key),
  ])
  return { key, current: value === null ? null : decodeCurrent(row, value), nullVersion }
}

async function findCurrent(
  reader: KeyValueReader,
  bucketId: BucketId,
  key: string,
): Promise<FindVersionResult> {
  const newest = await readNewest(reader, bucketId, key)
  const current = newest[0]
  return current === undefined ? { kind: 'noSuchKey' } : foundIn(newest, current.key, current.value)
}

async function findNull(
  reader: KeyValueReader,
  bucketId: BucketId,
  key: string,
): Promise<FoundVersion | null> {
  const [value, newest] = await Promise.all([
    reader.get(nullKey(bucketId, key)),
    readNewest(reader, bucketId, key),
  ])
  if (value === null) return null
  const row = nullVersionRow(bucketId, key, value)
  // The null version is nearly always among the newest: then there is no third read.
  const known = newest.find((entry) => equalBytes(entry.key, row))
  const version = known?.value ?? (await reader.get(row))
  if (version === null) return corrupt('null version', 'there, as its row says')
  const found = foundIn(newest, row, version)
  return found.version.isNull ? found : corrupt('null version', 'marked as null version')
}

/** The null row's value: which version is the key's null version. */
export function encodeNull(row: Uint8Array, versionId: VersionId): Uint8Array {
  return sealRow(row, Buffer.from(versionId, 'latin1'))
}

/** The row of the version that the null row's `value` names. Throws CorruptRecordError. */
export function nullVersionRow(bucketId: BucketId, key: string, value: Uint8Array): Uint8Array {
  const versionId = Buffer.from(unsealRow('null', nullKey(bucketId, key), value)).toString('latin1')
  const order = orderOfVersionId(versionId)
  return order === null ? corrupt('null', 'a version id') : versionKey(bucketId, key, order, versionId)
}

function readNewest(reader: KeyValueReader, bucketId: BucketId, key: string): Promise<Entry[]> {
  return reader.range({ ...rangeOf(versionPrefix(bucketId, key)), limit: 2 })
}

function foundIn(newest: readonly Entry[], row: Uint8Array, value: Uint8Array): FoundVersion {
  const current = newest[0]
  assert(current !== undefined, 'a key with a version has a newest version')
  const version = decodeVersion(row, value)
  return { kind: 'found', version, isCurrent: equalBytes(current.key, row), newest }
}
