/** What a stopped server's volume says of itself: its audit chain, its versions and their bytes. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { shardOf } from '../../../src/store/bodies/body-id.ts'
import { decodeVersion } from '../../../src/store/codec.ts'
import { parseVersionKey } from '../../../src/store/keys.ts'
import type { Entry, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { type FileBody, listChunkCount, readListChunk } from '../../../src/store/list-rows.ts'
import { type AuditRecord, readAudit, readVolume, rowsOf } from '../crash/volume-state.ts'

export type VolumeFacts = {
  readonly records: readonly AuditRecord[]
  /** Ids of the versions that are there. */
  readonly versions: ReadonlySet<string>
  /** Sentences about versions whose bytes are not what was written. */
  readonly faults: readonly string[]
}

export const noFacts: VolumeFacts = { records: [], versions: new Set(), faults: [] }

/** While no server runs; nothing is there before the first start. Errors: rows that cannot be read. */
export async function readFacts(dataDirectory: string): Promise<VolumeFacts> {
  if (!existsSync(join(dataDirectory, 'kv', 'data.mdb'))) return noFacts
  return readVolume(dataDirectory, async (reader) => {
    const versions = await rowsOf(reader, 'version')
    return {
      records: await readAudit(reader),
      versions: new Set(versions.map(({ key }) => parseVersionKey(key).versionId)),
      faults: await wrongBytes(reader, dataDirectory, versions),
    }
  })
}

/** Every file of every version that is there has the bytes that were written. */
async function wrongBytes(
  reader: KeyValueReader,
  dataDirectory: string,
  versions: readonly Entry[],
): Promise<readonly string[]> {
  const faults: string[] = []
  for (const { key, value } of versions) {
    const { object, versionId } = decodeVersion(key, value)
    if (object === null || object.content.storage === 'inline') continue
    for (const { bodyId, sha256 } of await listedBodies(reader, object.content)) {
      const found = await sha256Of(join(dataDirectory, 'bodies', ...shardOf(bodyId), bodyId))
      if (found !== sha256) faults.push(`version ${versionId}: body ${bodyId} is ${found ?? 'gone'}`)
    }
  }
  return faults
}

/** Of a list, in order. */
export async function listedBodies(
  reader: KeyValueReader,
  { listId, bodyCount }: { readonly listId: string; readonly bodyCount: number },
): Promise<readonly FileBody[]> {
  const bodies: FileBody[] = []
  for (let index = 0; index < listChunkCount(bodyCount); index += 1)
    bodies.push(...((await readListChunk(reader, listId, index))?.bodies ?? []))
  return bodies
}

async function sha256Of(path: string): Promise<string | null> {
  if (!existsSync(path)) return null
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
