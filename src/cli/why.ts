import type { ExplainAnswer } from '../api/admin.ts'
import { askServer } from './ask-server.ts'
import { exitHelp } from './exit-codes.ts'

/** `holdfast why s3://bucket/key[?versionId=]`: exit 0 if a plain delete would be allowed, 3 if not. */
export function whyCommand(argv: readonly string[]): Promise<number> {
  return askServer(
    {
      command: 'holdfast why',
      summary: `Every rule’s verdict for deleting one version, with and without bypass. Changes nothing; ${exitHelp('why')}.`,
      positionals: ['s3://BUCKET/KEY[?versionId=ID]'],
    },
    argv,
    async (server, [target]) => {
      const address = target === undefined ? null : parseTarget(target)
      if (address === null) {
        process.stderr.write('holdfast why: expected s3://bucket/key or s3://bucket/key?versionId=ID\n')
        return 2
      }
      const answer = await server.explainDelete(address)
      process.stdout.write(sentences(answer))
      return answer.deletions.some(({ bypassGovernance, allowed }) => !bypassGovernance && allowed) ? 0 : 3
    },
  )
}

/** The key is taken as it is written; only a trailing `?versionId=` is not part of it. */
export function parseTarget(
  target: string,
): { bucket: string; key: string; versionId: string | null } | null {
  const match = /^s3:\/\/([^/]+)\/(.+?)(?:\?versionId=([A-Za-z0-9]+))?$/s.exec(target)
  const [, bucket, key, versionId] = match ?? []
  return bucket === undefined || key === undefined ? null : { bucket, key, versionId: versionId ?? null }
}

function sentences({ bucket, key, versionId, trusted, lock, deletions }: ExplainAnswer): string {
  const held = lock.legalHold === 'ON' ? ', legal hold ON' : ''
  const retention = lock.mode === null ? 'no retention' : `${lock.mode} until ${lock.retainUntil}`
  const lines = [
    `s3://${bucket}/${key} version ${versionId}: ${lock.state} (${retention}${held})`,
    `trusted time ${trusted}`,
  ]
  for (const { bypassGovernance, allowed, rules } of deletions) {
    lines.push(`delete ${bypassGovernance ? 'with' : 'without'} bypass: ${allowed ? 'allowed' : 'denied'}`)
    for (const { rule, verdict } of rules) lines.push(`  ${rule}: ${verdict}`)
  }
  return `${lines.join('\n')}\n`
}
