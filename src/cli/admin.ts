import { acceptRestoreDocument, parseDocument, type QuarantineAnswer } from '../api/admin.ts'
import { limits } from '../lib/limits.ts'
import { askServer, misfit, wrongUse } from './ask-server.ts'
import { exitHelp } from './exit-codes.ts'

const usage = 'holdfast admin quarantine | accept-restore REASON: REASON says who looked, and at what\n'
const command = 'holdfast admin'

/**
 * `holdfast admin quarantine`: the versions whose bytes are damaged, exit 3 if there are any. `admin accept-restore REASON`: a
 * restored volume takes writes from now on.
 */
export function adminCommand(argv: readonly string[]): Promise<number> {
  return askServer(
    {
      command,
      summary:
        'What only the server can say or do. `quarantine`: the versions whose bytes were found damaged, by the scrub or by a read, a line each; ' +
        `their reads are refused, and nothing of them is removed; ${exitHelp('admin quarantine')}. ` +
        '`accept-restore REASON`: a volume that was restored from a backup takes writes from now on, ' +
        'and expires and removes again; it is audited, and REASON says who looked and at what.',
      positionals: ['quarantine|accept-restore', '[REASON]'],
    },
    argv,
    async (server, [action, reason, ...rest]) => {
      if (action === 'quarantine' && reason === undefined) return printQuarantine(await server.quarantine())
      if (action !== 'accept-restore' || reason === undefined || rest.length > 0) {
        const isMissing = action === 'accept-restore' && reason === undefined
        const cause = isMissing ? 'accept-restore needs REASON' : misfit(action)
        return wrongUse(command, cause, usage)
      }
      const asked = parseDocument(acceptRestoreDocument, JSON.stringify({ reason }))
      if (asked.kind === 'bad') return wrongUse(command, asked.message, usage)
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
  process.stdout.write(`${sumOf(listCount, versions.length)}\n`)
  return listCount === 0 ? 0 : 3
}

/** Copies share their bytes: there may be more versions than damaged bytes, and fewer where rows cannot be read. */
function sumOf(listCount: number, versionCount: number): string {
  const max = limits.quarantineListMax
  if (listCount >= max || versionCount >= max)
    return `the first ${versionCount}: no more are listed here; \`holdfast verify --data DIR\` on the stopped volume names all`
  if (versionCount > listCount) return `${listCount} damaged, which ${versionCount} versions have`
  const unnamed = listCount - versionCount
  return unnamed === 0
    ? `${listCount} damaged`
    : `${listCount} damaged, ${unnamed} of them without a name that can be read`
}
