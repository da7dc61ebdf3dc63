/** HTTP/1.1 over a bare socket: sends any bytes, reads answers one by one, and sees how the connection goes on. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Wire } from '../../support/s3-client.ts'
import { unescapedXml } from '../../support/xml-text.ts'

export type RawAnswer = {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** Head and body as they came, latin1. */
  readonly all: string
  readonly element: (name: string) => string | null
}

export type Exchange = {
  readonly write: (bytes: Uint8Array) => void
  /** Resolves when all of it is on its way. Rejects when the connection broke before. */
  readonly writeAll: (bytes: Uint8Array) => Promise<void>
  /** No more bytes will be sent; what the server says is still read. */
  readonly finish: () => void
  /** The next answer after interim ones; null when the server ended the connection instead. */
  readonly answer: (method: string) => Promise<RawAnswer | null>
  /** Resolves with what came after the last answer, when the server has ended the connection. */
  readonly ended: () => Promise<string>
  readonly close: () => void
}

export async function openExchange(endpoint: string): Promise<Exchange> {
  const { hostname, port } = new URL(endpoint)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  await once(socket, 'connect')
  const inbox = new Inbox(socket)
  return {
    write: (bytes) => {
      if (socket.writable) socket.write(bytes)
    },
    writeAll: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(error) : resolve()))
      }),
    finish: () => socket.end(),
    answer: (method) => readAnswer(inbox, method),
    ended: async () => {
      while (await inbox.more());
      return inbox.take(inbox.length).toString('latin1')
    },
    close: () => socket.destroy(),
  }
}

/** What a socket received and nobody read yet. */
class Inbox {
  #bytes: Buffer = Buffer.alloc(0)
  #isEnded = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    socket.on('data', (piece: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, piece])
      this.#wake()
    })
    // A reset after the answer ends the connection as well as a FIN does.
    socket.on('error', () => {})
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#isEnded = true
        this.#wake()
      })
    }
  }

  get length(): number {
    return this.#bytes.length
  }

  indexOf(text: string): number {
    return this.#bytes.indexOf(text)
  }

  take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }

  /** Waits for the next bytes; false: there will be none. */
  async more(): Promise<boolean> {
    const before = this.#bytes.length
    while (this.#bytes.length === before) {
      if (this.#isEnded) return false
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return true
  }

  async until(text: string): Promise<Buffer | null> {
    while (this.indexOf(text) === -1) if (!(await this.more())) return null
    return this.take(this.indexOf(text) + text.length)
  }

  async exactly(count: number): Promise<Buffer> {
    while (this.length < count) {
      if (!(await this.more())) throw new Error(`the answer ends after ${this.length} of ${count} bytes`)
    }
    return this.take(count)
  }
}

async function readAnswer(inbox: Inbox, method: string): Promise<RawAnswer | null> {
  const head = await inbox.until('\r\n\r\n')
  if (head === null) return null
  const [statusLine = '', ...lines] = head.toString('latin1').trimEnd().split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1] ?? Number.NaN)
  if (Number.isNaN(status)) throw new Error(`this is no answer: ${head.toString('latin1')}`)
  if (status === 100) return readAnswer(inbox, method)
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304
  const body = hasBody ? await readBody(inbox, headers) : Buffer.alloc(0)
  return toAnswer(status, headers, head, body)
}

async function readBody(inbox: Inbox, headers: Readonly<Record<string, string>>): Promise<Buffer> {
  if (headers['transfer-encoding'] !== 'chunked') return inbox.exactly(Number(headers['content-length']))
  const pieces: Buffer[] = []
  for (;;) {
    const sizeBytes = Number.parseInt((await inbox.until('\r\n'))?.toString('latin1') ?? '0', 16)
    pieces.push(await inbox.exactly(sizeBytes))
    await inbox.exactly(2)
    if (sizeBytes === 0) return Buffer.concat(pieces)
  }
}

function toAnswer(
  status: number,
  headers: Readonly<Record<string, string>>,
  head: Buffer,
  body: Buffer,
): RawAnswer {
  const text = body.toString('utf8')
  const element = (name: string): string | null => {
    const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
    return found === undefined ? null : unescapedXml(found)
  }
  return { status, headers, text, all: Buffer.concat([head, body]).toString('latin1'), element }
}

/** Head and body of a request; `lines` go in besides its headers, also ones that are there already. */
export function requestBytes(wire: Wire, lines: readonly string[] = []): Buffer {
  const headers = Object.entries(wire.headers).map(([name, value]) => `${name}: ${value}`)
  const head = `${wire.method} ${wire.target} HTTP/1.1\r\n${[...headers, ...lines].join('\r\n')}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), wire.body])
}
