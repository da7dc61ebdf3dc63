import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { decodePart } from '../../../src/store/codec.ts'
import {
  parseFileKey,
  parseGarbageKey,
  parseListRefKey,
  rangeOf,
  type Table,
  tablePrefix,
} from '../../../src/store/keys.ts'
import type { Entry, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { readListChunk } from '../../../src/store/list-rows.ts'

export async function tableRows(reader: KeyValueReader, table: Table): Promise<readonly Entry[]> {
  return reader.range({ ...rangeOf(tablePrefix(table)), limit: 100_000 })
}

/** Ids of all files under `bodies/`. */
export async function bodyFiles(directory: string): Promise<readonly string[]> {
  const entries = await readdir(join(directory, 'bodies'), { recursive: true, withFileTypes: true })
  return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort()
}

/** Ids that a file row says are held. */
export async function heldBodies(reader: KeyValueReader): Promise<readonly string[]> {
  const rows = await tableRows(reader, 'file')
  return [...new Set(rows.map(({ key }) => parseFileKey(key).bodyId))].sort()
}

/** Bodies that a list with a reference, or a part, names: each must be on the volume, whatever happened. */
export async function neededBodies(reader: KeyValueReader): Promise<readonly string[]> {
  const references = await tableRows(reader, 'listRef')
  const lists = new Set(references.map(({ key }) => parseListRefKey(key).listId))
  const needed: string[] = []
  for (const listId of lists) {
    for (let index = 0; ; index += 1) {
      const chunk = await readFileChunk(reader, listId, index)
      if (chunk === null) break
      needed.push(...chunk.bodies.map(({ bodyId }) => bodyId))
    }
  }
  return needed.sort()
}

/** null also for an inline list: it names no file. */
async function readFileChunk(reader: KeyValueReader, listId: string, index: number) {
  try {
    return await readListChunk(reader, listId, index)
  } catch {
    return null
  }
}

/** What must hold after every crash, before anything is cleaned up. */
export async function expectNothingLost(reader: KeyValueReader, directory: string): Promise<void> {
  const files = await bodyFiles(directory)
  expect(files).toEqual(expect.arrayContaining([...(await neededBodies(reader))]))
}

/** What must hold when all garbage is collected and no upload is open: files and rows name each other exactly. */
export async function expectClean(reader: KeyValueReader, directory: string): Promise<void> {
  const needed = await neededBodies(reader)
  expect(await bodyFiles(directory)).toEqual(needed)
  expect(await heldBodies(reader)).toEqual(needed)
  expect((await tableRows(reader, 'garbage')).map(({ key }) => parseGarbageKey(key))).toEqual([])
  const parts = (await tableRows(reader, 'part')).map(({ key, value }) => decodePart(key, value))
  expect(parts).toEqual([])
}
