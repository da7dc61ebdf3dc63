import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { systemClock } from '../platform/clock.ts'
import { type Backup, CopyRefusedError, restoreVolume } from '../server/copy-volume.ts'
import { type AuditAnchor, exportedAfter, verifyExport } from '../store/audit-import.ts'
import type { KeyValue } from '../store/kv/contract.ts'
import { replayAudit } from '../store/replay-audit.ts'
import type { Actor } from '../store/store.ts'
import { markRestored } from '../store/volume-copy.ts'
import { commandSettings } from './command-settings.ts'
import { copyFailure } from './copy-failure.ts'

const names = ['restoreFrom', 'data', 'restoreAudit'] as const
/** In the audit log of the restored volume: nobody asked a server. */
const actor: Actor = {
  accessKeyId: 'holdfast-restore',
  accountId: '000000000000',
  requestId: randomUUID(),
  operation: 'RestoreVolume',
}

/** `holdfast restore --from DIR --data DIR [--audit FILE]`: exit 0 done, 1 damaged or failed, 2 refused. */
export async function restoreCommand(argv: readonly string[]): Promise<number> {
  const command = 'holdfast restore'
  const summary =
    'Makes a volume of a backup, with the locks of the backup. It is read-only until root accepts it (holdfast admin ' +
    'accept-restore), and has no stored access keys. Exit 1: something is damaged or could not be locked, a line each.'
  const settings = commandSettings({ command, summary, names }, argv)
  if (settings.kind === 'exit') return settings.code
  const { restoreFrom: from, data: to, restoreAudit } = settings.values
  if (from === null) {
    process.stderr.write(`${command}: --from names the folder of the backup\n`)
    return 2
  }
  const tell = (sentence: string): void => {
    process.stdout.write(`${sentence}\n`)
  }
  try {
    const prepared = { deniedCount: 0 }
    const made = await restoreVolume({
      from,
      to,
      onProblem: (sentence) => tell(`damaged: ${sentence}`),
      prepare: async (kv, backup) => {
        prepared.deniedCount = await prepare(kv, {
          backup,
          auditFile: restoreAudit,
          clock: systemClock(),
          tell,
        })
      },
    })
    const { volumeId, copy, copiedCount, copiedBytes, keptCount, problemCount } = made
    tell(
      `volume ${volumeId} as of audit record ${copy.auditSequence}: copied ${copiedCount} bodies with ${copiedBytes} bytes, ` +
        `${keptCount} were there; ${problemCount === 0 ? 'whole' : `${problemCount} damaged`}`,
    )
    tell(
      'read-only until root accepts it: start the server, look, then: holdfast admin accept-restore REASON',
    )
    return problemCount + prepared.deniedCount === 0 ? 0 : 1
  } catch (error) {
    return copyFailure(command, error)
  }
}

type Preparation = {
  readonly backup: Backup
  readonly auditFile: string | null
  readonly clock: Clock
  readonly tell: (sentence: string) => void
}

/** Returns how many extensions the gate denied. */
async function prepare(kv: KeyValue, { backup, auditFile, clock, tell }: Preparation): Promise<number> {
  const auditHead = auditFile === null ? null : await readHead(auditFile, backup)
  await markRestored(kv, { clock, actor, auditHead })
  if (auditFile === null || auditHead === null) return 0
  const log = { anchor: anchorOf(backup), head: auditHead }
  const lines = exportedAfter(linesOf(auditFile), log)
  const counts = await replayAudit({ kv, clock, actor, onDenied: tell }, lines)
  const { extendedCount, missingCount, deniedCount } = counts
  tell(
    `audit log up to record ${auditHead.sequence}: ${extendedCount} locks extended, ${deniedCount} denied, ` +
      `${missingCount} of versions that the backup does not have`,
  )
  return deniedCount
}

function anchorOf({ copy }: Backup): AuditAnchor {
  return { sequence: copy.auditSequence, hash: copy.auditHash }
}

/** Only a log that goes on where the backup ends says what was locked after it. */
async function readHead(auditFile: string, backup: Backup): Promise<AuditAnchor> {
  const { volumeId, copy } = backup
  // It is read twice: all of it is verified before the first record is believed.
  if (!(await stat(auditFile)).isFile())
    throw new CopyRefusedError(`${auditFile} is no regular file: write the log to one`)
  const log = await verifyExport(linesOf(auditFile), anchorOf(backup))
  if (log.kind === 'broken')
    throw new CopyRefusedError(`${auditFile} is not an unbroken audit log: ${log.cause}`)
  if (log.volumeId !== volumeId)
    throw new CopyRefusedError(`${auditFile} is the log of volume ${log.volumeId}`)
  if (log.isAnchored) return log.head
  throw new CopyRefusedError(
    `${auditFile} does not go through audit record ${copy.auditSequence}, where the backup ends`,
  )
}

/** Errors: those of the file system; CopyRefusedError for a line that no audit log has. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > limits.auditLineLengthMax)
      throw new CopyRefusedError(
        `${path} is not an audit log: a line has more than ${limits.auditLineLengthMax} characters`,
      )
    yield* lines
  }
  if (rest !== '') yield rest
}
