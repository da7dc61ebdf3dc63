/** An HTTP proxy before a real server that answers some requests itself: a server that does not do what it says. */
import {
  createServer,
  type IncomingMessage,
  type RequestOptions,
  request,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer, text } from 'node:stream/consumers'

export type Lie = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

type Asked = { readonly method: string; readonly target: string }

/** A request on its way: the client has sent all of it, the server has seen nothing of it. */
export type HeldRequest = {
  readonly headers: IncomingMessage['headers']
  /** Lets the server have it; what the server answered, whether the client still waits or not. */
  readonly release: () => Promise<{ readonly status: number; readonly text: string }>
}

export type LyingProxy = {
  readonly endpoint: string
  /** Asked for every request from now on; null: the server answers. */
  readonly lies: (lie: (asked: Asked) => Lie | null) => void
  /** Keeps the next such request from the server; resolves when it has come. */
  readonly hold: (isSuch: (asked: Asked) => boolean) => Promise<HeldRequest>
  readonly close: () => Promise<void>
}

type Trap = { readonly isSuch: (asked: Asked) => boolean; readonly caught: (held: HeldRequest) => void }

export async function startLyingProxy(endpoint: string): Promise<LyingProxy> {
  let lie: Parameters<LyingProxy['lies']>[0] = () => null
  const traps = new Set<Trap>()
  const server = createServer((incoming, response) => {
    const asked = { method: incoming.method ?? '', target: incoming.url ?? '' }
    const trap = [...traps].find(({ isSuch }) => isSuch(asked))
    if (trap !== undefined) {
      traps.delete(trap)
      keep({ endpoint, incoming, response }).then(trap.caught, () => response.destroy())
      return
    }
    const told = lie(asked)
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
    hold: (isSuch) => new Promise((caught) => traps.add({ isSuch, caught })),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Exchange = {
  readonly endpoint: string
  readonly incoming: IncomingMessage
  readonly response: ServerResponse
}

async function keep({ endpoint, incoming, response }: Exchange): Promise<HeldRequest> {
  const body = await buffer(incoming)
  const release: HeldRequest['release'] = () =>
    new Promise((resolve, reject) => {
      const outgoing = request(toServer(endpoint, incoming), (answer) => {
        const status = answer.statusCode ?? 502
        text(answer).then((said) => {
          // The client may have given up.
          response.on('error', () => undefined).writeHead(status, answer.headers)
          response.end(said)
          resolve({ status, text: said })
        }, reject)
      })
      outgoing.on('error', reject).end(body)
    })
  return { headers: incoming.headers, release }
}

/** With the headers as they are: the signature is over the host that the client asked. */
function toServer(endpoint: string, { url, method, headers }: IncomingMessage): RequestOptions {
  const { hostname, port } = new URL(url ?? '/', endpoint)
  return { hostname, port, path: url, method, headers }
}

function forward(endpoint: string, incoming: IncomingMessage, response: ServerResponse): void {
  const outgoing = request(toServer(endpoint, incoming), (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  outgoing.on('error', () => response.destroy())
  incoming.pipe(outgoing)
}
