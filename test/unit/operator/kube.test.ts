import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connectKube, KubeSilenceError, KubeUnreachableError } from '../../../src/operator/kube.ts'
import type { Timers } from '../../../src/operator/timers.ts'
import { createTestAuthority } from '../../support/certificate.ts'
import { ManualTime, settle } from './manual-timers.ts'

const { signal } = new AbortController()

/** An HTTPS server whose connections can fall silent: they stay open and nothing is answered on them any more. */
class SilentServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-kube-'))
  readonly #silent = new Set<Socket>()
  readonly #open = new Set<Socket>()
  /** Requests that came on a silent connection. */
  swallowed = 0
  #held: ServerResponse[] = []
  #holdUntil = 0
  readonly #server: Server
  readonly #caPath: string

  constructor() {
    const authority = createTestAuthority(this.folder)
    const files = authority.issue('server')
    this.#caPath = authority.caPath
    this.#server = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) })
    this.#server.on('secureConnection', (socket: Socket) => {
      this.#open.add(socket)
      socket.on('close', () => this.#open.delete(socket))
    })
    this.#server.on('request', (incoming, outgoing) => {
      if (this.#silent.has(incoming.socket)) {
        this.swallowed += 1
        return
      }
      if (incoming.url?.includes('watch=true')) outgoing.flushHeaders()
      else this.#answer(outgoing)
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const path = join(this.folder, 'kubeconfig.json')
    const server = `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    const document = {
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority': this.#caPath } }],
      users: [{ name: 'test', user: { token: 'token' } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    }
    writeFileSync(path, JSON.stringify(document))
    return path
  }

  /** The next `count` requests are answered together, so that each has a connection of its own. */
  answerTogether(count: number): void {
    this.#holdUntil = count
  }

  get connectionCount(): number {
    return this.#open.size
  }

  fallSilent(): void {
    for (const socket of this.#open) this.#silent.add(socket)
  }

  close(): void {
    for (const socket of this.#open) socket.destroy()
    this.#server.close()
    rmSync(this.folder, { recursive: true })
  }

  #answer(outgoing: ServerResponse): void {
    this.#held.push(outgoing)
    if (this.#held.length < this.#holdUntil) return
    this.#holdUntil = 0
    for (const held of this.#held) held.end('{}')
    this.#held = []
  }
}

/** Deadlines that pass when the test says so; what waits for nothing goes on at once. */
class Deadlines implements Timers {
  readonly #pending = new Set<() => void>()

  after(delayMs: number, run: () => void): () => void {
    if (delayMs === 0) {
      const immediate = setImmediate(run)
      return () => clearImmediate(immediate)
    }
    this.#pending.add(run)
    return () => this.#pending.delete(run)
  }

  pass(): void {
    for (const run of this.#pending) run()
  }
}

let server: SilentServer
let kubeconfig: string

beforeEach(async () => {
  server = new SilentServer()
  kubeconfig = await server.listen()
})

afterEach(() => server.close())

async function connectWithIdle(count: number) {
  const timers = new Deadlines()
  let answered = 0
  const onAnswer = () => {
    answered += 1
  }
  const client = connectKube(
    { kind: 'file', path: kubeconfig },
    { clock: new ManualTime(), timers, onAnswer },
  )
  server.answerTogether(count)
  const get = () => client.send({ method: 'GET', path: '/api' }, signal)
  await Promise.all(Array.from({ length: count }, get))
  expect(server.connectionCount).toBe(count)
  return { client, get, timers, answeredCount: () => answered }
}

/** Requests go over real sockets: no promise of the client says that the server has one. */
async function happens(condition: () => boolean): Promise<void> {
  while (!condition()) await settle()
}

test('KubeClient: one request found its connection silent, the other idle ones are not tried', async () => {
  const { get, timers } = await connectWithIdle(4)
  server.fallSilent()
  const failing = expect(get()).rejects.toThrow(KubeUnreachableError)
  await happens(() => server.swallowed === 1)
  timers.pass()
  await failing
  server.answerTogether(4)
  expect(await Promise.all([get(), get(), get(), get()])).toEqual([{}, {}, {}, {}])
  expect(server.swallowed).toBe(1)
})

test('KubeClient: the caller gave up a request that nobody answered, the other idle connections are not tried', async () => {
  const { client, get } = await connectWithIdle(3)
  server.fallSilent()
  const patience = new AbortController()
  const given = expect(client.send({ method: 'GET', path: '/api' }, patience.signal)).rejects.toThrow()
  await happens(() => server.swallowed === 1)
  patience.abort()
  await given
  server.answerTogether(3)
  expect(await Promise.all([get(), get(), get()])).toEqual([{}, {}, {}])
  expect(server.swallowed).toBe(1)
})

test('KubeClient: a watch fell silent, the idle connections beside it are not tried', async () => {
  const { client, get, timers, answeredCount } = await connectWithIdle(3)
  const lines = client.watch({ method: 'GET', path: '/api', query: { watch: 'true' } }, signal)
  const silent = expect(lines.next()).rejects.toThrow(KubeSilenceError)
  await happens(() => answeredCount() === 4)
  await settle()
  server.fallSilent()
  timers.pass()
  await silent
  expect(await get()).toEqual({})
  expect(server.swallowed).toBe(0)
})
