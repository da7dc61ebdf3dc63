/** What software on this machine can do at most, measured in the same run. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { open } from 'lmdb'
import { safeOptions } from '../src/store/kv/lmdb/environment.ts'
import { runClient } from './client.ts'
import { credentials } from './servers.ts'

export type Limits = {
  /** Durable commits of 500 bytes, 32 at a time, with the options that the server opens its store with. */
  readonly commitsPerSecond: number
  /** Requests to a node:http server that says hello, one at a time and 32. */
  readonly helloPerSecond: { readonly c1: number; readonly c32: number }
}

export async function measureLimits(directory: string, seconds: number): Promise<Limits> {
  return {
    commitsPerSecond: await commitsPerSecond(join(directory, 'commits'), seconds),
    helloPerSecond: await helloPerSecond(seconds),
  }
}

async function commitsPerSecond(path: string, seconds: number): Promise<number> {
  const database = open<Uint8Array, Uint8Array>(
    path,
    safeOptions({ access: 'readWrite', reads: 'scattered' }),
  )
  const value = Buffer.alloc(500, 1)
  const begin = performance.now()
  const end = begin + seconds * 1000
  let count = 0
  const commit = async (): Promise<void> => {
    while (performance.now() < end) {
      const key = Buffer.alloc(8)
      key.writeBigUInt64BE(BigInt(count))
      count += 1
      await database.put(key, value)
    }
  }
  await Promise.all(Array.from({ length: 32 }, commit))
  const perSecond = Math.round((count * 1000) / (performance.now() - begin))
  await database.close()
  return perSecond
}

async function helloPerSecond(seconds: number): Promise<Limits['helloPerSecond']> {
  const server = createServer((_, response) => {
    response.end('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const hello = async (concurrency: number): Promise<number> => {
    const { perSecond } = await runClient(
      { endpoint, credentials },
      { workload: 'hello', concurrency, seconds },
    )
    return Math.round(perSecond)
  }
  const measured = { c1: await hello(1), c32: await hello(32) }
  server.closeAllConnections()
  server.close()
  return measured
}
