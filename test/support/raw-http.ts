/** Bytes over a socket, for requests that no HTTP client would write, and for answers that come early. */
import { connect, type Socket } from 'node:net'
import type { Wire } from './s3-client.ts'

export type RawConnection = {
  readonly socket: Socket
  readonly write: (bytes: string | Uint8Array) => void
  /** Resolves with all that came as soon as `pattern` is in it. Rejects when the connection ends before. */
  readonly until: (pattern: RegExp) => Promise<string>
  /** Resolves with all that came when the server has ended the connection. */
  readonly ended: () => Promise<string>
  readonly close: () => void
}

export async function openConnection(endpoint: string): Promise<RawConnection> {
  const { hostname, port } = new URL(endpoint)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: false })
  let text = ''
  let isEnded = false
  let waiting: (() => void)[] = []
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve()
  }
  socket.on('data', (piece) => {
    text += piece.toString('latin1')
    wake()
  })
  // A reset after the answer ends the connection as well as a FIN does.
  socket.on('error', () => {})
  socket.on('close', () => {
    isEnded = true
    wake()
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve())
    socket.once('error', reject)
  })
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      waiting = [...waiting, resolve]
    })
  return {
    socket,
    write: (bytes) => {
      if (!isEnded) socket.write(bytes)
    },
    until: async (pattern) => {
      while (!pattern.test(text)) {
        if (isEnded) throw new Error(`the connection ended with:\n${text}`)
        await change()
      }
      return text
    },
    ended: async () => {
      while (!isEnded) await change()
      return text
    },
    close: () => socket.destroy(),
  }
}

/** The head of a signed request as it goes on the wire. */
export function headText(wire: Wire, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ ...wire.headers, ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `${wire.method} ${wire.target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}
