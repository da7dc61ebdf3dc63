/** What test files of `npm run long` did, and the table of it in docs/RELIABILITY.md. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { table } from './markdown.ts'

/** Names the file that a test file writes its figures to; not set outside of `npm run long`. */
export const figuresVariable = 'HOLDFAST_LONG_FIGURES'

/** Told where it was done, e.g. `kills`: sums of them are in the table. */
export function tellFigure(name: string, count: number): void {
  const path = process.env[figuresVariable]
  if (path !== undefined) appendFileSync(path, `${name} ${count}\n`)
}

/** `200 kills, 3 others`; empty where nothing was told. */
export function readFigures(path: string): string {
  if (!existsSync(path)) return ''
  const sums = new Map<string, number>()
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [name = '', count] = line.split(' ')
    if (name !== '') sums.set(name, (sums.get(name) ?? 0) + Number(count))
  }
  return [...sums].map(([name, count]) => `${count} ${name}`).join(', ')
}

export type LongOutcome = {
  /** From the root of the checkout. */
  readonly file: string
  readonly figures: string
  readonly passed: number
  readonly failed: number
  readonly seconds: number
}

/** When and of what: the minute, in UTC, and the commit. */
export type LongRun = { readonly date: string; readonly commit: string }

const begin = '<!-- written by npm run long -->'
const end = '<!-- until here -->'
const head = ['File', 'What', 'Passed', 'Failed', 'Took', 'When', 'Commit']

/** The page with the rows of `outcomes` in place of older ones of the same files. Errors: it has no place for them. */
export function withOutcomes(page: string, run: LongRun, outcomes: readonly LongOutcome[]): string {
  const [before, rest] = page.split(`${begin}\n`)
  const [written, after] = rest?.split(`${end}\n`) ?? []
  if (before === undefined || written === undefined || after === undefined)
    throw new Error(`the page has no place for figures, between ${begin} and ${end}`)
  const rows = new Map(olderRows(written))
  for (const { file, figures, passed, failed, seconds } of outcomes) {
    const counts = [String(passed), String(failed), `${seconds} s`]
    rows.set(file, [`\`${file}\``, figures, ...counts, run.date, run.commit])
  }
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, cells]) => cells)
  return `${before}${begin}\n${table(head, sorted)}\n${end}\n${after}`
}

function olderRows(written: string): readonly (readonly [string, readonly string[]])[] {
  return written
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const cells = line.slice(2, -2).split(' | ')
      return [(cells[0] ?? '').replaceAll('`', ''), cells] as const
    })
}
