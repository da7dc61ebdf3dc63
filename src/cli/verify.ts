import { systemClock } from '../platform/clock.ts'
import type { OfflineVolume } from '../server/open-volume.ts'
import { verifyVolume } from '../store/verify.ts'
import type { Finding } from '../store/verify-finding.ts'
import { commandSettings } from './command-settings.ts'
import { exitHelp } from './exit-codes.ts'
import { interruptible } from './interruptible.ts'
import { withOfflineVolume } from './offline-volume.ts'

/** `holdfast verify --data DIR`: exit 0 nothing found, 1 findings, 2 not verified, 130 and 143 ended by SIGINT or SIGTERM. Changes nothing. */
export async function verifyCommand(argv: readonly string[]): Promise<number> {
  const command = 'holdfast verify'
  const summary =
    'Reads a whole volume that no server serves and holds it against itself: every row, the bytes of every version, ' +
    `counters, the audit chain. Changes nothing; ${exitHelp('verify')}.`
  const settings = commandSettings({ command, summary, names: ['data'] as const }, argv)
  if (settings.kind === 'exit') return settings.code
  const left =
    'not everything was read; what was found is above, nothing was changed, and the same command begins anew'
  return interruptible({ command, left }, () =>
    withOfflineVolume({ command, values: settings.values }, verify),
  )
}

async function verify({ kv, bodies }: OfflineVolume): Promise<number> {
  const counts = await verifyVolume({ reader: kv, bodies, clock: systemClock() }, (finding) => {
    process.stdout.write(`${sentence(finding)}\n`)
  })
  const { rowCount, versionCount, readBytes, auditRecordCount, findingCount } = counts
  process.stdout.write(
    `verified ${versionCount} versions, ${readBytes} bytes, ${rowCount} rows, ${auditRecordCount} audit records: ` +
      `${findingCount === 0 ? 'nothing found' : `${findingCount} findings`}\n`,
  )
  return findingCount === 0 ? 0 : 1
}

function sentence({ bucket, key, versionId, problem }: Finding): string {
  if (bucket === null && key === null && versionId === null) return `volume: ${problem}`
  const version = versionId === null ? '' : `?versionId=${versionId}`
  // As JSON writes it, so that no key breaks the line.
  const path = key === null ? '' : `/${JSON.stringify(key).slice(1, -1)}`
  return `s3://${bucket ?? '(unknown bucket)'}${path}${version}: ${problem}`
}
