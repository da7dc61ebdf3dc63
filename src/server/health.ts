import { createServer } from 'node:http'
import type { ListenAddress } from '../config/values.ts'

export type Health =
  | { readonly kind: 'ready' }
  | { readonly kind: 'notReady'; readonly reasons: readonly string[] }

export type HealthSources = {
  readonly readiness: () => Promise<Health>
  /** The text format of Prometheus. */
  readonly metrics: () => Promise<string>
}

/**
 * /healthz: the process turns. /readyz: it may take requests, or why not. Plain text, nothing that is secret.
 */
export function listenHealth(
  { host, port }: ListenAddress,
  { readiness, metrics }: HealthSources,
): Promise<{ close: () => Promise<void> }> {
  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    const answer = (status: number, text: string) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
      response.end(`${text}\n`)
    }
    if (request.url === '/healthz') return answer(200, 'ok')
    if (request.url === '/metrics') {
      return metrics().then(
        (text) => {
          response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
          response.end(text)
        },
        (error: unknown) => answer(503, error instanceof Error ? error.message : 'no metrics'),
      )
    }
    if (request.url !== '/readyz') return answer(404, 'there are /healthz, /readyz and /metrics')
    return readiness().then(
      (health) => (health.kind === 'ready' ? answer(200, 'ok') : answer(503, health.reasons.join('\n'))),
      (error: unknown) => answer(503, error instanceof Error ? error.message : 'not ready'),
    )
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      resolve({
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            server.closeAllConnections()
          }),
      })
    })
  })
}
