import { createServer, type Server } from 'node:http'
import { assert } from '../lib/assert.ts'
import type { OperatorMetrics } from './metrics.ts'

export type HealthOptions = {
  readonly host: string
  readonly port: number
  readonly metrics: OperatorMetrics
  readonly readiness: () => Readiness
}

/** `text` says why, or as what: a replica that stands by is ready. */
export type Readiness = { readonly kind: 'ready' | 'notReady'; readonly text: string }

export type HealthServer = { readonly port: number; readonly close: () => Promise<void> }

/**
 * /healthz answers as long as the event loop turns: an API server or lock server that is away is no reason to
 * restart the pod. /readyz says whether the controllers work or stand by. /metrics is Prometheus' text.
 */
export async function startHealthServer(options: HealthOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const { status, text } = answer(options, request.url ?? '/')
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
    response.end(text)
  })
  await listen(server, options)
  const address = server.address()
  assert(typeof address === 'object' && address !== null, 'a listening server has an address')
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer({ metrics, readiness }: HealthOptions, url: string): { status: number; text: string } {
  switch (url.split('?', 1)[0]) {
    case '/healthz':
      return { status: 200, text: 'ok\n' }
    case '/readyz': {
      const { kind, text } = readiness()
      return { status: kind === 'ready' ? 200 : 503, text: `${text}\n` }
    }
    case '/metrics':
      return { status: 200, text: metrics.render() }
    default:
      return { status: 404, text: 'there is /healthz, /readyz and /metrics\n' }
  }
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
