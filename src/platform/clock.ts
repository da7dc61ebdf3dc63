/** The real clock: the only place that reads the machine's time. */
import { randomUUID } from 'node:crypto'
import { openSync, readFileSync, readSync, statfsSync } from 'node:fs'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { epochMs } from '../lib/units.ts'

const bootIdFile = '/proc/sys/kernel/random/boot_id'

const uptimeFile = '/proc/uptime'
/** statfs's type of a file that the kernel writes itself; what a container's tools put over it is of another. */
const procFileSystem = 0x9fa0
/** /proc/uptime has two decimals, cut off. */
const uptimeFileStepMs = 10

/**
 * Uptime is CLOCK_MONOTONIC: one count for all processes of one boot, which no one can set. A suspended
 * machine does not count it, so trusted time is late after a suspend, never early. A library that was put before libc
 * (LD_PRELOAD, libfaketime) can make it say anything: it is believed as far as the kernel's own count, which is
 * never behind it.
 */
export function systemClock(): Clock {
  const bootId = readBootId()
  const kernelUptimeMs = kernelUptime()
  let monotonicMs = Number.NEGATIVE_INFINITY
  let uptimeMs = monotonicMs
  return {
    wallMs: () => epochMs(Date.now()),
    uptimeMs() {
      const now = systemUptimeMs()
      // Asked again within the millisecond, the kernel need not be: what it said then is not beyond what it would say now.
      if (now !== monotonicMs) {
        monotonicMs = now
        uptimeMs = Math.min(now, kernelUptimeMs() + uptimeFileStepMs)
      }
      return uptimeMs
    },
    bootId: () => bootId,
  }
}

/** Reads /proc/uptime by one descriptor, for the life of the process. Without the kernel's file it bounds nothing. */
function kernelUptime(): () => number {
  const isKernels = statfsOrNull(uptimeFile)?.type === procFileSystem
  if (!isKernels) return () => Number.POSITIVE_INFINITY
  const descriptor = openSync(uptimeFile, 'r')
  const line = Buffer.alloc(64)
  return () => {
    const lengthBytes = readSync(descriptor, line, 0, line.length, 0)
    const seconds = Number.parseFloat(line.toString('latin1', 0, lengthBytes))
    assert(Number.isFinite(seconds), 'the kernel counts its uptime')
    return Math.round(seconds * 1000)
  }
}

function statfsOrNull(path: string): ReturnType<typeof statfsSync> | null {
  try {
    return statfsSync(path)
  } catch {
    return null
  }
}

/** Whole milliseconds of CLOCK_MONOTONIC. */
export function systemUptimeMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/**
 * Without the kernel's file every process counts as a boot of its own: uptime of another is then not
 * believed.
 */
export function readBootId(path: string = bootIdFile): string {
  try {
    const bootId = readFileSync(path, 'utf8').trim()
    return bootId === '' ? randomUUID() : bootId
  } catch {
    return randomUUID()
  }
}
