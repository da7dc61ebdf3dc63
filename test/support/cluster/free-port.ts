import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the kernel's ephemeral range (32768 and up): no outgoing connection and no listener on port 0 can take the
 * port of an API server while a test has it stopped.
 */
const PORT_MIN = 20_000
const PORT_MAX = 30_000
const ATTEMPTS_MAX = 50

/** A TCP port on 127.0.0.1 on which nothing listens, never one of `taken`. */
export async function freePort(taken: readonly number[]): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = randomInt(PORT_MIN, PORT_MAX)
    if (!taken.includes(port) && (await canListen(port))) return port
  }
  throw new Error(`no free port on 127.0.0.1 from ${PORT_MIN} to ${PORT_MAX} in ${ATTEMPTS_MAX} attempts`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
