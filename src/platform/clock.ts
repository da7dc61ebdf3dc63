/** The real clock: the only place that reads the machine's time. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Clock } from '../lib/clock.ts'
import { epochMs } from '../lib/units.ts'

const bootIdFile = '/proc/sys/kernel/random/boot_id'

/**
 * Uptime is CLOCK_MONOTONIC: one count for all processes of one boot, which no one can set. A suspended
 * machine does
 * not count it, so trusted time is late after a suspend, never early.
 */
export function systemClock(): Clock {
  const bootId = readBootId()
  return {
    wallMs: () => epochMs(Date.now()),
    uptimeMs: systemUptimeMs,
    bootId: () => bootId,
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
