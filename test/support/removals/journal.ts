/**
 * A file with what a watched server's engine committed, in order: the rows that say which bytes may go, and the audit chain.
 * The server writes it, so nothing of the tests' is imported here.
 */
import { type Table, tablePrefix } from '../../../src/store/keys.ts'
import { logKeyTag } from '../../../src/store/kv/chain.ts'

/** `value` null: the row goes. */
export type Change = { readonly key: Uint8Array; readonly value: Uint8Array | null }

/** What one write transaction of the engine changed; it may hold several of the store's. */
export type Commit = {
  readonly id: string
  /** Before it could be seen; milliseconds on the clock of system calls. */
  readonly atMs: number
  readonly changes: readonly Change[]
}

/** In the environment of the server: the file. */
export const journalVariable = 'HOLDFAST_TEST_JOURNAL'

const tables: readonly Table[] = ['file', 'garbage', 'list', 'part', 'version']

/** The first bytes of the keys that matter. */
export const journaledPrefixes: readonly Uint8Array[] = [
  Uint8Array.of(logKeyTag),
  ...tables.map((table) => tablePrefix(table)),
]
const journaledTags = new Set(journaledPrefixes.map(([tag]) => tag))

type Line =
  | {
      readonly id: string
      readonly atMs: number
      readonly changes: readonly (readonly [key: string, value: string | null])[]
    }
  | { readonly durable: string }

export function isJournaled(key: Uint8Array): boolean {
  return journaledTags.has(key[0])
}

export function lineOf({ id, atMs, changes }: Commit): string {
  const pairs = changes.map(({ key, value }) => [base64(key), value === null ? null : base64(value)] as const)
  return textOf({ id, atMs, changes: pairs })
}

/** To follow when the commit of this id is seen to be durable. */
export function durableLine(id: string): string {
  return textOf({ durable: id })
}

export function parseJournal(text: string): readonly { commit: Commit; isDurable: boolean }[] {
  const lines = text.split('\n').filter((line) => line !== '')
  const parsed = lines.map((line) => JSON.parse(line) as Line)
  const durable = new Set(parsed.flatMap((line) => ('durable' in line ? [line.durable] : [])))
  const commits = parsed.flatMap((line) => ('durable' in line ? [] : [commitOf(line)]))
  return commits.map((commit) => ({ commit, isDurable: durable.has(commit.id) }))
}

function commitOf({ id, atMs, changes }: Exclude<Line, { durable: string }>): Commit {
  const pairs = changes.map(([key, value]) => ({
    key: bytesOf(key),
    value: value === null ? null : bytesOf(value),
  }))
  return { id, atMs, changes: pairs }
}

function textOf(line: Line): string {
  return `${JSON.stringify(line)}\n`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}
