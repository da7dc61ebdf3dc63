/** What the exit codes of commands mean to scripts: for each command's help, and for docs/OPERATIONS.md. */
type Meanings = Readonly<Partial<Record<0 | 1 | 2 | 3, string>>>

export const exitMeanings = {
  verify: { 0: 'nothing found', 1: 'findings, a line each', 2: 'not verified' },
  backup: { 0: 'the backup is whole', 1: 'the volume is damaged, or the copy failed', 2: 'refused' },
  restore: { 0: 'done', 1: 'damaged, could not be locked, or failed', 2: 'refused' },
  'audit verify': {
    0: 'the chain is whole, and goes through the checkpoints given',
    1: 'it does not',
    2: 'not verified',
  },
  why: { 0: 'a plain delete would be allowed', 1: 'failed', 2: 'wrong use', 3: 'it would be refused' },
  'admin quarantine': { 0: 'nothing is damaged', 1: 'failed', 2: 'wrong use', 3: 'something is' },
  plan: { 0: 'nothing would change', 1: 'failed', 2: 'changes', 3: 'something would be refused' },
} as const satisfies Readonly<Record<string, Meanings>>

/** A sentence without its end. */
export function exitHelp(command: keyof typeof exitMeanings): string {
  const meanings = Object.entries(exitMeanings[command]).map(([code, meaning]) => `${code}: ${meaning}`)
  return `exit ${meanings.join('; ')}`
}
