import { systemClock } from '../platform/clock.ts'
import { createLog } from '../platform/log.ts'
import { startServer } from '../server/supervisor.ts'
import { commandSettings } from './command-settings.ts'
import { CredentialsError, credentialsOf } from './credentials.ts'
import { serverFailure, serverOptions, serverSettingNames, workerModule } from './server-options.ts'

const names = [...serverSettingNames, 'operatorAccessKeyId', 'operatorSecretAccessKey'] as const

/** `holdfast server`: until SIGTERM, then running requests are finished. Exit codes: 0 stopped, 1 failed, 2 wrong use. */
export async function serverCommand(argv: readonly string[]): Promise<number> {
  const summary = 'The S3 lock server: S3 API, admin API, health. Keys come from the environment.'
  const settings = commandSettings({ command: 'holdfast server', summary, names }, argv)
  if (settings.kind === 'exit') return settings.code
  const { values } = settings
  const log = createLog({ level: values.logLevel, component: 'server' })
  const stopped = new Promise<null>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve(null))
  })
  try {
    const root = credentialsOf(values.accessKeyId, values.secretAccessKey)
    const operator = credentialsOf(values.operatorAccessKeyId, values.operatorSecretAccessKey)
    if (root === null || operator === null) {
      throw new CredentialsError(
        'set HOLDFAST_ACCESS_KEY_ID, HOLDFAST_SECRET_ACCESS_KEY (root) and HOLDFAST_OPERATOR_ACCESS_KEY_ID, ' +
          'HOLDFAST_OPERATOR_SECRET_ACCESS_KEY (operator)',
      )
    }
    const server = await startServer(serverOptions(values, { root, operator }), {
      clock: systemClock(),
      log,
      workerModule,
    })
    log.info(
      { s3: server.s3Endpoint, admin: server.adminEndpoint, health: server.metricsEndpoint },
      'serving',
    )
    const failure = await Promise.race([stopped, server.failed])
    await server.stop()
    if (failure !== null) throw failure
    log.info({}, 'stopped')
    return 0
  } catch (error) {
    process.stderr.write(`holdfast server: ${serverFailure(error)}\n`)
    return error instanceof CredentialsError ? 2 : 1
  }
}
