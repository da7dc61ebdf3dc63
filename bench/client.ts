/** Runs the load client: one workload, one server, one result. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { builtProgram, type RunningServer } from './servers.ts'

export type Measured = {
  readonly requests: number
  readonly errors: number
  readonly error: string
  readonly seconds: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly bytes: number
}

export type ClientParameters = Readonly<Record<string, string | number>>

/** That of every run. */
export const bucketName = 'bench'
let program: string | null = null

/** Errors: the client cannot prepare the workload, or one of its requests was answered in another way than it must be. */
export async function runClient(
  { endpoint, credentials }: Pick<RunningServer, 'endpoint' | 'credentials'>,
  parameters: ClientParameters,
): Promise<Measured> {
  program ??= builtProgram('bench-client')
  const { accessKeyId, secretAccessKey } = credentials
  const given = {
    endpoint,
    bucket: bucketName,
    'access-key': accessKeyId,
    'secret-key': secretAccessKey,
    ...parameters,
  }
  const flags = Object.entries(given).map(([name, value]) => `--${name}=${value}`)
  const { stdout } = await promisify(execFile)(program, flags, { maxBuffer: 1024 ** 2 })
  const measured = JSON.parse(stdout) as Measured
  if (measured.errors > 0)
    throw new Error(
      `${parameters['workload']}: ${measured.errors} requests failed, the first: ${measured.error}`,
    )
  return measured
}
