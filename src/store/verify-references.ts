/**
 * Lists, bodies and files against those who have them: none is there that nobody has. Compared in batches: a batch of
 * ids is kept in memory, and all owners are walked once for it.
 */
import { limits } from '../lib/limits.ts'
import { ownedBodies } from './body-owners.ts'
import { decodeVersion } from './codec.ts'
import {
  garbageKey,
  listRefPrefix,
  parseFileKey,
  parseGarbageKey,
  parseListKey,
  parseListRefKey,
  parsePartKey,
  parseUploadKey,
  rangeOf,
  type Table,
  tablePrefix,
} from './keys.ts'
import type { Entry, KeyValueReader } from './kv/contract.ts'
import { readListChunk } from './list-rows.ts'
import { walk } from './stats.ts'
import { problemOf } from './verify-content.ts'
import type { Verification } from './verify-finding.ts'

export async function verifyReferences(verification: Verification): Promise<void> {
  const { reader, bodies, report } = verification
  await verifyLists(verification)
  const references = ids(reader, 'listRef', ({ key }) => {
    const { listId, versionId } = parseListRefKey(key)
    return [`${listId} ${versionId}`]
  })
  for await (const pair of strays(references, () => referencesOfVersions(reader))) {
    const [listId, versionId] = pair.split(' ')
    report({
      versionId: versionId ?? null,
      problem: `a reference to list ${listId} that the version does not have`,
    })
  }
  const parts = ids(reader, 'part', ({ key }) => [parsePartKey(key).uploadId])
  for await (const uploadId of strays(parts, () => uploadsOf(reader))) {
    report({ problem: `upload ${uploadId} has parts but is not there` })
  }
  const rows = ids(reader, 'file', ({ key }) => [parseFileKey(key).bodyId])
  for await (const bodyId of strays(rows, () => ownedBodies(reader, toldElsewhere))) {
    report({ problem: `body ${bodyId} has checksums but belongs to nothing` })
  }
  await verifyFiles(verification)
  for await (const file of bodies.files()) {
    if (file.kind === 'foreign') report({ problem: `${file.path} is not a file of ours` })
  }
}

/** Damaged rows are findings of the walks over versions and garbage. */
const toldElsewhere = (): void => {}

/** Every list is had by a version, or waits to be removed and says which bodies go with it. */
async function verifyLists({ reader, report }: Verification): Promise<void> {
  const chunks = ids(reader, 'list', ({ key }) => [parseListKey(key)])
  for await (const { listId, chunkIndex } of chunks) {
    const [reference] = await reader.range({ ...rangeOf(listRefPrefix(listId)), limit: 1 })
    if (reference !== undefined) continue
    if ((await reader.get(garbageKey(listId))) === null) {
      report({ problem: `chunk ${chunkIndex} of list ${listId} belongs to no version` })
      continue
    }
    const problem = await problemOf(async () => {
      await readListChunk(reader, listId, chunkIndex)
    })
    if (problem !== null)
      report({ problem: `chunk ${chunkIndex} of list ${listId}, to be removed: ${problem}` })
  }
}

/** What a server that was killed left in its stage is not lost: the next start resolves it. */
async function verifyFiles({ reader, bodies, report }: Verification): Promise<void> {
  const traces = new Set<string>()
  for await (const bodyId of bodies.traces()) traces.add(bodyId)
  async function* files(): AsyncGenerator<string> {
    for await (const file of bodies.files()) {
      if (file.kind === 'body' && !traces.has(file.bodyId)) yield file.bodyId
    }
  }
  for await (const bodyId of strays(files(), () => ownedBodies(reader, toldElsewhere))) {
    report({ problem: `the file of body ${bodyId} belongs to nothing` })
  }
}

/** Those of `candidates` that `owners` does not name. */
export async function* strays(
  candidates: AsyncIterable<string>,
  owners: () => AsyncIterable<string>,
): AsyncGenerator<string> {
  let batch = new Set<string>()
  for await (const candidate of candidates) {
    batch.add(candidate)
    if (batch.size < limits.verifyNamesMax) continue
    yield* await unnamed(batch, owners())
    batch = new Set()
  }
  if (batch.size > 0) yield* await unnamed(batch, owners())
}

async function unnamed(batch: Set<string>, owners: AsyncIterable<string>): Promise<ReadonlySet<string>> {
  for await (const name of owners) {
    batch.delete(name)
    if (batch.size === 0) break
  }
  return batch
}

/** Ids that the rows of a table name; rows that cannot be read are told elsewhere. */
async function* ids<Id>(
  reader: KeyValueReader,
  table: Table,
  read: (entry: Entry) => readonly Id[],
): AsyncGenerator<Id> {
  for await (const entry of walk(reader, tablePrefix(table))) {
    const found: Id[] = []
    await problemOf(async () => {
      found.push(...read(entry))
    })
    yield* found
  }
}

function referencesOfVersions(reader: KeyValueReader): AsyncGenerator<string> {
  return ids(reader, 'version', ({ key, value }) => {
    const { object, versionId } = decodeVersion(key, value)
    return object === null ? [] : [`${object.content.listId} ${versionId}`]
  })
}

async function* uploadsOf(reader: KeyValueReader): AsyncGenerator<string> {
  yield* ids(reader, 'upload', ({ key }) => [parseUploadKey(key).uploadId])
  yield* ids(reader, 'garbage', ({ key }) => [parseGarbageKey(key)])
}
