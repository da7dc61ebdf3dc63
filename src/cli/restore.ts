import { randomUUID } from 'node:crypto'
import type { SettingValues } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { systemClock } from '../platform/clock.ts'
import { type Backup, restoreVolume } from '../server/copy-volume.ts'
import { type AuditBreaks, exportedAfter } from '../store/audit-import.ts'
import type { CheckpointFacts } from '../store/checkpoint.ts'
import type { KeyValue } from '../store/kv/contract.ts'
import { replayAudit } from '../store/replay-audit.ts'
import type { Actor } from '../store/store.ts'
import { markRestored } from '../store/volume-copy.ts'
import { anchorOf, linesOf, unproven, verifyAuditFile } from './audit-file.ts'
import { CheckpointFileError, readCheckpoints } from './checkpoint.ts'
import { commandSettings } from './command-settings.ts'
import { copyFailure } from './copy-failure.ts'
import { exitHelp } from './exit-codes.ts'
import { interruptible } from './interruptible.ts'

const names = [
  'restoreFrom',
  'data',
  'restoreAudit',
  'auditBreaks',
  'lostClock',
  'checkpoint',
  'checkpointKey',
] as const
type Values = SettingValues<(typeof names)[number]>
/** In the audit log of the restored volume: nobody asked a server. */
const actor: Actor = {
  accessKeyId: 'holdfast-restore',
  accountId: '000000000000',
  requestId: randomUUID(),
  operation: 'RestoreVolume',
}

/**
 * `holdfast restore --from DIR --data DIR [--audit FILE [--audit-breaks accept] [--checkpoint FILE --checkpoint-key FILE]]
 * [--lost-clock take]`: exit 0 done, 1 damaged or failed, 2 refused, 130 and 143 ended by
 * SIGINT or SIGTERM.
 */
export async function restoreCommand(argv: readonly string[]): Promise<number> {
  const command = 'holdfast restore'
  const summary =
    'Makes a volume of a backup, with the locks of the backup. It is read-only until root accepts it (holdfast admin ' +
    `accept-restore), and has no stored access keys. What is damaged or could not be locked is told, a line each; ${exitHelp('restore')}.`
  const settings = commandSettings({ command, summary, names }, argv)
  if (settings.kind === 'exit') return settings.code
  const { values } = settings
  const { restoreFrom: from, data: to } = values
  if (from === null) {
    process.stderr.write(`${command}: --from names the folder of the backup\n`)
    return 2
  }
  const left = `${to} has a volume once it is whole, and none before; what was copied stays, and the same command goes on`
  return interruptible({ command, left }, () => restore(command, from, values))
}

async function restore(command: string, from: string, values: Values): Promise<number> {
  const { data: to, restoreAudit, auditBreaks, lostClock } = values
  const tell = (sentence: string): void => {
    process.stdout.write(`${sentence}\n`)
  }
  try {
    const checkpoints = await checkpointsOf(values)
    const prepared = { deniedCount: 0 }
    const made = await restoreVolume({
      from,
      to,
      onProblem: (sentence) => tell(`damaged: ${sentence}`),
      prepare: async (kv, backup) => {
        prepared.deniedCount = await prepare(kv, {
          backup,
          auditFile: restoreAudit,
          auditBreaks,
          lostClock,
          checkpoints,
          clock: systemClock(),
          tell,
          warn: (sentence) => process.stderr.write(`${command}: ${sentence}\n`),
        })
      },
    })
    const { volumeId, copy, copiedCount, copiedBytes, keptCount, problemCount } = made
    tell(
      `volume ${volumeId} as of audit record ${copy.auditSequence}: copied ${copiedCount} bodies with ${copiedBytes} bytes, ` +
        `${keptCount} were there; ${problemCount === 0 ? 'whole' : `${problemCount} damaged`}`,
    )
    if (problemCount > 0)
      tell(
        `holdfast verify --data ${from} names the bucket, key and version of what is damaged in the backup`,
      )
    tell(
      'read-only until root accepts it: start the server, look, then: holdfast admin accept-restore REASON',
    )
    return problemCount + prepared.deniedCount === 0 ? 0 : 1
  } catch (error) {
    return copyFailure(command, error)
  }
}

/** Errors: CheckpointFileError. */
async function checkpointsOf(values: Values): Promise<readonly CheckpointFacts[]> {
  const checkpoints = await readCheckpoints(values)
  if (checkpoints.length === 0 || values.restoreAudit !== null) return checkpoints
  throw new CheckpointFileError(
    '--checkpoint is held against --audit; a backup alone is held against it by: holdfast audit verify --data DIR',
  )
}

type Preparation = {
  readonly backup: Backup
  readonly auditFile: string | null
  readonly auditBreaks: 'refuse' | 'accept'
  readonly lostClock: 'refuse' | 'take'
  readonly checkpoints: readonly CheckpointFacts[]
  readonly clock: Clock
  readonly tell: (sentence: string) => void
  readonly warn: (sentence: string) => void
}

/** Returns how much of the log was not applied: extensions that the gate denied, records that are not proven, breaks. */
async function prepare(kv: KeyValue, preparation: Preparation): Promise<number> {
  const { backup, auditFile: path, lostClock, checkpoints, clock, tell, warn } = preparation
  if (path === null) {
    await markRestored(kv, { clock, actor, auditLog: null, lostClock })
    return 0
  }
  const breaks: AuditBreaks =
    preparation.auditBreaks === 'refuse'
      ? { kind: 'refuse' }
      : { kind: 'accept', onBreak: (sentence) => warn(`${path} is broken at ${sentence}`) }
  const log = await verifyAuditFile({ path, backup, kv, checkpoints, breaks })
  const doubt = unproven(path, log, backup)
  if (doubt !== null) warn(doubt)
  await markRestored(kv, { clock, actor, auditLog: log, lostClock })
  const lines = exportedAfter(linesOf(path), { anchor: anchorOf(backup), checkpoints, ...log })
  const counts = await replayAudit({ kv, clock, actor, onDenied: tell }, lines)
  const { extendedCount, missingCount, deniedCount } = counts
  const proof = log.provenSequence === null ? '' : `, proven up to record ${log.provenSequence}`
  tell(
    `audit log up to record ${log.head.sequence}${proof}: ${extendedCount} locks extended, ${deniedCount} denied, ` +
      `${missingCount} of versions that the backup does not have` +
      `${log.breakCount === 0 ? '' : `; broken in ${log.breakCount} places, a line each on stderr`}`,
  )
  return deniedCount + log.breakCount
}
