/** What this machine can do at most, measured in the same run: a figure without it says nothing about another machine. */
import { hash } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { runClient } from './client.ts'

export type Machine = {
  readonly cores: number
  readonly processor: string
  /** Over one minute, when the run began. */
  readonly load: number
  /** 4 KiB written over and flushed: half of the flushes are faster. */
  readonly flushP50Ms: number
  readonly sha256MibPerSecond: number
  readonly md5MibPerSecond: number
  readonly loopbackMibPerSecond: number
}

export type Limits = {
  /** Durable commits of 500 bytes, 32 at a time, with the options that the server opens its store with. */
  readonly commitsPerSecond: number
  /** Requests to a node:http server that says hello, 32 at a time. */
  readonly helloPerSecond: number
}

const mib = 1024 ** 2

export async function measureMachine(directory: string, seconds: number): Promise<Machine> {
  const loopback = await runClient('', { workload: 'loopback', seconds })
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    load: Number(loadavg()[0]?.toFixed(2)),
    flushP50Ms: flushP50Ms(directory, seconds),
    sha256MibPerSecond: hashSpeed('sha256', seconds),
    md5MibPerSecond: hashSpeed('md5', seconds),
    loopbackMibPerSecond: Math.round(loopback.bytes / mib / loopback.seconds),
  }
}

function flushP50Ms(directory: string, seconds: number): number {
  const path = join(directory, 'flushed')
  const descriptor = openSync(path, 'w')
  const page = Buffer.alloc(4096, 1)
  const took: number[] = []
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const begin = performance.now()
    writeSync(descriptor, page, 0, page.length, 0)
    fdatasyncSync(descriptor)
    took.push(performance.now() - begin)
  }
  closeSync(descriptor)
  rmSync(path)
  return Number(took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]?.toFixed(3))
}

function hashSpeed(algorithm: 'sha256' | 'md5', seconds: number): number {
  const bytes = Buffer.alloc(mib, 1)
  const begin = performance.now()
  let count = 0
  while (performance.now() - begin < seconds * 1000) {
    hash(algorithm, bytes)
    count += 1
  }
  return Math.round((count * 1000) / (performance.now() - begin))
}

export async function measureLimits(directory: string, seconds: number): Promise<Limits> {
  return {
    commitsPerSecond: await commitsPerSecond(join(directory, 'commits'), seconds),
    helloPerSecond: await helloPerSecond(seconds),
  }
}

async function commitsPerSecond(path: string, seconds: number): Promise<number> {
  const database = open({ path, overlappingSync: false, keyEncoding: 'binary', encoding: 'binary' })
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

async function helloPerSecond(seconds: number): Promise<number> {
  const server = createServer((_, response) => {
    response.end('hello')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a port is a number')
  const endpoint = `http://127.0.0.1:${address.port}`
  const { perSecond } = await runClient(endpoint, { workload: 'hello', concurrency: 32, seconds })
  server.closeAllConnections()
  server.close()
  return Math.round(perSecond)
}

/** The commit of a flush log of strace: how many flushes it has. LMDB's root is one more, which no call names. */
export function countFlushes(path: string): number {
  const lines = readFileSync(path, 'utf8').split('\n')
  const calls = lines.filter((line) => /\b(fsync|fdatasync|sync_file_range)\(/.test(line))
  // The root of a commit is written with O_DSYNC right after the flush of its pages: a flush too.
  return calls.length + calls.filter((line) => line.includes('data.mdb')).length
}
