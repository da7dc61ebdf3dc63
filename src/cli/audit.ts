import type { OfflineVolume } from '../server/open-volume.ts'
import { readAuditHead, verifyChain } from '../store/audit-chain.ts'
import { exportAudit } from '../store/audit-export.ts'
import { hex } from '../store/hex.ts'
import { readVolume } from '../store/volume.ts'
import { commandSettings } from './command-settings.ts'
import { printed, withOfflineVolume } from './offline-volume.ts'

const usage = 'holdfast audit verify | export [AFTER_SEQUENCE]\n'

/**
 * `holdfast audit verify`: exit 0 the chain is unbroken, 1 it is broken, 2 not verified. `audit export [AFTER]`: a line of
 * JSON a record, the last line its head.
 */
export async function auditCommand(argv: readonly string[]): Promise<number> {
  const command = 'holdfast audit'
  const summary =
    'The audit log of a volume that no server serves: `verify` computes every hash again, `export` writes JSON lines ' +
    'that end with the head. Changes nothing.'
  const line = {
    command,
    summary,
    names: ['data'] as const,
    positionals: ['verify|export', '[AFTER_SEQUENCE]'],
  }
  const settings = commandSettings(line, argv)
  if (settings.kind === 'exit') return settings.code
  const [action, after = '0', ...rest] = settings.positionals
  const run = action === 'verify' ? verify : action === 'export' ? exportLines : null
  const isUse = rest.length === 0 && /^[0-9]{1,15}$/.test(after) && (action === 'export' || after === '0')
  if (run === null || !isUse) {
    process.stderr.write(usage)
    return 2
  }
  return withOfflineVolume({ command, values: settings.values }, (volume) => run(volume, Number(after)))
}

async function verify({ kv }: OfflineVolume): Promise<number> {
  const chain = await verifyChain(kv, { fromSequence: 1, to: 'head' })
  if (chain.kind === 'broken') {
    process.stdout.write(`broken at record ${chain.sequence}: ${chain.cause}\n`)
    return 1
  }
  const { sequence, hash } = chain.last
  process.stdout.write(`unbroken: ${chain.recordCount} records, head ${sequence} ${hex(hash)}\n`)
  return 0
}

async function exportLines({ kv }: OfflineVolume, afterSequence: number): Promise<number> {
  const { volumeId } = await readVolume(kv)
  const head = await readAuditHead(kv)
  for await (const lines of exportAudit(kv, { afterSequence, head })) {
    await printed(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
  await printed(`${JSON.stringify({ volumeId, head: { sequence: head.sequence, hash: hex(head.hash) } })}\n`)
  return 0
}
