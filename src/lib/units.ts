import { assert } from './assert.ts'

declare const unit: unique symbol

/** Whole milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number & { readonly [unit]: 'EpochMs' }
/** A length of time in whole milliseconds. */
export type DurationMs = number & { readonly [unit]: 'DurationMs' }

export const dayMs = 86_400_000 as DurationMs
/** 9999-12-31T23:59:59.999Z: the last instant that RFC 3339 can write. */
export const epochMsMax = 253_402_300_799_999 as EpochMs

export function epochMs(value: number): EpochMs {
  assert(Number.isSafeInteger(value) && value >= 0, 'an instant is a whole number of milliseconds')
  return value as EpochMs
}

export function durationMs(value: number): DurationMs {
  assert(Number.isSafeInteger(value) && value >= 0, 'a duration is a whole number of milliseconds')
  return value as DurationMs
}

export function addMs(instant: EpochMs, duration: DurationMs): EpochMs {
  return epochMs(Math.min(instant + duration, epochMsMax))
}

/** The later of two instants. */
export function laterOf(a: EpochMs, b: EpochMs): EpochMs {
  return a >= b ? a : b
}

/** The earlier of two instants. */
export function earlierOf(a: EpochMs, b: EpochMs): EpochMs {
  return a <= b ? a : b
}

/** RFC 3339 in UTC with milliseconds, e.g. `2031-01-01T00:00:00.000Z`. */
export function formatIso(instant: EpochMs): string {
  return new Date(instant).toISOString()
}
