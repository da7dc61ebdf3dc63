/**
 * A bucket's counters and its index of expiries, written in the transaction that changes a version: exact at
 * every commit. `recount.ts` computes the same from the versions themselves.
 */
import { assert } from '../lib/assert.ts'
import { dayMs } from '../lib/units.ts'
import type { ObjectLockState, Retention } from '../lock/types.ts'
import { count, oneOf, shape, text } from './fields.ts'
import { expiryKey, histogramKey, keyAfter, rangeOf, statKey } from './keys.ts'
import type { Entry, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { parseCounter } from './kv/counter.ts'
import type { BucketId, BucketStat, VersionRecord } from './records.ts'
import { rowCodec } from './row-codec.ts'

/** What the index of expiries says of a version with a retention. */
export type ExpiryRecord = {
  readonly key: string
  readonly mode: Retention['mode']
  /** Whether a hold is ON beside the retention. */
  readonly legalHold: 'ON' | 'OFF'
  readonly sizeBytes: number
}

const statNames = [
  'versionCount',
  'deleteMarkerCount',
  'sizeBytes',
  'legalHoldCount',
  'uploadCount',
] as const satisfies readonly (keyof BucketStat)[]

const pageRows = 500

export const expiryCodec = rowCodec<ExpiryRecord>(
  'expiry',
  shape({
    key: text,
    mode: oneOf('GOVERNANCE', 'COMPLIANCE'),
    legalHold: oneOf('ON', 'OFF'),
    sizeBytes: count,
  }),
)

/** Counts a version that the transaction writes. */
export function countVersion(transaction: KeyValueTransaction, version: VersionRecord): void {
  for (const [row, delta] of countersOf(version)) transaction.add(row, delta)
  const expiry = expiryOf(version)
  if (expiry !== null) transaction.put(expiry.row, expiryCodec.encode(expiry.row, expiry.record))
}

/** Takes back what `countVersion` counted for the version as it was stored. */
export function discountVersion(transaction: KeyValueTransaction, version: VersionRecord): void {
  for (const [row, delta] of countersOf(version)) transaction.add(row, -delta)
  const expiry = expiryOf(version)
  if (expiry !== null) transaction.delete(expiry.row)
}

export function dayIndexOf(instantMs: number): number {
  return Math.floor(instantMs / dayMs)
}

export async function readStat(reader: KeyValueReader, bucketId: BucketId): Promise<BucketStat> {
  const values = await reader.getMany(statNames.map((name) => statKey(bucketId, name)))
  const counters = values.map(parseCounter)
  const stat = Object.fromEntries(statNames.map((name, index) => [name, counters[index]]))
  return stat as BucketStat
}

/** All rows under a prefix in key order, a page at a time. */
export function walk(reader: KeyValueReader, prefix: Uint8Array): AsyncGenerator<Entry> {
  return walkRange(reader, rangeOf(prefix))
}

/** All rows with from <= key < to in key order, a page at a time. */
export async function* walkRange(
  reader: KeyValueReader,
  { from, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
): AsyncGenerator<Entry> {
  let position = from
  for (;;) {
    const page = await reader.range({ from: position, to, limit: pageRows })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < pageRows) return
    position = keyAfter(last.key)
  }
}

/** What a version with a known lock adds to which counter. */
export function countersOf(version: VersionRecord): readonly (readonly [Uint8Array, number])[] {
  const { bucketId, object } = version
  if (object === null) return [[statKey(bucketId, 'deleteMarkerCount'), 1]]
  const counters: [Uint8Array, number][] = [[statKey(bucketId, 'versionCount'), 1]]
  if (object.sizeBytes > 0) counters.push([statKey(bucketId, 'sizeBytes'), object.sizeBytes])
  const { retention, legalHold } = knownLock(version.lock)
  if (legalHold === 'ON') counters.push([statKey(bucketId, 'legalHoldCount'), 1])
  if (retention === null) return counters
  const { mode, retainUntilMs } = retention
  const dayIndex = dayIndexOf(retainUntilMs)
  counters.push([histogramKey(bucketId, dayIndex, mode, 'count'), 1])
  if (object.sizeBytes > 0) counters.push([histogramKey(bucketId, dayIndex, mode, 'bytes'), object.sizeBytes])
  if (legalHold === 'ON') counters.push([histogramKey(bucketId, dayIndex, mode, 'held'), 1])
  return counters
}

/** null: a version without retention has no expiry row. */
export function expiryOf(
  version: VersionRecord,
): { readonly row: Uint8Array; readonly record: ExpiryRecord } | null {
  const { bucketId, key, versionId, object } = version
  if (object === null) return null
  const { retention, legalHold } = knownLock(version.lock)
  if (retention === null) return null
  const { mode, retainUntilMs } = retention
  return {
    row: expiryKey(bucketId, retainUntilMs, versionId),
    record: { key, mode, legalHold: legalHold ?? 'OFF', sizeBytes: object.sizeBytes },
  }
}

function knownLock(lock: ObjectLockState): ObjectLockState & { kind: 'known' } {
  assert(lock.kind === 'known', 'only versions with a known lock are counted')
  return lock
}
