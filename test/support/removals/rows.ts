/** A volume's rows in memory, so that commits can be followed one after the other. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { equalBytes } from '../../../src/lib/bytes.ts'
import { type Table, tablePrefix } from '../../../src/store/keys.ts'
import type { Entry, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { walk } from '../../../src/store/stats.ts'
import { readVolume } from '../crash/volume-state.ts'
import { type Commit, journaledPrefixes, parseJournal } from './journal.ts'

/** Values by the text of their keys. */
export type Rows = Map<string, Uint8Array>

/** A character a byte: order and identity are those of the bytes. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1')
}

/** What the journal is about, while no server runs; nothing is there before the first start. */
export async function readRows(dataDirectory: string): Promise<Rows> {
  const rows: Rows = new Map()
  if (!existsSync(join(dataDirectory, 'kv', 'data.mdb'))) return rows
  await readVolume(dataDirectory, async (reader) => {
    for (const prefix of journaledPrefixes)
      for await (const { key, value } of walk(reader, prefix)) rows.set(keyText(key), value)
  })
  return rows
}

export function entriesOf(rows: Rows, table: Table): readonly Entry[] {
  const tag = keyText(tablePrefix(table))
  return [...rows].flatMap(([key, value]) =>
    key.startsWith(tag) ? [{ key: new Uint8Array(Buffer.from(key, 'latin1')), value }] : [],
  )
}

/** For the store's own readers of single rows. */
export function readerOf(rows: Rows): KeyValueReader {
  const get = async (key: Uint8Array) => rows.get(keyText(key)) ?? null
  return {
    get,
    getMany: (keys) => Promise.all(keys.map(get)),
    range: () => Promise.reject(new Error('followed rows are read by their keys')),
  }
}

/**
 * The commits of a server that has ended. One that it did not live to see durable counts if its rows are in `after`, the
 * volume as it is now.
 */
export function readCommits(journalPath: string, after: Rows): readonly Commit[] {
  if (!existsSync(journalPath)) return []
  const lines = parseJournal(readFileSync(journalPath, 'utf8'))
  const counted = lines.filter(({ commit, isDurable }, index) => {
    if (isDurable) return true
    const later = lines.slice(index + 1).flatMap((line) => line.commit.changes)
    return isInVolume(commit, new Set(later.map(({ key }) => keyText(key))), after)
  })
  return counted.map(({ commit }) => commit)
}

/** By the rows that nothing later touched: a commit is there whole or not at all. */
function isInVolume({ changes }: Commit, later: ReadonlySet<string>, after: Rows): boolean {
  const last = [...new Map(changes.map(({ key, value }) => [keyText(key), value]))]
  const telling = last.filter(([key]) => !later.has(key))
  return telling.length > 0 && telling.every(([key, value]) => isSame(value, after.get(key) ?? null))
}

function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b)
}
