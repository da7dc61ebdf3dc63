/**
 * Trusted time as a pure function of what is stored and what the machine's clock says. The stored mark
 * is the anchor. Within a boot the rest follows from uptime, which nobody can set, and a slow slew: a wall clock that
 * steps while the machine runs moves nothing. What passed while it was off only the wall clock can say: that much is
 * owed, and let in as far as the budget goes. Nothing here goes back: see the properties in test/store/base/trusted-clock.test.ts.
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
  /** How far the wall clock was ahead when this boot began, less what was let in since. */
  readonly owedMs: number
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
    owedMs: 0,
    slewMs: 0,
  }
}

/**
 * A mark for a volume whose own is lost, at an instant that its trusted time had reached. What was left of the budget is not known, so
 * there is none: what the wall clock is ahead is let in by a person, or as a budget is earned.
 */
export function lostClockRecord(markMs: EpochMs, { wallMs, uptimeMs, bootId }: ClockReading): ClockRecord {
  return {
    markMs,
    markUptimeMs: uptimeMs,
    bootId,
    budgetMs: 0,
    budgetRefilledMs: markMs,
    owedMs: Math.max(0, wallMs - markMs),
    slewMs: wallMs - markMs,
  }
}

export function trustedNow(record: ClockRecord, reading: ClockReading): TrustedNow {
  const trustedMs = trustedTime(record, reading)
  const { wallMs } = reading
  return {
    trustedMs,
    wallMs,
    requestMs: laterOf(trustedMs, wallMs),
    // What the next tick lets in is not suspect, only what lies beyond it.
    suspect: wallMs - trustedMs > admissibleMs(record, reading, record.budgetMs) + limits.clockSuspectMsMin,
  }
}

export function clockReport(record: ClockRecord, reading: ClockReading): ClockReport {
  const now = trustedNow(record, reading)
  const behindMs = Math.max(0, now.wallMs - now.trustedMs)
  return { ...now, markMs: record.markMs, bootId: record.bootId, budgetMs: record.budgetMs, behindMs }
}

/** Sets the mark anew: credits the refill, lets in what is owed as far as the budget goes, leads the rest. */
export function tickClock(record: ClockRecord, reading: ClockReading): ClockRecord {
  const trustedMs = trustedTime(record, reading)
  const refilled = refillBudget(record, trustedMs)
  const admittedMs = admissibleMs(record, reading, refilled.budgetMs)
  const drawnMs = admittedMs > limits.clockStepMsMin ? admittedMs : 0
  const markMs = laterInstant(trustedMs, drawnMs)
  assert(markMs >= record.markMs, 'trusted time never goes back')
  return {
    markMs,
    markUptimeMs: reading.uptimeMs,
    bootId: reading.bootId,
    budgetMs: refilled.budgetMs - drawnMs,
    // A drawn step earns no refill: only time that passed does.
    budgetRefilledMs: laterInstant(refilled.budgetRefilledMs, drawnMs),
    owedMs: owedMs(record, reading) - drawnMs,
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
    owedMs: Math.min(owedMs(record, reading), reading.wallMs - untilMs),
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

/** How much of the wall clock's lead the next tick may let in. */
function admissibleMs(record: ClockRecord, reading: ClockReading, budgetMs: number): number {
  return Math.min(owedMs(record, reading), budgetMs)
}

/** All of the lead at the first look in a boot; after that what is left of it, never a lead that came later. */
function owedMs(record: ClockRecord, reading: ClockReading): number {
  const aheadMs = Math.max(0, reading.wallMs - trustedTime(record, reading))
  return reading.bootId === record.bootId ? Math.min(aheadMs, record.owedMs) : aheadMs
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
