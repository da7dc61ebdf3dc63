/** The file of an audit log that a restore is given: verified as a whole before one record of it is believed. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { limits } from '../lib/limits.ts'
import { namingFolder, ofFolder } from '../platform/files.ts'
import { CopyRefusedError } from '../server/copy-target.ts'
import type { Backup } from '../server/copy-volume.ts'
import { type AuditAnchor, type AuditBreaks, type AuditExport, verifyExport } from '../store/audit-import.ts'
import type { CheckpointFacts } from '../store/checkpoint.ts'
import type { KeyValue } from '../store/kv/contract.ts'
import type { ProvenLog } from '../store/volume-copy.ts'
import { checkpointProblem } from './checkpoint.ts'

export type AuditFile = {
  readonly path: string
  readonly backup: Backup
  /** The backup's own rows, with its audit chain. */
  readonly kv: KeyValue
  readonly checkpoints: readonly CheckpointFacts[]
  readonly breaks: AuditBreaks
}

/**
 * The log goes on where the backup ends and goes through every checkpoint; those from before the backup's end are held
 * against the backup. Errors: CopyRefusedError for any other, which nothing of was applied; FolderFailedError.
 */
export async function verifyAuditFile(file: AuditFile): Promise<ProvenLog> {
  const { path, backup, kv, checkpoints, breaks } = file
  // It is read twice: all of it is verified before the first record is believed.
  const found = await namingFolder(dirname(path), () => stat(path))
  if (!found.isFile()) throw new CopyRefusedError(`${path} is no regular file: write the log to one`)
  const anchor = anchorOf(backup)
  const log = await verifyExport(linesOf(path), { anchors: [anchor, ...checkpoints], breaks })
  if (log.kind === 'noLog') throw new CopyRefusedError(`${path} is not an audit log: ${log.cause}`)
  if (log.kind === 'broken')
    throw new CopyRefusedError(
      `${path} is not an unbroken audit log: ${log.cause}. With --audit-breaks accept, what is whole in it is applied`,
    )
  if (log.volumeId !== backup.volumeId)
    throw new CopyRefusedError(`${path} is the log of volume ${log.volumeId}`)
  if (!log.passed.includes(anchor))
    throw new CopyRefusedError(
      `${path} does not go through audit record ${anchor.sequence}, where the backup ends`,
    )
  for (const checkpoint of checkpoints) {
    const problem = missedBy(log, checkpoint, backup) ?? (await missedByBackup(kv, checkpoint, anchor))
    if (problem !== null) throw new CopyRefusedError(`${path}: ${problem}`)
  }
  const { head, breakCount } = log
  return { head, breakCount, provenSequence: provenUpTo(log, checkpoints, anchor) }
}

/** A checkpoint vouches for what it is linked to: behind a break, for nothing before it. null: none vouches for anything. */
function provenUpTo(
  { linked }: ReadLog,
  checkpoints: readonly CheckpointFacts[],
  anchor: AuditAnchor,
): number | null {
  const vouching = checkpoints.filter((each) => each.sequence <= anchor.sequence || linked.includes(each))
  return vouching.length === 0 ? null : vouching.reduce((last, { sequence }) => Math.max(last, sequence), 0)
}

/** What a log that was found good does not prove, for the person who gave it; null: its last record is proven. */
export function unproven(path: string, log: ProvenLog, backup: Backup): string | null {
  const { head, provenSequence, breakCount } = log
  const { sequence } = anchorOf(backup)
  if (provenSequence === null)
    return (
      `nothing proves what ${path} says of records behind ${sequence}, the backup's last: records may be missing at its end, ` +
      'and locks in it made up. --checkpoint and --checkpoint-key prove it up to the newest checkpoint' +
      `${breakCount === 0 ? '' : ', or to the break before that'}`
    )
  if (provenSequence >= head.sequence) return null
  const first = Math.max(provenSequence, sequence) + 1
  const cause = breakCount === 0 ? 'the newest checkpoint' : 'the newest checkpoint, or behind a break'
  return `nothing proves records ${first} to ${head.sequence} of ${path}: they are behind ${cause}`
}

export function anchorOf({ copy }: Backup): AuditAnchor {
  return { sequence: copy.auditSequence, hash: copy.auditHash }
}

type ReadLog = Extract<AuditExport, { readonly kind: 'read' }>

/** Of a checkpoint behind the backup's end: the log has all records from there. null: it goes through it. */
function missedBy(log: ReadLog, checkpoint: CheckpointFacts, { volumeId, copy }: Backup): string | null {
  const { sequence } = checkpoint
  if (checkpoint.volumeId !== volumeId)
    return `the checkpoint of record ${sequence} is of volume ${checkpoint.volumeId}`
  if (sequence <= copy.auditSequence || log.passed.includes(checkpoint)) return null
  if (sequence > log.head.sequence)
    return `it ends at record ${log.head.sequence}, before record ${sequence} of a checkpoint: it was cut off`
  return `record ${sequence} is not that of its checkpoint: the log was written anew`
}

async function missedByBackup(
  kv: KeyValue,
  checkpoint: CheckpointFacts,
  anchor: AuditAnchor,
): Promise<string | null> {
  if (checkpoint.sequence > anchor.sequence) return null
  const problem = await checkpointProblem({ kv }, checkpoint)
  // A damaged record is told as a break of the backup's chain.
  return problem?.kind === 'missed'
    ? `the backup does not go through a checkpoint: ${problem.sentence}`
    : null
}

/** Errors: FolderFailedError of the file's own folder; CopyRefusedError for a line that no audit log has. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  try {
    for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > limits.auditLineLengthMax)
        throw new CopyRefusedError(
          `${path} is not an audit log: a line has more than ${limits.auditLineLengthMax} characters`,
        )
      yield* lines
    }
  } catch (error) {
    throw ofFolder(dirname(path), error)
  }
  if (rest !== '') yield rest
}
