import { acceptClockDocument, parseDocument } from '../api/admin.ts'
import type { LockServer } from '../client/lock-server.ts'
import { askServer, misfit, wrongUse } from './ask-server.ts'

const usage = 'holdfast clock [accept UNTIL REASON]: UNTIL is RFC 3339, REASON says who checked and how\n'
const command = 'holdfast clock'

/** `holdfast clock` shows trusted and wall time; `clock accept UNTIL REASON` vouches for a forward step. */
export function clockCommand(argv: readonly string[]): Promise<number> {
  return askServer(
    {
      command,
      summary:
        'Trusted time judges expiry. `accept UNTIL REASON` vouches for a forward step of the wall clock; it is audited.',
      positionals: ['[accept', 'UNTIL', 'REASON]'],
    },
    argv,
    async (server, [action, until, reason, ...rest]) => {
      if (action === undefined) return show((await server.info()).clock)
      if (action !== 'accept' || until === undefined || reason === undefined || rest.length > 0) {
        const missing = until === undefined ? 'UNTIL and REASON' : 'REASON'
        const isMissing = action === 'accept' && reason === undefined
        return wrongUse(command, isMissing ? `accept needs ${missing}` : misfit(action), usage)
      }
      const asked = parseDocument(acceptClockDocument, JSON.stringify({ until, reason }))
      if (asked.kind === 'bad') return wrongUse(command, asked.message, usage)
      return show(await server.acceptClock({ until, reason }))
    },
  )
}

function show(clock: Awaited<ReturnType<LockServer['info']>>['clock']): number {
  process.stdout.write(`trusted  ${clock.trusted}\nwall     ${clock.wall}\n`)
  process.stdout.write(`suspect  ${clock.suspect ? `yes: wall is ${seconds(clock.behindMs)} ahead` : 'no'}\n`)
  process.stdout.write(`budget   ${seconds(clock.budgetMs)} of forward steps without a witness\n`)
  return 0
}

function seconds(durationMs: number): string {
  return `${Math.round(durationMs / 1000)} s`
}
