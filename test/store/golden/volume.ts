/** The golden volumes: an archive and what is in it, for each format that was ever released. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import { clientVersionId } from '../../../src/store/version-id.ts'

export function archiveOf(format: number): { readonly archive: string; readonly contents: string } {
  const name = join(import.meta.dirname, `format-${format}`)
  return { archive: `${name}.tar.gz`, contents: `${name}.json` }
}

/** All that clients can see, and the head of the audit log. Plain JSON. */
export async function describeVolume(store: Store) {
  const buckets = await store.buckets.list({ accountId: null, after: null, limit: 100 })
  const described = []
  for (const bucket of buckets) {
    const facts = await store.buckets.facts(bucket.name)
    const { createdTrustedMs: _unseen, ...seen } = bucket
    described.push({ bucket: seen, stat: facts?.stat, versions: await describeVersions(store, bucket.name) })
  }
  return { volumeId: store.volume.volumeId, head: await store.audit.head(), buckets: described }
}

async function describeVersions(store: Store, bucket: string) {
  const page = { prefix: '', delimiter: '', maxKeys: 1000, keyMarker: null, versionIdMarker: null }
  const listed = await store.versions.listVersions({ bucket, ...page })
  if (listed.kind !== 'page') throw new Error(listed.kind)
  const described = []
  for (const { version, isLatest } of listed.versions) {
    const address = { bucket, key: version.key, versionId: clientVersionId(version) }
    const found = await store.versions.read(address)
    if (found.kind !== 'found') throw new Error(found.kind)
    const { bucketRevision: _unseen, ...seen } = found.version
    described.push({ version: seen, isLatest, sha256: await sha256Of(store, found.version) })
  }
  return described
}

/** null: a delete marker. */
async function sha256Of(store: Store, version: VersionRecord): Promise<string | null> {
  if (version.object === null) return null
  const hash = createHash('sha256')
  for await (const chunk of store.versions.openBody(version, null)) hash.update(chunk)
  return hash.digest('hex')
}
