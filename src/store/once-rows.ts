/**
 * Rows that a volume has once, and small tables whose every row counts: what nothing else makes good when they are damaged. A server says
 * at its start which are, a backup and a restore a line each.
 */
import { accountCountKey, readAccountCount } from './accounts.ts'
import { type ChainBreak, chainBreaks, readableHead } from './audit-chain.ts'
import { hex } from './hex.ts'
import { parseMetaKey, type Table, tablePrefix } from './keys.ts'
import type { KeyValueReader } from './kv/contract.ts'
import { leadershipKey, readLeadership } from './leadership.ts'
import { walk } from './stats.ts'
import { clockKey, readClock } from './trusted-clock.ts'
import { problemOf } from './verify-content.ts'
import { rowChecks } from './verify-rows.ts'
import { epochKey, readServerEpoch } from './volume.ts'

type OnceRow = {
  readonly row: Uint8Array
  readonly name: string
  readonly read: (reader: KeyValueReader) => Promise<unknown>
}

const onceRows: readonly OnceRow[] = [
  { row: clockKey, name: 'the trusted time', read: readClock },
  { row: epochKey, name: 'the epoch of the last server', read: readServerEpoch },
  { row: leadershipKey, name: 'the epoch of the operator', read: readLeadership },
  { row: accountCountKey, name: 'the count of accounts', read: readAccountCount },
]
const smallTables: readonly Table[] = ['bucket', 'document']

/** A few reads: what a start looks at. Errors: what is no damage, e.g. StoreFailedError. */
export async function onceProblems(reader: KeyValueReader): Promise<readonly string[]> {
  const problems = await rowProblems(reader)
  const head = await readableHead(reader)
  if (head === null) return [...problems, unreadableHead]
  const last = chainBreaks(reader, { fromSequence: Math.max(1, head.sequence), to: 'head' })
  for await (const found of last) problems.push(sentenceOf(found))
  return problems
}

/** What a copy looks at: the same rows, and every row of small tables; of the audit chain `chainProblems` tells. */
export async function* copiedRowProblems(reader: KeyValueReader): AsyncGenerator<string> {
  yield* await rowProblems(reader)
  const told = new Set(onceRows.map(({ row }) => hex(row)))
  for (const table of ['meta', ...smallTables] as const) {
    for await (const { key, value } of walk(reader, tablePrefix(table))) {
      if (told.has(hex(key))) continue
      const problem = await problemOf(async () => rowChecks[table](key, value))
      if (problem !== null) yield `${await nameOf(table, key)}: ${problem}`
    }
  }
}

/** The whole audit chain, recomputed. `found` is null where not even its head can be read. */
export async function* chainProblems(
  reader: KeyValueReader,
): AsyncGenerator<{ readonly sentence: string; readonly found: ChainBreak | null }> {
  if ((await readableHead(reader)) === null) {
    yield { sentence: unreadableHead, found: null }
    return
  }
  for await (const found of chainBreaks(reader, { fromSequence: 1, to: 'head' }))
    yield { sentence: sentenceOf(found), found }
}

const unreadableHead = 'the head of the audit log cannot be read'

function sentenceOf({ sequence, cause }: ChainBreak): string {
  return `the audit chain is broken at record ${sequence}: ${cause}`
}

async function rowProblems(reader: KeyValueReader): Promise<string[]> {
  const problems: string[] = []
  for (const { name, read } of onceRows) {
    const problem = await problemOf(async () => {
      await read(reader)
    })
    if (problem !== null) problems.push(`${name} cannot be read: ${problem}`)
  }
  return problems
}

async function nameOf(table: Table, row: Uint8Array): Promise<string> {
  let name = hex(row)
  if (table === 'meta') {
    await problemOf(async () => {
      name = parseMetaKey(row).join(' ')
    })
  }
  return `row ${name} of the table ${table}`
}
