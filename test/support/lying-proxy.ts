/** An HTTP proxy before a real server that answers some requests itself: a server that does not do what it says. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Lie = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export type LyingProxy = {
  readonly endpoint: string
  /** Asked for every request from now on; null: the server answers. */
  readonly lies: (lie: (asked: { readonly method: string; readonly target: string }) => Lie | null) => void
  readonly close: () => Promise<void>
}

export async function startLyingProxy(endpoint: string): Promise<LyingProxy> {
  let lie: Parameters<LyingProxy['lies']>[0] = () => null
  const server = createServer((incoming, response) => {
    const told = lie({ method: incoming.method ?? '', target: incoming.url ?? '' })
    if (told === null) forward(endpoint, incoming, response)
    else {
      incoming.resume()
      response.writeHead(told.status, told.headers).end(told.body)
    }
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lies: (next) => {
      lie = next
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** With the headers as they are: the signature is over the host that the client asked. */
function forward(endpoint: string, incoming: IncomingMessage, response: ServerResponse): void {
  const target = new URL(incoming.url ?? '/', endpoint)
  const { hostname, port } = target
  const options = { hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers }
  const outgoing = request(options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  outgoing.on('error', () => response.destroy())
  incoming.pipe(outgoing)
}
