/** What a stopped server's volume says of the bytes that may go: its audit chain, its versions, its garbage. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { shardOf } from '../../../src/store/bodies/body-id.ts'
import { decodePart, decodeVersion } from '../../../src/store/codec.ts'
import { garbageCodec, hasPart } from '../../../src/store/garbage-rows.ts'
import { parseFileKey, parseGarbageKey, parsePartKey, parseVersionKey } from '../../../src/store/keys.ts'
import type { KeyValueReader } from '../../../src/store/kv/contract.ts'
import { listChunkCount, readListChunk } from '../../../src/store/list-rows.ts'
import { type AuditRecord, readAudit, readVolume, rowsOf } from '../crash/volume-state.ts'

/** What is waiting to be unlinked, and what an audit record must say for it. */
export type Waste =
  /** The bytes of a version that went; SHA-256 in hex where it is one body. */
  | { readonly kind: 'version'; readonly sizeBytes: number; readonly sha256: string | null }
  | { readonly kind: 'upload'; readonly uploadId: string }
  /** A part that another took the place of: never anybody's object. */
  | { readonly kind: 'replacedPart' }

export type VolumeFacts = {
  readonly records: readonly AuditRecord[]
  /** Body ids by what they are waste of. */
  readonly waste: ReadonlyMap<string, Waste>
  /** Bodies that a part or a list says it holds. */
  readonly held: ReadonlySet<string>
  /** Ids of the versions that are there. */
  readonly versions: ReadonlySet<string>
  /** Sentences about versions whose bytes are not what was written. */
  readonly faults: readonly string[]
}

export const noFacts: VolumeFacts = {
  records: [],
  waste: new Map(),
  held: new Set(),
  versions: new Set(),
  faults: [],
}

/** While no server runs; nothing is there before the first start. Errors: rows that cannot be read. */
export async function readFacts(dataDirectory: string): Promise<VolumeFacts> {
  if (!existsSync(join(dataDirectory, 'kv', 'data.mdb'))) return noFacts
  return readVolume(dataDirectory, async (reader) => {
    const records = await readAudit(reader)
    return {
      records,
      waste: await wasteOf(reader),
      held: new Set((await rowsOf(reader, 'file')).map(({ key }) => parseFileKey(key).bodyId)),
      versions: new Set((await rowsOf(reader, 'version')).map(({ key }) => parseVersionKey(key).versionId)),
      faults: await wrongBytes(reader, dataDirectory),
    }
  })
}

async function wasteOf(reader: KeyValueReader): Promise<ReadonlyMap<string, Waste>> {
  // Row 0 of an upload counts its changes.
  const rows = (await rowsOf(reader, 'part')).filter(({ key }) => parsePartKey(key).partNumber > 0)
  const parts = rows.map(({ key, value }) => ({
    uploadId: parsePartKey(key).uploadId,
    ...decodePart(key, value),
  }))
  const waste = new Map<string, Waste>()
  for (const { key, value } of await rowsOf(reader, 'garbage')) {
    const id = parseGarbageKey(key)
    const row = garbageCodec.decode(key, value)
    if (row.kind === 'body') waste.set(id, { kind: 'replacedPart' })
    if (row.kind === 'list') {
      const bodies = await bodiesOf(reader, id, row.bodyCount)
      const sizeBytes = bodies.reduce((sum, body) => sum + body.sizeBytes, 0)
      const sha256 = bodies.length === 1 ? (bodies[0]?.sha256 ?? null) : null
      for (const { bodyId } of bodies) waste.set(bodyId, { kind: 'version', sizeBytes, sha256 })
    }
    if (row.kind === 'upload') {
      const own = parts.filter((part) => part.uploadId === id && !hasPart(row.keptParts, part.partNumber))
      for (const { bodyId } of own) waste.set(bodyId, { kind: 'upload', uploadId: id })
    }
  }
  return waste
}

async function bodiesOf(reader: KeyValueReader, listId: string, bodyCount: number) {
  const chunks = []
  for (let index = 0; index < listChunkCount(bodyCount); index += 1)
    chunks.push(await readListChunk(reader, listId, index))
  return chunks.flatMap((chunk) => chunk?.bodies ?? [])
}

/** Every file of every version that is there has the bytes that were written. */
async function wrongBytes(reader: KeyValueReader, dataDirectory: string): Promise<readonly string[]> {
  const faults: string[] = []
  for (const { key, value } of await rowsOf(reader, 'version')) {
    const { object, versionId } = decodeVersion(key, value)
    if (object === null || object.content.storage === 'inline') continue
    const { listId, bodyCount } = object.content
    for (const { bodyId, sha256 } of await bodiesOf(reader, listId, bodyCount)) {
      const found = await sha256Of(join(dataDirectory, 'bodies', ...shardOf(bodyId), bodyId))
      if (found !== sha256) faults.push(`version ${versionId}: body ${bodyId} is ${found ?? 'gone'}`)
    }
  }
  return faults
}

async function sha256Of(path: string): Promise<string | null> {
  if (!existsSync(path)) return null
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
