import type { QuarantineAnswer } from '../api/admin.ts'
import { askServer } from './ask-server.ts'

const usage = 'holdfast admin quarantine | accept-restore REASON\n'

/**
 * `holdfast admin quarantine`: the versions whose bytes are damaged, exit 3 if there are any. `admin accept-restore REASON`: a
 * restored volume takes writes from now on.
 */
export function adminCommand(argv: readonly string[]): Promise<number> {
  return askServer(
    {
      command: 'holdfast admin',
      summary:
        'What only the server can say or do. `quarantine`: the versions whose bytes were found damaged, by the scrub or by a read, a line each (exit ' +
        '3); their reads are refused, and nothing of them is removed. `accept-restore REASON`: a volume that was restored from a backup takes writes from now on, ' +
        'and expires and removes again; it is audited, and REASON says who looked and at what.',
      positionals: ['quarantine|accept-restore', '[REASON]'],
    },
    argv,
    async (server, [action, reason, ...rest]) => {
      if (action === 'quarantine' && reason === undefined) return printQuarantine(await server.quarantine())
      if (action !== 'accept-restore' || reason === undefined || rest.length > 0) {
        process.stderr.write(usage)
        return 2
      }
      await server.acceptRestore({ reason })
      process.stdout.write('accepted: the volume takes writes; give out access keys anew\n')
      return 0
    },
  )
}

function printQuarantine({ listCount, versions }: QuarantineAnswer): number {
  for (const { bucket, bucketId, key, versionId, found, problem } of versions) {
    // As JSON writes it, so that no key breaks the line.
    const path = JSON.stringify(key).slice(1, -1)
    process.stdout.write(
      `s3://${bucket ?? bucketId}/${path}?versionId=${versionId}: ${problem} (found ${found})\n`,
    )
  }
  const more = listCount - versions.length
  const unnamed = more === 0 ? '' : `, ${more} of them without a name that can be read`
  process.stdout.write(`${listCount} damaged${unnamed}\n`)
  return listCount === 0 ? 0 : 3
}
