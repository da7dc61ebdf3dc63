/** A Clock that a test moves by writing a file: the machine's time plus shifts. Never in src. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Clock } from '../../src/lib/clock.ts'
import { epochMs } from '../../src/lib/units.ts'
import { systemClock } from '../../src/platform/clock.ts'

export type ClockShift = {
  readonly wallShiftMs: number
  readonly uptimeShiftMs: number
  /** null: the machine's own. */
  readonly bootId: string | null
}

export const unshifted: ClockShift = { wallShiftMs: 0, uptimeShiftMs: 0, bootId: null }

export function writeClockShift(path: string, shift: ClockShift): void {
  writeFileSync(`${path}.new`, JSON.stringify(shift))
  renameSync(`${path}.new`, path)
}

export function fileClock(path: string): Clock {
  const machine = systemClock()
  const shift = (): ClockShift => JSON.parse(readFileSync(path, 'utf8')) as ClockShift
  return {
    wallMs: () => epochMs(machine.wallMs() + shift().wallShiftMs),
    uptimeMs: () => machine.uptimeMs() + shift().uptimeShiftMs,
    bootId: () => shift().bootId ?? machine.bootId(),
  }
}

/** Set by test/support/server.ts for the server process and, inherited, its workers. */
export const clockFileVariable = 'HOLDFAST_TEST_CLOCK_FILE'

export function clockOfEnvironment(): Clock {
  const path = process.env[clockFileVariable]
  return path === undefined ? systemClock() : fileClock(path)
}
