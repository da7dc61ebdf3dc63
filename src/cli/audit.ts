import type { SettingValues } from '../config/settings.ts'
import type { OfflineVolume } from '../server/open-volume.ts'
import { chainBreaks, readAuditEnd, readableHead, verifyChain } from '../store/audit-chain.ts'
import { exportAudit } from '../store/audit-export.ts'
import { hex } from '../store/hex.ts'
import { readVolume } from '../store/volume.ts'
import { askSettings, explainFailure, withServer } from './ask-server.ts'
import { CheckpointFileError, checkpointProblem, makeCheckpoint, readCheckpoints } from './checkpoint.ts'
import { commandSettings } from './command-settings.ts'
import { exitHelp } from './exit-codes.ts'
import { printed, withOfflineVolume, withServedVolume } from './offline-volume.ts'

const usage = 'holdfast audit verify | export [AFTER_SEQUENCE] | checkpoint\n'
const names = [...askSettings, 'signingKey', 'checkpoint', 'checkpointKey'] as const
type Values = SettingValues<(typeof names)[number]>

/**
 * `holdfast audit verify`: exit 0 the chain is unbroken and goes through every checkpoint that was given, 1 it does not, 2
 * not verified. `audit export [AFTER]`: a line of JSON a record, the last line its head. `audit checkpoint`: the head of a running
 * server, signed. Both are 1 where the head of the log cannot be read: what can be is told, or written.
 */
export async function auditCommand(argv: readonly string[]): Promise<number> {
  const command = 'holdfast audit'
  const summary =
    'The audit log of a volume: `export` writes JSON lines that end with the head, also beside a server (exit 1: the head is damaged); `verify`, while no server serves it, ' +
    `computes every hash again and holds it against --checkpoint; ${exitHelp('audit verify')}. ` +
    '`checkpoint` asks a running server for the head and signs it with ' +
    '--signing-key, a line to keep where nobody who reaches the volume does. Changes nothing.'
  const positionals = ['verify|export|checkpoint', '[AFTER_SEQUENCE]']
  const settings = commandSettings({ command, summary, names, positionals }, argv)
  if (settings.kind === 'exit') return settings.code
  const { values } = settings
  const [action = '', after, ...rest] = settings.positionals
  const isUse =
    rest.length === 0 && (after === undefined || (action === 'export' && /^[0-9]{1,15}$/.test(after)))
  try {
    if (isUse && action === 'export')
      return await withServedVolume({ command, values }, (volume) => exportLines(volume, Number(after ?? 0)))
    if (isUse && action === 'verify') return await verify(command, values)
    if (isUse && action === 'checkpoint') return await checkpoint(command, values)
  } catch (error) {
    if (!(error instanceof CheckpointFileError)) throw error
    process.stderr.write(`${command}: ${error.message}\n`)
    return 2
  }
  process.stderr.write(usage)
  return 2
}

async function checkpoint(command: string, values: Values): Promise<number> {
  const { signingKey } = values
  if (signingKey === null) throw new CheckpointFileError('--signing-key names the key that signs')
  try {
    const info = await withServer(values, (server) => server.info())
    process.stdout.write(`${await makeCheckpoint(info, signingKey)}\n`)
    return 0
  } catch (error) {
    if (error instanceof CheckpointFileError) throw error
    return explainFailure(command, error)
  }
}

async function verify(command: string, values: Values): Promise<number> {
  const checkpoints = await readCheckpoints(values)
  return withOfflineVolume({ command, values }, async (volume) => {
    const code = await verifyLog(volume)
    let missedCount = 0
    for (const each of checkpoints) {
      const problem = await checkpointProblem(volume, each)
      if (problem === null) continue
      if (problem.kind === 'missed') missedCount += 1
      process.stdout.write(`checkpoint of record ${each.sequence}: ${problem.sentence}\n`)
    }
    if (checkpoints.length > 0)
      process.stdout.write(
        `${checkpoints.length - missedCount} of ${checkpoints.length} checkpoints are in the log\n`,
      )
    return code === 0 && missedCount > 0 ? 1 : code
  })
}

async function verifyLog({ kv }: OfflineVolume): Promise<number> {
  if ((await readableHead(kv)) === null) {
    const { sequence } = await readAuditEnd(kv)
    await printed(
      `broken at the head: it cannot be read; the last record is ${sequence}, and what came after it may be gone\n`,
    )
    for await (const found of chainBreaks(kv, { fromSequence: 1, to: sequence }))
      await printed(`broken at record ${found.sequence}: ${found.cause}\n`)
    return 1
  }
  const whole = { fromSequence: 1, to: 'head' } as const
  const chain = await verifyChain(kv, whole)
  if (chain.kind === 'broken') {
    for await (const { sequence, cause } of chainBreaks(kv, whole))
      await printed(`broken at record ${sequence}: ${cause}\n`)
    return 1
  }
  const { sequence, hash } = chain.last
  process.stdout.write(`unbroken: ${chain.recordCount} records, head ${sequence} ${hex(hash)}\n`)
  return 0
}

async function exportLines({ kv }: OfflineVolume, afterSequence: number): Promise<number> {
  const { volumeId } = await readVolume(kv)
  const head = await readableHead(kv)
  const last = head ?? (await readAuditEnd(kv))
  for await (const lines of exportAudit(kv, { afterSequence, head: last })) {
    await printed(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
  if (head === null) {
    // Nothing stands in for it: a log that ends with a head says that nothing came after it.
    process.stderr.write(
      `holdfast audit: the head of the audit log is damaged and cannot be read: the records up to ${last.sequence}, the last that is there, were ` +
        'exported, without the line of the head, for what came after them may be gone. Keep the file: it shows what is there, and no restore takes ' +
        'it; restore a backup of before, with an export of before (holdfast restore --from --data --audit)\n',
    )
    return 1
  }
  await printed(`${JSON.stringify({ volumeId, head: { sequence: head.sequence, hash: hex(head.hash) } })}\n`)
  return 0
}
