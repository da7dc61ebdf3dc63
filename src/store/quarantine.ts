/**
 * Bytes that the scrub found to be other than those that were written. A row a list: its reads answer an error, whatever
 * their blocks say, and nothing is removed. The row goes when a later scrub finds the bytes whole, or with the list.
 */
import { BodyCorruptError } from './bodies/contract.ts'
import { CorruptRecordError, instant, matching, shape, text } from './fields.ts'
import { listRefKey, metaKey, rangeOf } from './keys.ts'
import type { KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import type { VersionRecord } from './records.ts'
import type { QuarantinedVersion } from './requests.ts'
import { rowCodec } from './row-codec.ts'

const codec = rowCodec<QuarantinedVersion>(
  'quarantine',
  shape({
    bucketId: matching(/^[0-9a-f]{16}$/),
    key: text,
    versionId: text,
    foundMs: instant,
    problem: text,
  }),
)

const quarantineKey = (listId: string): Uint8Array => metaKey('quarantine', listId)

/** The bytes are known to be damaged: nobody has to look at them again. */
export class QuarantinedError extends BodyCorruptError {}

/** null: not in quarantine. A row that cannot be read is one that is there. */
export async function quarantineOf(reader: KeyValueReader, listId: string): Promise<QuarantinedError | null> {
  if ((await reader.get(quarantineKey(listId))) === null) return null
  return new QuarantinedError(`list ${listId} is in quarantine: its bytes are not those that were written`)
}

/** Throws QuarantinedError. */
export async function refuseQuarantined(reader: KeyValueReader, listId: string): Promise<void> {
  const found = await quarantineOf(reader, listId)
  if (found !== null) throw found
}

/** False: the version is gone meanwhile, and its bytes with it. */
export function quarantine(
  kv: KeyValue,
  version: VersionRecord,
  found: Pick<QuarantinedVersion, 'foundMs' | 'problem'>,
): Promise<boolean> {
  const { bucketId, key, versionId, object } = version
  if (object === null) return Promise.resolve(false)
  const { listId } = object.content
  return kv.transact(async (transaction) => {
    if ((await transaction.get(listRefKey(listId, versionId))) === null) return false
    const row = quarantineKey(listId)
    transaction.put(row, codec.encode(row, { bucketId, key, versionId, ...found }))
    return true
  })
}

/** The bytes were found whole, or their last reference goes. */
export function leaveQuarantine(transaction: KeyValueTransaction, listId: string): void {
  transaction.delete(quarantineKey(listId))
}

export async function isQuarantined(reader: KeyValueReader, listId: string): Promise<boolean> {
  return (await reader.get(quarantineKey(listId))) !== null
}

/** At most `limit`, in the order of their lists. A row that cannot be read counts, but cannot say whose it is. */
export async function readQuarantine(
  reader: KeyValueReader,
  limit: number,
): Promise<{ readonly listCount: number; readonly versions: readonly QuarantinedVersion[] }> {
  const rows = await reader.range({ ...rangeOf(metaKey('quarantine')), limit })
  const versions: QuarantinedVersion[] = []
  for (const { key, value } of rows) {
    try {
      versions.push(codec.decode(key, value))
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
    }
  }
  return { listCount: rows.length, versions }
}
