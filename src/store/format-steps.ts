/**
 * How the volume of each format becomes one of the next. A release takes volumes of the formats from the one before its first
 * step, and writes that of its last. See docs/decisions/0054-a-format-is-raised-row-by-row.md.
 */
import type { Table } from './keys.ts'

export type FormatStep = {
  /** The format that it leads to, from the one before; the first of all is 1. */
  readonly to: number
  /** Whose rows it changes. Those of `meta` say whose volume this is and how far a step came; the audit log is never rewritten. */
  readonly tables: readonly Exclude<Table, 'meta'>[]
  /**
   * Pure: the new bytes of a row, or the same. Throws CorruptRecordError for a row that cannot be read, which stays as it is.
   * Until the last row is changed this release reads rows of both kinds.
   */
  readonly change: (row: Uint8Array, value: Uint8Array) => Uint8Array
}

/** This release's. There was no other format than 1 yet. */
export const formatSteps: readonly FormatStep[] = []

const firstFormat = 1

/** What is written where these are all steps. */
export function newestFormat(steps: readonly FormatStep[]): number {
  return steps.at(-1)?.to ?? firstFormat
}

/** The first that these steps lead on from. */
export function oldestFormat(steps: readonly FormatStep[]): number {
  return (steps[0]?.to ?? firstFormat + 1) - 1
}
