/** Who has which body: one walk over versions and parts, for those who copy bodies and those who look for bodies that nobody has. */
import { decodePart, decodeVersion } from './codec.ts'
import { CorruptRecordError } from './fields.ts'
import { garbageCodec } from './garbage-rows.ts'
import { parseGarbageKey, parsePartKey, tablePrefix } from './keys.ts'
import type { KeyValueReader } from './kv/contract.ts'
import { type FileBody, listChunkCount, readListChunk } from './list-rows.ts'
import type { VersionRecord } from './records.ts'
import { walk } from './stats.ts'
import { unlessDamaged } from './verify-content.ts'

export type OwnedBody = Pick<FileBody, 'bodyId' | 'sizeBytes' | 'sha256'>

export type Owned =
  /** Before the bodies of its files, if it has any. */
  | { readonly kind: 'version'; readonly version: VersionRecord }
  | { readonly kind: 'body'; readonly body: OwnedBody }
  /** Of an upload that runs, or is over. */
  | { readonly kind: 'part'; readonly uploadId: string; readonly body: OwnedBody }
  /** A row that cannot be read, or is missing: what it names is not known. */
  | { readonly kind: 'damaged'; readonly problem: string }

/** Bodies that are shared come again. Errors: those of the store, but not damage. */
export async function* walkOwners(reader: KeyValueReader): AsyncGenerator<Owned> {
  for await (const row of walk(reader, tablePrefix('version'))) {
    const version = await unlessDamaged(() => decodeVersion(row.key, row.value))
    if (version.kind === 'damaged') {
      yield version
      continue
    }
    yield { kind: 'version', version: version.value }
    const content = version.value.object?.content
    if (content?.storage === 'files') yield* bodiesOf(reader, content)
  }
  for await (const { key, value } of walk(reader, tablePrefix('part'))) {
    const part = await unlessDamaged(() => {
      const { partNumber, uploadId } = parsePartKey(key)
      // Part 0 counts the changes of the others.
      return partNumber === 0 ? null : { kind: 'part' as const, uploadId, body: decodePart(key, value) }
    })
    if (part.kind === 'damaged') yield part
    else if (part.value !== null) yield part.value
  }
}

/**
 * Ids of the bodies of versions, of parts, and of what waits to be removed; some more than once. What a damaged row names is not
 * among them: `onDamage` is told, and may throw.
 */
export async function* ownedBodies(
  reader: KeyValueReader,
  onDamage: (problem: string) => void,
): AsyncGenerator<string> {
  for await (const owned of walkOwners(reader)) {
    if (owned.kind === 'damaged') onDamage(owned.problem)
    else if (owned.kind !== 'version') yield owned.body.bodyId
  }
  yield* garbageBodies(reader, onDamage)
}

async function* garbageBodies(
  reader: KeyValueReader,
  onDamage: (problem: string) => void,
): AsyncGenerator<string> {
  for await (const row of walk(reader, tablePrefix('garbage'))) {
    const garbage = await unlessDamaged(() => ({
      id: parseGarbageKey(row.key),
      row: garbageCodec.decode(row.key, row.value),
    }))
    if (garbage.kind === 'damaged') {
      onDamage(garbage.problem)
      continue
    }
    const { id, row: waiting } = garbage.value
    if (waiting.kind === 'body') yield id
    if (waiting.kind !== 'list') continue
    // A chunk that is gone was done, and its bodies with it.
    for await (const owned of bodiesOf(reader, { listId: id, bodyCount: waiting.bodyCount }))
      if (owned.kind === 'body') yield owned.body.bodyId
  }
}

type ListName = { readonly listId: string; readonly bodyCount: number }

async function* bodiesOf(
  reader: KeyValueReader,
  { listId, bodyCount }: ListName,
): AsyncGenerator<Extract<Owned, { readonly kind: 'body' | 'damaged' }>> {
  for (let index = 0; index < listChunkCount(bodyCount); index += 1) {
    const chunk = await unlessDamaged(async () => {
      const found = await readListChunk(reader, listId, index)
      if (found === null) throw new CorruptRecordError(`chunk ${index} of list ${listId} is missing`)
      return found
    })
    if (chunk.kind === 'damaged') yield chunk
    else for (const body of chunk.value.bodies) yield { kind: 'body', body }
  }
}
