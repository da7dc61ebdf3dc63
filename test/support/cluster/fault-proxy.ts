/**
 * An HTTPS proxy of the test between an operator and the API server: it speaks HTTP, so it can answer by itself, rewrite
 * documents, cut events in half, go silent and count. Only clients that are given its kubeconfig go through it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Agent, createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import { tokenOf, type UserName } from './users.ts'

export type SeenRequest = {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly isWatch: boolean
  /** performance.now() when it came. */
  readonly atMs: number
}

export type OwnAnswer = {
  readonly status: number
  readonly headers?: OutgoingHttpHeaders
  readonly body: object
}

export type Faults = {
  /** Answers instead of the API server; null: it answers itself. */
  readonly answer?: (request: SeenRequest) => OwnAnswer | null
  /** Once the API server has answered what is no watch: `none`, the connection breaks off; an answer, in place of its own. */
  readonly afterwards?: (request: SeenRequest) => 'pass' | 'none' | OwnAnswer
  /** Changes a document that is no watch; `undefined`: not this one. */
  readonly rewrite?: (request: SeenRequest, document: unknown) => unknown
  /** What happens to the next piece of a watch. */
  readonly event?: (request: SeenRequest) => 'pass' | 'halfThenReset'
}

export type FaultProxy = {
  /** A kubeconfig file of this user that leads through the proxy. */
  readonly kubeconfig: (user: UserName) => string
  /** Everything that came, in order. */
  readonly requests: readonly SeenRequest[]
  /** Replaces the faults that are there. */
  readonly inject: (faults: Faults) => void
  /** Every connection that is open now stays open and moves no byte any more; new ones are fine. */
  readonly blackHole: () => void
  /** Nothing moves, in no connection, until `resume`. */
  readonly pause: () => void
  readonly resume: () => void
  /** Resets every connection and refuses new ones until `restore`. */
  readonly cut: () => void
  readonly restore: () => void
  readonly close: () => Promise<void>
}

export async function startFaultProxy(cluster: Cluster): Promise<FaultProxy> {
  const proxy = new RunningProxy(cluster)
  await proxy.listen()
  return proxy
}

class RunningProxy implements FaultProxy {
  readonly requests: SeenRequest[] = []
  readonly #cluster: Cluster
  readonly #server: Server
  readonly #agent: Agent
  readonly #directory = mkdtempSync(join(tmpdir(), 'holdfast-proxy-'))
  /** Open connections; below TLS, because only there a reset is possible. */
  readonly #sockets = new Map<number, Socket>()
  readonly #holes = new Set<number>()
  #faults: Faults = {}
  #isCut = false
  #gate: { readonly opened: Promise<void>; readonly open: () => void } | null = null

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    const { directory, caPath } = cluster.address
    this.#agent = new Agent({ keepAlive: true, ca: readFileSync(caPath) })
    this.#server = createServer({
      cert: readFileSync(join(directory, 'server.crt')),
      key: readFileSync(join(directory, 'server.key')),
    })
    this.#server.on('connection', (socket: Socket) => this.#connected(socket))
    this.#server.on('tlsClientError', () => undefined)
    this.#server.on('request', (incoming, outgoing) => {
      this.#handle(incoming, outgoing).catch(() => outgoing.destroy())
    })
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: '127.0.0.1', port: 0 }, resolve)
    })
  }

  kubeconfig(user: UserName): string {
    const { caPath, tokens } = this.#cluster.address
    const { port } = this.#server.address() as AddressInfo
    const path = join(this.#directory, `${user}.json`)
    const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': caPath }
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user: { token: tokenOf(tokens, user) } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    }
    writeFileSync(path, JSON.stringify(kubeconfig), { mode: 0o600 })
    return path
  }

  inject(faults: Faults): void {
    this.#faults = faults
  }

  blackHole(): void {
    for (const port of this.#sockets.keys()) this.#holes.add(port)
  }

  pause(): void {
    if (this.#gate !== null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#gate = { opened: promise, open: resolve }
  }

  resume(): void {
    this.#gate?.open()
    this.#gate = null
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets.values()) socket.resetAndDestroy()
  }

  restore(): void {
    this.#isCut = false
  }

  async close(): Promise<void> {
    this.resume()
    this.cut()
    this.#agent.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #connected(socket: Socket): void {
    if (this.#isCut) {
      socket.resetAndDestroy()
      return
    }
    const port = socket.remotePort ?? 0
    this.#sockets.set(port, socket)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#sockets.delete(port)
      this.#holes.delete(port)
    })
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/'
    const method = incoming.method ?? 'GET'
    const request = { method, path, isWatch: path.includes('watch=true'), atMs: performance.now() }
    this.requests.push(request)
    const body = await collect(incoming)
    await this.#gate?.opened
    if (this.#isHole(incoming)) return
    const own = this.#faults.answer?.(request) ?? null
    if (own !== null) {
      sendOwn(own, outgoing)
      return
    }
    const answer = await this.#forward(incoming, body, outgoing)
    const afterwards = request.isWatch ? 'pass' : (this.#faults.afterwards?.(request) ?? 'pass')
    if (afterwards !== 'pass') {
      await collect(answer)
      if (afterwards === 'none') outgoing.destroy()
      else sendOwn(afterwards, outgoing)
      return
    }
    if (this.#faults.rewrite !== undefined && !request.isWatch && answer.statusCode === 200) {
      await this.#sendRewritten(request, answer, outgoing)
      return
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    // A watch is open before its first event.
    outgoing.flushHeaders()
    for await (const chunk of answer) {
      await this.#gate?.opened
      if (this.#isHole(incoming)) continue
      if (request.isWatch && this.#faults.event?.(request) === 'halfThenReset') {
        const piece = chunk as Buffer
        outgoing.write(piece.subarray(0, Math.ceil(piece.length / 2)), () =>
          this.#socketOf(incoming)?.resetAndDestroy(),
        )
        return
      }
      outgoing.write(chunk)
    }
    outgoing.end()
  }

  /** The API server's answer; it is given up as soon as the client goes. */
  #forward(incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const url = `${this.#cluster.endpoint}${incoming.url ?? '/'}`
      const { host: _host, connection: _connection, ...headers } = incoming.headers
      const { method } = incoming
      const options = { ...(method === undefined ? {} : { method }), headers, agent: this.#agent }
      const forwarded = httpsRequest(url, options, resolve)
      forwarded.on('error', reject)
      outgoing.on('close', () => forwarded.destroy())
      forwarded.end(body)
    })
  }

  async #sendRewritten(
    request: SeenRequest,
    answer: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    const text = (await collect(answer)).toString('utf8')
    const document: unknown = JSON.parse(text)
    const rewritten = this.#faults.rewrite?.(request, document)
    const { 'content-length': _length, 'content-encoding': _encoding, ...headers } = answer.headers
    outgoing.writeHead(answer.statusCode ?? 502, headers)
    outgoing.end(JSON.stringify(rewritten === undefined ? document : rewritten))
  }

  #socketOf(incoming: IncomingMessage): Socket | undefined {
    return this.#sockets.get(incoming.socket.remotePort ?? 0)
  }

  #isHole(incoming: IncomingMessage): boolean {
    return this.#holes.has(incoming.socket.remotePort ?? 0)
  }
}

function sendOwn({ status, headers, body }: OwnAnswer, outgoing: ServerResponse): void {
  outgoing.writeHead(status, { 'content-type': 'application/json', ...headers })
  outgoing.end(JSON.stringify(body))
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
