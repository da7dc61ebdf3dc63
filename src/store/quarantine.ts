/**
 * Bytes that are other than those that were written, as a scrub or a read found them. A row a list: its reads answer an error,
 * whatever their blocks say, and nothing is removed. Beside it a row for each version that has these bytes, by list and by
 * bucket, so that every bucket can say what it lost; quarantine-owners.ts finds the versions that nobody has met yet.
 * The rows go when a later scrub finds the bytes whole, or with their version.
 */
import { limits } from '../lib/limits.ts'
import { BodyCorruptError } from './bodies/contract.ts'
import { CorruptRecordError, instant, matching, oneOf, orAbsent, shape, text } from './fields.ts'
import { listRefKey, listRefPrefix, metaKey, parseMetaKey, rangeOf } from './keys.ts'
import type { Entry, KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import type { BucketId, VersionId, VersionRecord } from './records.ts'
import type { QuarantinedVersion } from './requests.ts'
import { type RowCodec, rowCodec } from './row-codec.ts'

type Found = Pick<QuarantinedVersion, 'foundMs' | 'problem'> & {
  /** `unread`: the disk does not give the bytes out. Whoever asks for them is not refused: it may, and each block is checked. */
  readonly kind: 'damaged' | 'unread'
}

/** The version that was met first names the row; it may be gone, and others have the list too. */
const listCodec = rowCodec<QuarantinedVersion & Found>(
  'quarantine',
  shape({
    kind: orAbsent(oneOf('damaged', 'unread'), 'damaged'),
    bucketId: matching(/^[0-9a-f]{16}$/),
    key: text,
    versionId: text,
    foundMs: instant,
    problem: text,
  }),
)
const ownerCodec = rowCodec<{ readonly key: string }>('quarantine owner', shape({ key: text }))
const searchCodec = rowCodec<{ readonly state: 'searching' | 'known' }>(
  'quarantine owners',
  shape({ state: oneOf('searching', 'known') }),
)

const allLists = metaKey('quarantine')
const allOwners = 'quarantine-owner'
/** Absent: some version of a quarantined list may have no row of its own yet. */
const searchKey = metaKey('quarantine-owners')

const quarantineKey = (listId: string): Uint8Array => metaKey('quarantine', listId)

/** What names an owner's rows. */
export type Owner = Pick<VersionRecord, 'bucketId' | 'key' | 'versionId'>

export const ownerKey = (listId: string, { versionId, bucketId }: Omit<Owner, 'key'>): Uint8Array =>
  metaKey(allOwners, listId, versionId, bucketId)

const bucketPrefix = (bucketId: BucketId): Uint8Array => metaKey('quarantine-bucket', bucketId)

const bucketOwnerKey = (listId: string, { versionId, bucketId }: Omit<Owner, 'key'>): Uint8Array =>
  metaKey('quarantine-bucket', bucketId, listId, versionId)

/** The bytes are known to be damaged: nobody has to look at them again. */
export class QuarantinedError extends BodyCorruptError {}

/** null: not in quarantine. A row that cannot be read is one of damage. */
export async function quarantineOf(reader: KeyValueReader, listId: string): Promise<QuarantinedError | null> {
  const kind = await kindOf(reader, listId)
  return kind === null ? null : quarantinedError(listId, kind)
}

function quarantinedError(listId: string, kind: Found['kind']): QuarantinedError {
  const what = kind === 'damaged' ? 'are not those that were written' : 'were not given out by the disk'
  return new QuarantinedError(`list ${listId} is in quarantine: its bytes ${what}`)
}

/** Throws QuarantinedError for bytes that are damaged; what the disk only failed to read is tried again. */
export async function refuseDamaged(reader: KeyValueReader, listId: string): Promise<void> {
  if ((await kindOf(reader, listId)) === 'damaged') throw quarantinedError(listId, 'damaged')
}

async function kindOf(reader: KeyValueReader, listId: string): Promise<Found['kind'] | null> {
  const row = quarantineKey(listId)
  const value = await reader.get(row)
  return value === null ? null : (decoded(listCodec, { key: row, value })?.kind ?? 'damaged')
}

export async function isQuarantined(reader: KeyValueReader, listId: string): Promise<boolean> {
  return (await reader.get(quarantineKey(listId))) !== null
}

/** False: the version is gone meanwhile, and its bytes with it. Writes nothing that is there already, or says less. */
export function quarantine(kv: KeyValue, version: VersionRecord, found: Found): Promise<boolean> {
  const { bucketId, key, versionId, object } = version
  if (object === null) return Promise.resolve(false)
  const { listId } = object.content
  return kv.transact(async (transaction) => {
    if ((await transaction.get(listRefKey(listId, versionId))) === null) return false
    const row = quarantineKey(listId)
    const known = decoded(listCodec, { key: row, value: await transaction.get(row) })
    if (known === null || (known.kind === 'unread' && found.kind === 'damaged')) {
      await noteSearch(transaction, listId)
      transaction.put(row, listCodec.encode(row, { bucketId, key, versionId, ...found }))
    }
    await putOwner(transaction, listId, version)
    return true
  })
}

/** Before the list's row is there. */
async function noteSearch(transaction: KeyValueTransaction, listId: string): Promise<void> {
  const owners = await transaction.range({ ...rangeOf(listRefPrefix(listId)), limit: 2 })
  if (owners.length > 1) transaction.delete(searchKey)
  else if (await isQuarantineEmpty(transaction)) putSearch(transaction, 'known')
}

/** Those of these versions whose list is in quarantine. */
export async function ownersOf(
  reader: KeyValueReader,
  versions: readonly VersionRecord[],
): Promise<readonly VersionRecord[]> {
  const lists = await reader.getMany(
    versions.map(({ object }) => quarantineKey(object?.content.listId ?? '')),
  )
  return versions.filter((_, index) => (lists[index] ?? null) !== null)
}

/** A version that has a list in quarantine. */
export async function putOwner(
  transaction: KeyValueTransaction,
  listId: string,
  owner: Owner,
): Promise<void> {
  const row = ownerKey(listId, owner)
  const bucketRow = bucketOwnerKey(listId, owner)
  const { key } = owner
  if ((await transaction.get(row)) === null) transaction.put(row, ownerCodec.encode(row, { key }))
  if ((await transaction.get(bucketRow)) === null)
    transaction.put(bucketRow, ownerCodec.encode(bucketRow, { key }))
}

/** A version lets go of its list; `last`: of a list that nobody else has. */
export function leaveQuarantine(
  transaction: KeyValueTransaction,
  listId: string,
  owner: Owner & { readonly rest: 'others' | 'none' },
): void {
  transaction.delete(ownerKey(listId, owner))
  transaction.delete(bucketOwnerKey(listId, owner))
  if (owner.rest === 'none') transaction.delete(quarantineKey(listId))
}

/** The bytes were found whole. */
export async function endQuarantine(kv: KeyValue, listId: string): Promise<void> {
  // Two rows each and one more fit a transaction.
  const limit = limits.quarantineListMax - 1
  for (;;) {
    const isOver = await kv.transact(async (transaction) => {
      const all = rangeOf(metaKey(allOwners, listId))
      const rows = await transaction.range({ ...all, limit })
      for (const { key: row } of rows) {
        const { versionId, bucketId } = partsOf(row)
        transaction.delete(row)
        transaction.delete(bucketOwnerKey(listId, { versionId, bucketId }))
      }
      if (rows.length === limit) {
        // Broken off here, the list is in quarantine still, and buckets whose rows went do not know it.
        transaction.delete(searchKey)
        return false
      }
      transaction.delete(quarantineKey(listId))
      return true
    })
    if (isOver) return
  }
}

/** A list in quarantine, and one of the versions that have it; null: none can be named. */
export type QuarantinedList = {
  readonly row: Uint8Array
  readonly listId: string
  readonly owner: Owner | null
}

/** At most limits.quarantineListMax, from a row on; null: from the first. */
export async function pageOfQuarantine(
  reader: KeyValueReader,
  from: Uint8Array | null,
): Promise<readonly QuarantinedList[]> {
  const all = rangeOf(allLists)
  const rows = await reader.range({ ...all, from: from ?? all.from, limit: limits.quarantineListMax })
  const lists: QuarantinedList[] = []
  for (const { key: row } of rows) {
    const [, listId = ''] = parseMetaKey(row)
    const [owner] = await reader.range({ ...rangeOf(metaKey(allOwners, listId)), limit: 1 })
    const key = owner === undefined ? undefined : decoded(ownerCodec, owner)?.key
    const isNamed = owner !== undefined && key !== undefined
    lists.push({ row, listId, owner: isNamed ? { ...partsOf(owner.key), key } : null })
  }
  return lists
}

export type QuarantineReport = {
  readonly listCount: number
  readonly versions: readonly QuarantinedVersion[]
}

/** At most `limit` of both, in the order of their lists. A row that cannot be read counts, but names nobody. */
export async function readQuarantine(reader: KeyValueReader, limit: number): Promise<QuarantineReport> {
  const lists = await reader.range({ ...rangeOf(allLists), limit })
  const versions: QuarantinedVersion[] = []
  for (const list of lists) {
    if (versions.length >= limit) break
    const found = decoded(listCodec, list)
    if (found === null) continue
    const [, listId = ''] = parseMetaKey(list.key)
    const owners = await reader.range({
      ...rangeOf(metaKey(allOwners, listId)),
      limit: limit - versions.length,
    })
    for (const owner of owners) {
      const key = decoded(ownerCodec, owner)?.key
      const { versionId, bucketId } = partsOf(owner.key)
      if (key !== undefined) versions.push({ ...toldOf(found), bucketId, key, versionId })
    }
  }
  return { listCount: lists.length, versions }
}

/** What a bucket has in quarantine, at most `limit`; `versions`: those whose rows can be read. */
export async function readQuarantineOf(
  reader: KeyValueReader,
  bucketId: BucketId,
  limit: number,
): Promise<{ readonly versionCount: number; readonly versions: readonly QuarantinedVersion[] }> {
  const rows = await reader.range({ ...rangeOf(bucketPrefix(bucketId)), limit })
  const lists = await reader.getMany(rows.map(({ key }) => quarantineKey(parseMetaKey(key)[2] ?? '')))
  const versions: QuarantinedVersion[] = []
  rows.forEach((row, index) => {
    const [, , listId = '', versionId = ''] = parseMetaKey(row.key)
    const found = decoded(listCodec, { key: quarantineKey(listId), value: lists[index] ?? null })
    const key = decoded(ownerCodec, row)?.key
    if (found !== null && key !== undefined) versions.push({ ...toldOf(found), bucketId, key, versionId })
  })
  return { versionCount: rows.length, versions }
}

function toldOf({ foundMs, problem }: Found): Pick<QuarantinedVersion, 'foundMs' | 'problem'> {
  return { foundMs, problem }
}

/** Whether every version of a quarantined list has a row of its own. */
export async function areOwnersKnown(reader: KeyValueReader): Promise<boolean> {
  if (await isQuarantineEmpty(reader)) return true
  const value = await reader.get(searchKey)
  return decoded(searchCodec, { key: searchKey, value })?.state === 'known'
}

/** False: they are known already. */
export async function beginOwnerSearch(kv: KeyValue): Promise<boolean> {
  if (await areOwnersKnown(kv)) return false
  await kv.transact(async (transaction) => putSearch(transaction, 'searching'))
  return true
}

/** False: bytes with several owners came into quarantine meanwhile. */
export function endOwnerSearch(kv: KeyValue): Promise<boolean> {
  return kv.transact(async (transaction) => {
    if ((await transaction.get(searchKey)) === null) return false
    putSearch(transaction, 'known')
    return true
  })
}

async function isQuarantineEmpty(reader: KeyValueReader): Promise<boolean> {
  return (await reader.range({ ...rangeOf(allLists), limit: 1 })).length === 0
}

function putSearch(transaction: KeyValueTransaction, state: 'searching' | 'known'): void {
  transaction.put(searchKey, searchCodec.encode(searchKey, { state }))
}

function partsOf(ownerRow: Uint8Array): Omit<Owner, 'key'> & { readonly versionId: VersionId } {
  const [, , versionId = '', bucketId = ''] = parseMetaKey(ownerRow)
  return { versionId, bucketId }
}

/** null: not there, or not to be read. */
function decoded<T>(codec: RowCodec<T>, { key, value }: { key: Uint8Array; value: Entry['value'] | null }) {
  if (value === null) return null
  try {
    return codec.decode(key, value)
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    return null
  }
}
