/**
 * Trusted time as a pure function of what is stored and what the machine's clock says (DESIGN 7). The stored mark
 * is the anchor; the rest follows from uptime, which nobody can set, and from as much of the wall clock as slew and
 * budget let in. Nothing here goes back: see the properties in test/store/base/trusted-clock.test.ts.
 */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import { type EpochMs, epochMs, epochMsMax, laterOf } from '../lib/units.ts'
import type { ClockReport, TrustedNow } from './store.ts'

export type ClockRecord = {
  /** Trusted time when the mark was set. */
  readonly markMs: EpochMs
  /** The uptime, in the boot `bootId`, that belongs to the mark. */
  readonly markUptimeMs: number
  readonly bootId: string
  /** What forward steps of the wall clock may still take without a witness, at most limits.clockBudgetMsMax. */
  readonly budgetMs: number
  /** Up to this instant of trusted time the budget's refill is credited. */
  readonly budgetRefilledMs: EpochMs
  /** Signed: how far trusted time is led towards the wall clock, at limits.clockSlewPpmMax. */
  readonly slewMs: number
}

/** What the machine says at one moment. */
export type ClockReading = { readonly wallMs: EpochMs; readonly uptimeMs: number; readonly bootId: string }

/** A volume's first mark: there is nothing older to hold the wall clock against. */
export function firstClockRecord({ wallMs, uptimeMs, bootId }: ClockReading): ClockRecord {
  return {
    markMs: wallMs,
    markUptimeMs: uptimeMs,
    bootId,
    budgetMs: limits.clockBudgetMsMax,
    budgetRefilledMs: wallMs,
    slewMs: 0,
  }
}

export function trustedNow(record: ClockRecord, reading: ClockReading): TrustedNow {
  const trustedMs = trustedTime(record, reading)
  const { wallMs } = reading
  return {
    trustedMs,
    wallMs,
    requestMs: laterOf(trustedMs, wallMs),
    // What the budget covers is let in by the next tick; only what lies beyond it is suspect.
    suspect: wallMs - trustedMs > record.budgetMs + limits.clockSuspectMsMin,
  }
}

export function clockReport(record: ClockRecord, reading: ClockReading): ClockReport {
  const now = trustedNow(record, reading)
  const behindMs = Math.max(0, now.wallMs - now.trustedMs)
  return { ...now, markMs: record.markMs, bootId: record.bootId, budgetMs: record.budgetMs, behindMs }
}

/** Sets the mark anew: credits the refill, lets a forward step in as far as the budget goes, leads the rest. */
export function tickClock(record: ClockRecord, reading: ClockReading): ClockRecord {
  const trustedMs = trustedTime(record, reading)
  const refilled = refillBudget(record, trustedMs)
  const aheadMs = reading.wallMs - trustedMs
  const drawnMs = aheadMs > limits.clockStepMsMin ? Math.min(aheadMs, refilled.budgetMs) : 0
  const markMs = laterInstant(trustedMs, drawnMs)
  assert(markMs >= record.markMs, 'trusted time never goes back')
  return {
    markMs,
    markUptimeMs: reading.uptimeMs,
    bootId: reading.bootId,
    budgetMs: refilled.budgetMs - drawnMs,
    // A drawn step earns no refill: only time that passed does.
    budgetRefilledMs: laterInstant(refilled.budgetRefilledMs, drawnMs),
    slewMs: reading.wallMs - markMs,
  }
}

/** Moves trusted time to `untilMs`, which a person answers for. */
export function acceptClock(record: ClockRecord, reading: ClockReading, untilMs: EpochMs): ClockRecord {
  const trustedMs = trustedTime(record, reading)
  assert(
    untilMs >= trustedMs && untilMs <= reading.wallMs,
    'an accepted time lies between trusted time and wall',
  )
  const refilled = refillBudget(record, untilMs)
  return {
    markMs: untilMs,
    markUptimeMs: reading.uptimeMs,
    bootId: reading.bootId,
    ...refilled,
    slewMs: reading.wallMs - untilMs,
  }
}

/**
 * Mark + uptime since, led towards the wall clock's offset at the mark. Of another boot nothing but the mark is
 * known until the next tick. Never falls while uptime rises: slew takes at most one millisecond in a thousand.
 */
function trustedTime(record: ClockRecord, reading: ClockReading): EpochMs {
  if (reading.bootId !== record.bootId) return record.markMs
  const elapsedMs = Math.max(0, Math.floor(reading.uptimeMs - record.markUptimeMs))
  const slewMsMax = Math.floor((elapsedMs * limits.clockSlewPpmMax) / 1_000_000)
  const slewedMs = Math.sign(record.slewMs) * Math.min(Math.abs(record.slewMs), slewMsMax)
  return laterInstant(record.markMs, elapsedMs + slewedMs)
}

type Budget = Pick<ClockRecord, 'budgetMs' | 'budgetRefilledMs'>

/** The part of a millisecond that is left over stays uncredited until the next time. */
function refillBudget({ budgetMs, budgetRefilledMs }: ClockRecord, trustedMs: EpochMs): Budget {
  const passedMs = Math.max(0, trustedMs - budgetRefilledMs)
  const earnedMs = Math.floor(passedMs / limits.clockBudgetRefillRatio)
  return {
    budgetMs: Math.min(limits.clockBudgetMsMax, budgetMs + earnedMs),
    budgetRefilledMs: laterInstant(budgetRefilledMs, earnedMs * limits.clockBudgetRefillRatio),
  }
}

function laterInstant(instant: EpochMs, durationMs: number): EpochMs {
  return epochMs(Math.min(instant + durationMs, epochMsMax))
}
