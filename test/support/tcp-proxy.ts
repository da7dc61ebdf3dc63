/**
 * A TCP proxy between the thing under test and a real server: it cuts, swallows and refuses as a network
 * does.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export type TcpProxy = {
  readonly port: number
  /** Connections opened through it so far. */
  readonly connectionCount: () => number
  /** Resets every connection and refuses new ones until `restore`. */
  readonly cut: () => void
  /** Resets every connection; new ones are fine. */
  readonly reset: () => void
  /** Keeps connections open but moves no byte of them any more; new ones are fine. A half-open connection. */
  readonly freeze: () => void
  readonly restore: () => void
  readonly close: () => Promise<void>
}

type Pair = { readonly near: Socket; readonly far: Socket }

export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const pairs = new Set<Pair>()
  let isCut = false
  let connectionCount = 0
  const server = createServer({ pauseOnConnect: true }, (near) => {
    connectionCount += 1
    if (isCut) {
      near.resetAndDestroy()
      return
    }
    const far = connect(target)
    const pair = { near, far }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on('error', end).on('close', end)
    near.pipe(far)
    far.pipe(near)
  })
  await listen(server)
  const reset = () => {
    for (const { near, far } of pairs) {
      near.resetAndDestroy()
      far.destroy()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    connectionCount: () => connectionCount,
    cut: () => {
      isCut = true
      reset()
    },
    reset,
    freeze: () => {
      for (const { near, far } of pairs) {
        near.unpipe(far).pause()
        far.unpipe(near).pause()
      }
    },
    restore: () => {
      isCut = false
    },
    close: () => {
      reset()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
}
