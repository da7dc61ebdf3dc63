/** What the machine was during a run, and how fast: a figure without it says nothing about another machine. */
import { hash } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { createChecksum } from '../src/s3/checksums.ts'
import { runClient } from './client.ts'
import { credentials } from './servers.ts'

export type Machine = {
  readonly cores: number
  readonly processor: string
  /** Over one minute, when the run began. */
  readonly load: number
  /** The same when it ended: the servers and the client themselves are in it. */
  readonly loadAtEnd: number
  /** 4 KiB written over and flushed: half of the flushes are faster. */
  readonly flushP50Ms: number
  readonly sha256MibPerSecond: number
  readonly md5MibPerSecond: number
  /** CRC64-NVME by what the server computes it with. */
  readonly crc64MibPerSecond: number
  readonly loopbackMibPerSecond: number
}

const mib = 1024 ** 2

/** All but the end. */
export async function measureMachine(
  directory: string,
  seconds: number,
): Promise<Omit<Machine, 'loadAtEnd'>> {
  const load = loadNow()
  const loopback = await runClient({ endpoint: '', credentials }, { workload: 'loopback', seconds })
  const bytes = Buffer.alloc(mib, 1)
  const crc64 = await createChecksum('CRC64NVME')
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    load,
    flushP50Ms: flushP50Ms(directory, seconds),
    sha256MibPerSecond: timesPerSecond(() => hash('sha256', bytes), seconds),
    md5MibPerSecond: timesPerSecond(() => hash('md5', bytes), seconds),
    crc64MibPerSecond: timesPerSecond(() => crc64.update(bytes), seconds),
    loopbackMibPerSecond: Math.round(loopback.bytes / mib / loopback.seconds),
  }
}

export function loadNow(): number {
  return Number(loadavg()[0]?.toFixed(2))
}

export function describeMachine(machine: Machine): string {
  return (
    `${machine.cores} cores (${machine.processor}), load ${machine.load} at the beginning and ${machine.loadAtEnd} at the end, ` +
    `flush p50 ${machine.flushP50Ms} ms, SHA-256 ${machine.sha256MibPerSecond} MiB/s, MD5 ${machine.md5MibPerSecond} MiB/s, ` +
    `CRC64-NVME ${machine.crc64MibPerSecond} MiB/s, loopback ${machine.loopbackMibPerSecond} MiB/s`
  )
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

function timesPerSecond(work: () => void, seconds: number): number {
  const begin = performance.now()
  let count = 0
  while (performance.now() - begin < seconds * 1000) {
    work()
    count += 1
  }
  return Math.round((count * 1000) / (performance.now() - begin))
}
