/** The session in the README, run beside `holdfast standalone` as a newcomer would type it. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { clientEnvironment, runCommand } from '../support/clients/command.ts'
import { makeDirectory, root, startStandalone } from '../support/standalone.ts'

const readmePath = join(root, 'README.md')
const separator = '\u001e'
const adminEndpoint = 'http://127.0.0.1:9001'
const s3Endpoint = 'http://127.0.0.1:9000'

/** What differs from run to run. */
function comparable(text: string): string {
  return text
    .replaceAll(/\b001[0-9A-Z]{29}\b/g, 'VERSION')
    .replaceAll(/\bHOLD[0-9A-Z]{16}\b/g, 'KEY')
    .replaceAll(/\b20\d\d-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b\d+ bytes/g, 'N bytes')
}

/** The commands with what they print. */
async function record(commands: readonly string[]): Promise<string> {
  const directory = makeDirectory()
  const server = startStandalone(directory)
  await server.printed(/LockedBucket default\/ledger: Ready/)
  await server.printed(/LockedBucket default\/backups: Ready/)
  mkdirSync(join(directory, 'examples'))
  symlinkSync(server.manifests, join(directory, 'examples/quickstart'))
  symlinkSync(join(root, 'bin'), join(directory, 'bin'))
  copyFileSync(readmePath, join(directory, 'README.md'))
  const admin = /Admin API\s+(\S+)/.exec(server.output())?.[1] ?? ''
  const { AWS_MAX_ATTEMPTS: _, ...environment } = clientEnvironment(directory)
  const env = {
    ...environment,
    // The AWS CLI of a pip package may be before Debian's in the PATH.
    PATH: `${dirname(process.execPath)}:/usr/bin:${environment['PATH']}`,
    HOLDFAST_SERVER_ADMIN: admin,
    HOLDFAST_SERVER_S3: server.endpoint(),
  }
  const script = commands.map((command) => `${command}\nprintf '${separator}'\n`).join('')
  const typed = `exec 2>&1\n${script}`.replaceAll(s3Endpoint, server.endpoint())
  const { stdout } = await runCommand('bash', ['-c', typed], { env, directory })
  const answers = stdout
    .replaceAll(server.endpoint(), s3Endpoint)
    .replaceAll(admin, adminEndpoint)
    .split(separator)
  const lines = commands.map((command, index) => `$ ${command}\n${(answers[index] ?? '').replace(/^\n/, '')}`)
  return lines.join('')
}

test('README: the session beside npm start prints what it says', async () => {
  const readme = readFileSync(readmePath, 'utf8')
  const block = /<!-- transcript: a session [^>]*-->\n```text\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const commands = [...block.matchAll(/^\$ (.*)$/gm)].map(([, command = '']) => command)
  expect(commands.length).toBeGreaterThan(5)
  const recorded = await record(commands)
  const isSame = comparable(recorded) === comparable(block)
  await expect(isSame ? readme : readme.replace(block, () => recorded)).toMatchFileSnapshot(readmePath)
})
