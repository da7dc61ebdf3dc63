import { askServer } from './ask-server.ts'

const usage = 'holdfast admin accept-restore REASON\n'

/** `holdfast admin accept-restore REASON`: a restored volume takes writes from now on. */
export function adminCommand(argv: readonly string[]): Promise<number> {
  return askServer(
    {
      command: 'holdfast admin',
      summary:
        'What root alone may do. `accept-restore REASON`: a volume that was restored from a backup takes writes from now on, ' +
        'and expires and removes again; it is audited, and REASON says who looked and at what.',
      positionals: ['accept-restore', 'REASON'],
    },
    argv,
    async (server, [action, reason, ...rest]) => {
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
