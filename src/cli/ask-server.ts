/** What the commands that ask a running server share: settings, root's key, one connection, exit codes. */
import { connectLockServer } from '../client/connect.ts'
import { type LockServer, ServerRefusedError, ServerUnreachableError } from '../client/lock-server.ts'
import type { SettingValues } from '../config/settings.ts'
import { SettingError } from '../config/values.ts'
import { systemClock } from '../platform/clock.ts'
import { commandSettings } from './command-settings.ts'
import {
  type Credentials,
  CredentialsError,
  credentialsOf,
  credentialsPath,
  readCredentials,
} from './credentials.ts'
import { serverTrust } from './server-trust.ts'

export type AskCommand = {
  readonly command: string
  readonly summary: string
  readonly positionals?: readonly string[]
}

const timeoutMs = 10_000
/** The settings that say which server, and by which key. */
export const askSettings = [
  'serverAdmin',
  'serverS3',
  'serverCa',
  'region',
  'data',
  'accessKeyId',
  'secretAccessKey',
] as const
export type AskSettings = SettingValues<(typeof askSettings)[number]>

/** Runs `ask` against the server that the settings name. Exit code 1: refused or unreachable, 2: wrong use. */
export async function askServer(
  line: AskCommand,
  argv: readonly string[],
  ask: (server: LockServer, positionals: readonly string[]) => Promise<number>,
): Promise<number> {
  const settings = commandSettings({ ...line, names: askSettings }, argv)
  if (settings.kind === 'exit') return settings.code
  try {
    return await withServer(settings.values, (server) => ask(server, settings.positionals))
  } catch (error) {
    return explainFailure(line.command, error)
  }
}

/** One connection for as long as `ask` takes. Errors: those that `explainFailure` explains. */
export async function withServer<Answer>(
  values: AskSettings,
  ask: (server: LockServer) => Promise<Answer>,
): Promise<Answer> {
  const credentials = await rootCredentials(values)
  const server = connectLockServer({
    adminEndpoint: values.serverAdmin,
    s3Endpoint: values.serverS3,
    region: values.region,
    ...credentials,
    timeoutMs,
    trust: serverTrust(values.serverCa),
    clock: systemClock(),
  })
  try {
    return await ask(server)
  } finally {
    await server.close()
  }
}

async function rootCredentials(values: {
  accessKeyId: string | null
  secretAccessKey: string | null
  data: string
}): Promise<Credentials> {
  const given = credentialsOf(values.accessKeyId, values.secretAccessKey)
  const found = given ?? (await readCredentials(values.data))
  if (found !== null) return found
  throw new CredentialsError(
    `no credentials: set HOLDFAST_ACCESS_KEY_ID and HOLDFAST_SECRET_ACCESS_KEY, or point --data at the directory ` +
      `of a standalone server (${credentialsPath(values.data)} is not there)`,
  )
}

/** Says what is wrong with the words after the command, and how it is used. Exit code 2: nothing was asked. */
export function wrongUse(command: string, cause: string, usage: string): number {
  process.stderr.write(`${command}: ${cause}\nUsage: ${usage}`)
  return 2
}

/** What is wrong with a first word that is none of those that there are. */
export function misfit(action: string | undefined): string {
  return action === undefined
    ? 'what it should do is missing'
    : `${JSON.stringify(action)}, with what follows it, is nothing that it does`
}

/** Says what went wrong and gives the exit code; an error that nobody expected goes up. */
export function explainFailure(command: string, error: unknown): number {
  const isExpected =
    error instanceof CredentialsError ||
    error instanceof SettingError ||
    error instanceof ServerRefusedError ||
    error instanceof ServerUnreachableError
  if (!isExpected) throw error
  process.stderr.write(`${command}: ${error.message}\n`)
  return error instanceof CredentialsError || error instanceof SettingError ? 2 : 1
}
