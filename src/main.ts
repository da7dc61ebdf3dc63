/** The command table. Each command is a file of src/cli, loaded only when it is called. */

type Command = {
  readonly summary: string
  /** Resolves to the exit code when the command has ended. */
  readonly load: () => Promise<(argv: readonly string[]) => Promise<number>>
}

const commands: Readonly<Record<string, Command>> = {
  server: {
    summary: 'the S3 lock server',
    load: async () => (await import('./cli/server.ts')).serverCommand,
  },
  operator: {
    summary: 'the controllers, against kube-apiserver',
    load: async () => (await import('./cli/operator.ts')).operatorCommand,
  },
  standalone: {
    summary: 'a server and the same controllers, fed from a folder of manifests',
    load: async () => (await import('./cli/standalone.ts')).standaloneCommand,
  },
  status: {
    summary: 'what a server says of itself and of its buckets',
    load: async () => (await import('./cli/status.ts')).statusCommand,
  },
  clock: {
    summary: 'trusted time; `clock accept` vouches for a forward step',
    load: async () => (await import('./cli/clock.ts')).clockCommand,
  },
  why: {
    summary: 'why a version may or may not be deleted now',
    load: async () => (await import('./cli/why.ts')).whyCommand,
  },
  plan: {
    summary: 'what applying manifests would change or be refused',
    load: async () => (await import('./cli/plan.ts')).planCommand,
  },
  'self-test': {
    summary: 'proves on a bucket of its own that a held version cannot be deleted',
    load: async () => (await import('./cli/self-test.ts')).selfTestCommand,
  },
  verify: {
    summary: 'holds a volume that no server serves against itself',
    load: async () => (await import('./cli/verify.ts')).verifyCommand,
  },
  audit: {
    summary: 'the audit log of a volume: `audit verify`, `audit export`',
    load: async () => (await import('./cli/audit.ts')).auditCommand,
  },
  backup: {
    summary: 'copies a volume, also while it is served',
    load: async () => (await import('./cli/backup.ts')).backupCommand,
  },
  restore: {
    summary: 'makes a volume of a backup',
    load: async () => (await import('./cli/restore.ts')).restoreCommand,
  },
  admin: {
    summary: 'damaged versions: `admin quarantine`; a restored volume: `admin accept-restore`',
    load: async () => (await import('./cli/admin.ts')).adminCommand,
  },
  'print-crds': {
    summary: 'the CustomResourceDefinitions, as YAML',
    load: async () => (await import('./cli/print-crds.ts')).printCrdsCommand,
  },
  'print-admission': {
    summary: 'the ValidatingAdmissionPolicies that guard objects and data, as YAML',
    load: async () => (await import('./cli/print-admission.ts')).printAdmissionCommand,
  },
  version: {
    summary: 'the version of this program',
    load: async () => (await import('./cli/version.ts')).versionCommand,
  },
}

/** Runs one command line and resolves to its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', ignoreGoneReader)
  const [given, ...rest] = argv
  const name = given === '--version' ? 'version' : given
  if (name === undefined || ['help', '--help', '-h'].includes(name)) {
    process.stdout.write(usage())
    return name === undefined ? 2 : 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    process.stderr.write(`holdfast: there is no command '${name}'\n\n${usage()}`)
    return 2
  }
  return (await command.load())(rest)
}

/** `holdfast standalone | head`: a reader that went away must not end a server in the middle of its work. */
function ignoreGoneReader(error: Error): void {
  if (!('code' in error) || error.code !== 'EPIPE') throw error
}

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: holdfast COMMAND [flags]; holdfast COMMAND --help\n\n${lines.join('\n')}\n`
}
