import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import type { ListenAddress } from '../config/values.ts'

/**
 * Below the range from which the kernel takes ports for outgoing connections, so a stopped server keeps its
 * own.
 */
const firstPort = 10_000
const lastPort = 32_000
const triesMax = 64

/**
 * Port 0 becomes a free one that is none of `taken`: workers must all listen on the same, also after a
 * restart.
 */
export async function settlePort(
  { host, port }: ListenAddress,
  taken: readonly ListenAddress[],
): Promise<ListenAddress> {
  if (port !== 0) return { host, port }
  for (let tries = 0; tries < triesMax; tries += 1) {
    const candidate = randomInt(firstPort, lastPort)
    if (taken.some((other) => other.port === candidate)) continue
    if (await isFree(host, candidate)) return { host, port: candidate }
  }
  throw new Error(`no free port found on ${host} in ${triesMax} tries from ${firstPort} to ${lastPort}`)
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** `http://127.0.0.1:9000`: a wildcard is shown as the loopback address, by which this machine reaches it. */
export function endpointOf({ host, port }: ListenAddress, scheme: 'http' | 'https'): string {
  const reachable = host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host
  return `${scheme}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}
