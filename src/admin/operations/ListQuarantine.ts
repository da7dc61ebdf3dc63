import { formatIso } from '../../lib/units.ts'
import type { Store } from '../../store/store.ts'
import type { AdminOperation } from '../operation.ts'

const bucketsPerPage = 100

/** The versions whose bytes were found damaged: their reads are refused, nothing of them is removed. */
export const ListQuarantine: AdminOperation = {
  name: 'ListQuarantine',
  method: 'GET',
  path: '/v1/quarantine',
  principals: ['root', 'operator'],
  handle: async ({ store }) => {
    const { quarantinedCount, quarantined } = await store.scrub.report()
    const names = await bucketNames(store, new Set(quarantined.map(({ bucketId }) => bucketId)))
    const versions = quarantined.map(({ bucketId, key, versionId, foundMs, problem }) => ({
      ...{ bucket: names.get(bucketId) ?? null, bucketId, key, versionId },
      ...{ found: formatIso(foundMs), problem },
    }))
    return { status: 200, document: { listCount: quarantinedCount, versions } }
  },
}

/** By id; a bucket that cannot be read has none. */
async function bucketNames(store: Store, wanted: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  for (let after: string | null = null; names.size < wanted.size; ) {
    const page = await store.buckets.list({ accountId: null, after, limit: bucketsPerPage })
    for (const { id, name } of page) if (wanted.has(id)) names.set(id, name)
    const last = page.at(-1)
    if (last === undefined || page.length < bucketsPerPage) return names
    after = last.name
  }
  return names
}
