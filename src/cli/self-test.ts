import { randomBytes } from 'node:crypto'
import { HoldBrokenError, proveHold } from '../client/hold-proof.ts'
import { ServerRefusedError, ServerUnreachableError } from '../client/lock-server.ts'
import { SettingError } from '../config/values.ts'
import { commandSettings } from './command-settings.ts'
import { CredentialsError, credentialsOf } from './credentials.ts'
import { serverTrust } from './server-trust.ts'

const names = ['serverS3', 'serverCa', 'region', 'accessKeyId', 'secretAccessKey'] as const
const timeoutMs = 10_000

/**
 * `holdfast self-test`: proves through S3 that a version under legal hold cannot be deleted. Exit codes: 0 it holds, 1 the
 * server could not be asked or refused a step, 2 wrong use, 3 the hold is broken.
 */
export async function selfTestCommand(argv: readonly string[]): Promise<number> {
  const summary =
    'Proves that a held version cannot be deleted, in a bucket of its own that it removes again. Exit 3: it could be.'
  const settings = commandSettings({ command: 'holdfast self-test', summary, names }, argv)
  if (settings.kind === 'exit') return settings.code
  const { serverS3, serverCa, region, accessKeyId, secretAccessKey } = settings.values
  try {
    const credentials = credentialsOf(accessKeyId, secretAccessKey)
    if (credentials === null) {
      throw new CredentialsError('set HOLDFAST_ACCESS_KEY_ID and HOLDFAST_SECRET_ACCESS_KEY')
    }
    await proveHold({
      endpoint: serverS3,
      region,
      ...credentials,
      timeoutMs,
      trust: serverTrust(serverCa),
      bucket: `self-test-${randomBytes(8).toString('hex')}`,
      onStep: (sentence) => process.stdout.write(`${sentence}\n`),
    })
    process.stdout.write('proved: what is held cannot be deleted\n')
    return 0
  } catch (error) {
    return explain(error)
  }
}

function explain(error: unknown): number {
  const isWrongUse = error instanceof CredentialsError || error instanceof SettingError
  const isAnswer = error instanceof ServerRefusedError || error instanceof ServerUnreachableError
  const isBroken = error instanceof HoldBrokenError
  if (!isWrongUse && !isAnswer && !isBroken) throw error
  process.stderr.write(`holdfast self-test: ${error.message}\n`)
  if (isWrongUse) return 2
  return isBroken ? 3 : 1
}
