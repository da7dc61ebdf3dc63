/** The interface Versions, put together from its parts. */

import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { Bodies } from './bodies/contract.ts'
import { changeVersion } from './change-version.ts'
import { openContent, readParts } from './content.ts'
import type { StoreContext } from './decision.ts'
import { deleteVersion, deleteVersions } from './delete-version.ts'
import { listCurrent, listVersions } from './listings.ts'
import { damageMeeter } from './met-damage.ts'
import { putVersion } from './put-version.ts'
import type { ObjectData, VersionRecord } from './records.ts'
import type { ReadVersionResult, VersionAddress } from './requests.ts'
import { BucketPlaces } from './scenes.ts'
import type { Versions } from './store.ts'
import { findVersion, readBucket } from './version-rows.ts'

export function createVersions(parts: StoreContext & { readonly bodies: Bodies }): Versions {
  const context = { ...parts, places: new BucketPlaces() }
  const { kv, bodies } = context
  const meet = damageMeeter(context)
  return {
    put: (actor, input) => putVersion(context, actor, input),
    read: (address) => readVersion(context, address),
    delete: (actor, input) => deleteVersion(context, actor, input),
    deleteMany: (actor, inputs) => deleteVersions(context, actor, inputs),
    putRetention: (actor, { next, bypassGovernance, ...address }) =>
      changeVersion(context, actor, address, { kind: 'PutObjectRetention', next, bypassGovernance }),
    putLegalHold: (actor, { next, ...address }) =>
      changeVersion(context, actor, address, { kind: 'PutObjectLegalHold', next }),
    putTags: (actor, { tags, ...address }) =>
      changeVersion(context, actor, address, { kind: 'PutObjectTagging', tags }),
    listCurrent: (input) => listCurrent(kv, input),
    listVersions: (input) => listVersions(kv, input),
    openBody: (version, range) => {
      const { content } = objectOf(version)
      const source = { reader: kv, bodies }
      const again = (atByte: number) => {
        const endByte = Math.min(range?.endByte ?? Number.MAX_SAFE_INTEGER, atByte + limits.bodyReadBytes)
        return openContent({ ...source, met: null }, content, { startByte: atByte, endByte })
      }
      const met = (error: unknown, atByte: number) => meet({ version, error, again: () => again(atByte) })
      return openContent({ ...source, met }, content, range)
    },
    parts: (version, afterIndex, limit) =>
      readParts(kv, objectOf(version).content, { afterCount: afterIndex, limit }),
    stage: (body, sizeBytesMax) => bodies.stage(body, { bytesMax: sizeBytesMax }),
    discard: (body) => bodies.discard(body),
  }
}

/** The current version may be a delete marker: found, with `object: null`. Throws CorruptRecordError. */
function readVersion(context: StoreContext, address: VersionAddress): Promise<ReadVersionResult> {
  return context.kv.snapshot(async (reader) => {
    const bucket = await readBucket(reader, address.bucket)
    if (bucket === null) return { kind: 'noSuchBucket' }
    const found = await findVersion(reader, bucket.id, address)
    if (found.kind !== 'found') return found
    return { kind: 'found', version: found.version, bucket, isCurrent: found.isCurrent }
  })
}

function objectOf(version: VersionRecord): ObjectData {
  assert(version.object !== null, 'a delete marker has no body')
  return version.object
}
