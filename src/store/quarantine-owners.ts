/**
 * Who has the bytes that are in quarantine: a list knows its versions by their ids alone, so a walk over the records of
 * all versions, without their bytes, finds their buckets and keys.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { limits } from '../lib/limits.ts'
import { decodeVersion } from './codec.ts'
import { CorruptRecordError } from './fields.ts'
import { keyAfter, listRefKey, rangeOf, tablePrefix } from './keys.ts'
import type { Entry, KeyValue } from './kv/contract.ts'
import { beginOwnerSearch, endOwnerSearch, isQuarantined, ownersOf, putOwner } from './quarantine.ts'
import type { VersionRecord } from './records.ts'

/** Does nothing while all owners are known; broken off by the signal, the next call begins anew. */
export async function findOwners(kv: KeyValue, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await beginOwnerSearch(kv))) {
    if (!(await walkVersions(kv, signal))) return
    if (await endOwnerSearch(kv)) return
  }
}

/** False: by the signal. */
async function walkVersions(kv: KeyValue, signal: AbortSignal): Promise<boolean> {
  const { from, to } = rangeOf(tablePrefix('version'))
  let next = from
  for (;;) {
    if (signal.aborted) return false
    const page = await kv.range({ from: next, to, limit: limits.quarantineListMax })
    await writeOwners(kv, page)
    const last = page.at(-1)
    if (last === undefined || page.length < limits.quarantineListMax) return true
    next = keyAfter(last.key)
    await nextTurn()
  }
}

async function writeOwners(kv: KeyValue, page: readonly Entry[]): Promise<void> {
  const versions = page.flatMap(readable)
  const found = await ownersOf(kv, versions)
  for (let start = 0; start < found.length; start += limits.quarantineOwnersPerTransactionMax)
    await putOwners(kv, found.slice(start, start + limits.quarantineOwnersPerTransactionMax))
}

async function putOwners(kv: KeyValue, owners: readonly VersionRecord[]): Promise<void> {
  await kv.transact(async (transaction) => {
    for (const version of owners) {
      const listId = version.object?.content.listId ?? ''
      // Removed meanwhile, or whole again.
      if ((await transaction.get(listRefKey(listId, version.versionId))) === null) continue
      if (await isQuarantined(transaction, listId)) await putOwner(transaction, listId, version)
    }
  })
}

/** One that cannot be read is the scrub's to tell. */
function readable({ key, value }: Entry): readonly VersionRecord[] {
  try {
    const version = decodeVersion(key, value)
    return version.object === null ? [] : [version]
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    return []
  }
}
