/** The server of the tests: the same supervisor and workers as the release, on a Clock that a file drives. */
import { createLog } from '../../src/platform/log.ts'
import type { ServerOptions } from '../../src/server/messages.ts'
import { startServer } from '../../src/server/supervisor.ts'
import { clockOfEnvironment } from './file-clock.ts'

export type ServerMainMessage =
  | { readonly kind: 'loaded' }
  | {
      readonly kind: 'started'
      readonly s3Endpoint: string
      readonly s3TlsEndpoint: string | null
      readonly adminEndpoint: string
      readonly metricsEndpoint: string
      readonly volumeId: string
    }
  | { readonly kind: 'failed'; readonly reason: string }

function tell(message: ServerMainMessage): void {
  process.send?.(message)
}

async function run(options: ServerOptions): Promise<void> {
  const log = createLog({ level: options.logLevel, component: 'server' })
  const workerModule = new URL('./worker-main.ts', import.meta.url)
  const server = await startServer(options, { clock: clockOfEnvironment(), log, workerModule })
  const stop = (): void => {
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
  server.failed.then(() => process.exit(1)).catch(() => process.exit(1))
  const { s3Endpoint, s3TlsEndpoint, adminEndpoint, metricsEndpoint, volumeId } = server
  tell({ kind: 'started', s3Endpoint, s3TlsEndpoint, adminEndpoint, metricsEndpoint, volumeId })
}

process.once('message', (options: ServerOptions) => {
  run(options).catch((error: unknown) => {
    tell({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : 'no reason' })
  })
})
tell({ kind: 'loaded' })
