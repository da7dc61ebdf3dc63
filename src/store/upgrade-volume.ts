/**
 * Brings the rows of an older volume into the form of this release before anything is served: a bounded batch and a mark of how
 * far it came in each transaction, so that it goes on after a kill at any commit. From the first one on the volume's
 * format lies between two (1.5), which every older release refuses; the whole number comes with the last.
 */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { CorruptRecordError, count, nullable, oneOf, shape, text } from './fields.ts'
import { type FormatStep, newestFormat } from './format-steps.ts'
import { keyAfter, metaKey, rangeOf, type Table, tablePrefix, tables } from './keys.ts'
import type { KeyValue, KeyValueTransaction } from './kv/contract.ts'
import { rowCodec } from './row-codec.ts'
import { readVolume, writeFormat } from './volume.ts'

export type UpgradeOptions = {
  readonly steps: readonly FormatStep[]
  readonly log: Log
  /** Left out: limits.upgradeRowsPerTransactionMax. */
  readonly rowsPerTransaction?: number
}

/** How far a step came. */
type Progress = {
  readonly table: Table
  /** The last row of it that is done, in hex; null: none. */
  readonly after: string | null
  readonly rowCount: number
  readonly changedCount: number
  /** Rows that cannot be read, and stay as they are. */
  readonly unreadableCount: number
}

const progressKey = metaKey('format-upgrade')
const progressCodec = rowCodec<Progress>(
  'format-upgrade',
  shape({
    table: oneOf(...tables),
    after: nullable(text),
    rowCount: count,
    changedCount: count,
    unreadableCount: count,
  }),
)
const batchesPerLine = 100

/**
 * The caller owns the volume, and no worker runs. Resolves to the format that the volume has then. Errors: those of `transact`;
 * CorruptRecordError where the mark of an unfinished step is damaged.
 */
export async function upgradeVolume(kv: KeyValue, options: UpgradeOptions): Promise<number> {
  const newest = newestFormat(options.steps)
  for (let batch = 0; (await readVolume(kv, options.steps)).format !== newest; batch += 1) {
    const { to, isLast, progress } = await kv.transact((transaction) => upgradeBatch(transaction, options))
    const { after: _after, ...counts } = progress
    if (isLast) options.log.info({ format: to, ...counts }, 'the volume has a newer format')
    else if (batch % batchesPerLine === 0)
      options.log.info({ format: to, ...counts }, 'the volume is brought to a newer format')
  }
  return newest
}

type Batch = { readonly to: number; readonly isLast: boolean; readonly progress: Progress }

async function upgradeBatch(
  transaction: KeyValueTransaction,
  { steps, rowsPerTransaction = limits.upgradeRowsPerTransactionMax }: UpgradeOptions,
): Promise<Batch> {
  const { format } = await readVolume(transaction, steps)
  const step = steps.find(({ to }) => to > format)
  assert(step !== undefined, 'a volume below the newest format has a step before it')
  const isBegun = !Number.isInteger(format)
  const before = isBegun
    ? progressCodec.decode(progressKey, await transaction.get(progressKey))
    : { table: firstTable(step), after: null, rowCount: 0, changedCount: 0, unreadableCount: 0 }
  const { progress, isTableDone } = await changeRows(transaction, { step, before, rowsPerTransaction })
  const next = isTableDone ? tableAfter(step, progress.table) : progress.table
  const isLast = next === null
  if (isLast || !isBegun) await writeFormat(transaction, isLast ? step.to : step.to - 0.5, steps)
  if (isLast) transaction.delete(progressKey)
  else {
    const after = isTableDone ? null : progress.after
    transaction.put(progressKey, progressCodec.encode(progressKey, { ...progress, table: next, after }))
  }
  return { to: step.to, isLast, progress }
}

type Work = { readonly step: FormatStep; readonly before: Progress; readonly rowsPerTransaction: number }

/** A batch ends with so many rows, or bytes read and written; a page of the largest rows fits the transaction. */
async function changeRows(
  transaction: KeyValueTransaction,
  { step, before, rowsPerTransaction }: Work,
): Promise<{ readonly progress: Progress; readonly isTableDone: boolean }> {
  let progress = before
  let bytesLeft: number = limits.upgradeBytesPerTransaction
  for (;;) {
    const rowsLeft = rowsPerTransaction - (progress.rowCount - before.rowCount)
    if (rowsLeft === 0 || bytesLeft <= 0) return { progress, isTableDone: false }
    const limit = Math.min(limits.upgradeRowsPerPage, rowsLeft)
    const page = await changePage(transaction, { step, before: progress, limit, bytesLeft })
    progress = page.progress
    bytesLeft = page.bytesLeft
    if (page.isLast) return { progress, isTableDone: true }
  }
}

type PageWork = Pick<Work, 'step' | 'before'> & { readonly limit: number; readonly bytesLeft: number }
type Page = { readonly progress: Progress; readonly isLast: boolean; readonly bytesLeft: number }

async function changePage(transaction: KeyValueTransaction, work: PageWork): Promise<Page> {
  const { step, before, limit } = work
  const range = rangeOf(tablePrefix(before.table))
  const from = before.after === null ? range.from : keyAfter(Buffer.from(before.after, 'hex'))
  const page = await transaction.range({ from, to: range.to, limit })
  let { after, rowCount, changedCount, unreadableCount } = before
  let { bytesLeft } = work
  for (const { key, value } of page) {
    if (bytesLeft <= 0) break
    const changed = changedRow(step, key, value)
    if (changed === null) unreadableCount += 1
    else if (Buffer.compare(changed, value) !== 0) {
      transaction.put(key, changed)
      changedCount += 1
      bytesLeft -= changed.length
    }
    bytesLeft -= value.length
    rowCount += 1
    after = Buffer.from(key).toString('hex')
  }
  const isLast = page.length < limit && rowCount === before.rowCount + page.length
  const progress = { table: before.table, after, rowCount, changedCount, unreadableCount }
  return { progress, isLast, bytesLeft }
}

/** null: it cannot be read. */
function changedRow(step: FormatStep, row: Uint8Array, value: Uint8Array): Uint8Array | null {
  try {
    return step.change(row, value)
  } catch (error) {
    if (error instanceof CorruptRecordError) return null
    throw error
  }
}

function firstTable({ tables: [first] }: FormatStep): Table {
  assert(first !== undefined, 'a step changes the rows of some table')
  return first
}

function tableAfter(step: FormatStep, table: Table): Table | null {
  const names: readonly Table[] = step.tables
  assert(names.includes(table), 'an unfinished step is at a table of its own')
  return names[names.indexOf(table) + 1] ?? null
}
