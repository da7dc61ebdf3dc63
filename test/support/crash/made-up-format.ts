/** Formats 2 and 3 that no release has: rows with a space behind their JSON, which every decoder reads like those without. */
import { concatBytes } from '../../../src/lib/bytes.ts'
import type { FormatStep } from '../../../src/store/format-steps.ts'
import { sealRow, unsealRow } from '../../../src/store/row-codec.ts'

/** A version's row is two lines, of which the second is its lock. */
const withSpace: FormatStep['change'] = (row, value) => {
  const newline = value.indexOf(0x0a)
  const end = newline < 0 ? value.length : newline
  const content = unsealRow('a row', row, value.subarray(0, end))
  return concatBytes([sealRow(row, concatBytes([content, Buffer.from(' ')])), value.subarray(end)])
}

export const madeUpSteps: readonly FormatStep[] = [
  { to: 2, tables: ['bucket', 'expiry', 'upload', 'version'], change: withSpace },
  { to: 3, tables: ['version', 'document'], change: withSpace },
]
export const madeUpRowsPerTransaction = 6
