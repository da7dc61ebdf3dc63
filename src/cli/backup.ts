import { systemClock } from '../platform/clock.ts'
import { type BackupParts, backupVolume, type KeptMetadata, type MadeBackup } from '../server/copy-volume.ts'
import { commandSettings } from './command-settings.ts'
import { copyFailure } from './copy-failure.ts'
import { exitHelp } from './exit-codes.ts'
import { interruptible } from './interruptible.ts'

/**
 * `holdfast backup --data DIR --to DIR [--verify on]`: exit 0 the backup is whole, 1 the volume is damaged or the copy failed, 2
 * refused; 130 and 143 ended by SIGINT or SIGTERM.
 * Beside a running server or at rest; run again, it goes on.
 */
export async function backupCommand(argv: readonly string[]): Promise<number> {
  const command = 'holdfast backup'
  const summary =
    'Copies a volume, also while a server serves it, to a folder. Run again with the same folder, only new bodies are ' +
    'copied, and bodies that are there are taken for whole; with `--verify on` all are read, on both sides. The volume is not changed, and what is damaged ' +
    `in it is told, a line each; ${exitHelp('backup')}.`
  const settings = commandSettings(
    { command, summary, names: ['data', 'backupTo', 'backupVerify'] as const },
    argv,
  )
  if (settings.kind === 'exit') return settings.code
  const { data: from, backupTo: to, backupVerify } = settings.values
  if (to === null) {
    process.stderr.write(`${command}: --to names the folder of the backup\n`)
    return 2
  }
  const onProblem = (sentence: string): void => {
    process.stdout.write(`damaged: ${sentence}\n`)
  }
  const onMended = (sentence: string): void => {
    process.stdout.write(`replaced in the backup: ${sentence}\n`)
  }
  const check = backupVerify ? 'checksums' : 'sizes'
  const left = `${to} has the last backup that was finished, or none; what was copied stays, and the same command goes on`
  return interruptible({ command, left }, () => backUp(command, { from, to, check, onProblem, onMended }))
}

async function backUp(command: string, parts: BackupParts): Promise<number> {
  try {
    const made = await backupVolume(parts, systemClock())
    const { problemCount } = made
    process.stdout.write(summaryOf(made))
    if (made.keptMetadata !== null) process.stdout.write(`${keptSentence(made.keptMetadata)}\n`)
    if (problemCount > 0)
      process.stdout.write(
        `holdfast verify --data ${parts.from}, while no server serves it, names the bucket, key and version of what is damaged\n`,
      )
    return problemCount === 0 ? 0 : 1
  } catch (error) {
    return copyFailure(command, error)
  }
}

function keptSentence({ path, problemCount }: KeptMetadata): string {
  if (problemCount === 0) return `the metadata of the last whole backup stay in ${path}`
  const known =
    problemCount === null ? 'and whether it was whole is not known' : `which had ${problemCount} damaged`
  return `the metadata of an earlier backup, ${known}, stay in ${path}`
}

function summaryOf(made: MadeBackup): string {
  const { volumeId, copy, copiedCount, copiedBytes, keptCount, mendedCount, droppedCount, problemCount } =
    made
  const mended = mendedCount === 0 ? '' : `${mendedCount} were damaged there and are replaced, `
  return (
    `volume ${volumeId} up to audit record ${copy.auditSequence}: copied ${copiedCount} bodies with ${copiedBytes} bytes, ` +
    `${keptCount} were there, ${mended}${droppedCount} are gone; ${problemCount === 0 ? 'whole' : `${problemCount} damaged`}\n`
  )
}
