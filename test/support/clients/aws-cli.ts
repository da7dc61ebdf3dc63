/** The AWS CLI, version 2, as a person would type it. */
import { existsSync } from 'node:fs'
import type { TestServer } from '../server.ts'
import { clientEnvironment, type Outcome, runCommand } from './command.ts'
import type { Folder } from './folder.ts'

export type AwsCli = {
  /** Any exit code. */
  readonly run: (...args: readonly string[]) => Promise<Outcome>
  /** Exit code 0 or an error with what the CLI said; gives its standard output. */
  readonly text: (...args: readonly string[]) => Promise<string>
  /** The printed document; `{}` where the CLI prints none. */
  readonly json: (...args: readonly string[]) => Promise<Document>
  /** Exit code 254 (the service refused), or an error; gives the sentence that the CLI prints. */
  readonly refusal: (...args: readonly string[]) => Promise<string>
}

export type Document = Readonly<Record<string, unknown>>

/** A service's own address, whose requests come to the test server as to an HTTP proxy: in absolute-form. */
export type ServiceAddress = {
  readonly endpoint: string
  readonly addressingStyle: 'path' | 'virtual'
}

/** A pip package of the same name may be first in the PATH: Debian's is asked for by its path. */
const command = existsSync('/usr/bin/aws') ? '/usr/bin/aws' : 'aws'

export function awsCli(server: () => TestServer, folder: Folder, address?: ServiceAddress): AwsCli {
  const run = async (...args: readonly string[]) => {
    const { endpoint, region, credentials } = server()
    const url = address?.endpoint ?? endpoint
    const outcome = await runCommand(command, ['--endpoint-url', url, '--output', 'json', ...args], {
      directory: folder.path('.'),
      env: {
        ...clientEnvironment(folder.path('.')),
        ...(address === undefined ? {} : proxied(address, endpoint, folder)),
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        AWS_DEFAULT_REGION: region,
      },
    })
    return withoutRemark(outcome)
  }
  const ended = async (code: number, args: readonly string[]): Promise<Outcome> => {
    const outcome = await run(...args)
    if (outcome.code === code) return outcome
    throw new Error(
      `aws ${args.join(' ')} ended with ${outcome.code}:\n${outcome.stdout}${outcome.stderr}${server().logs()}`,
    )
  }
  const text = async (...args: readonly string[]) => (await ended(0, args)).stdout
  return {
    run,
    text,
    json: async (...args) => JSON.parse((await text(...args)) || '{}') as Document,
    refusal: async (...args) => (await ended(254, args)).stderr.trim(),
  }
}

function proxied(address: ServiceAddress, proxy: string, folder: Folder): Record<string, string> {
  const style = `[default]\ns3 =\n  addressing_style = ${address.addressingStyle}\n`
  const file = folder.write('aws-config', style)
  return { AWS_CONFIG_FILE: file, HTTP_PROXY: proxy, http_proxy: proxy, NO_PROXY: '' }
}

/** One attempt each: a retry would hide an answer 500. The CLI then adds this remark to every error. */
function withoutRemark(outcome: Outcome): Outcome {
  return { ...outcome, stderr: outcome.stderr.replace(' (reached max retries: 0)', '') }
}
