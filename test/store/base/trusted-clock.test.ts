import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { dayMs, epochMs } from '../../../src/lib/units.ts'
import { appendAudit } from '../../../src/store/audit-chain.ts'
import { createAudit } from '../../../src/store/audit-log.ts'
import { createDenialRecorder } from '../../../src/store/denials.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { metaKey } from '../../../src/store/keys.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import { createClock, createClockStore, readTrustedNow } from '../../../src/store/trusted-clock.ts'
import { actor, denial, dump, sealed, startMs, TestClock } from './support.ts'

const minuteMs = 60_000
const hourMs = 3_600_000

async function open() {
  const clock = new TestClock()
  const kv = openMemory({ uptimeMs: () => 0 })
  await kv.transact(async (transaction) => createClock(transaction, clock))
  const store = createClockStore(kv, clock)
  const trusted = async () => (await store.now()).trustedMs - startMs
  return { clock, kv, store, trusted }
}

describe('trusted clock', () => {
  test('TrustedClock: the first start of a volume, takes the wall clock as mark', async () => {
    const { store } = await open()
    expect(await store.report()).toEqual({
      trustedMs: startMs,
      wallMs: startMs,
      requestMs: startMs,
      suspect: false,
      markMs: startMs,
      bootId: 'boot-1',
      budgetMs: 24 * hourMs,
      behindMs: 0,
    })
  })

  test('TrustedClock: in one boot, follows uptime without any tick', async () => {
    const { clock, trusted } = await open()
    clock.pass(400 * dayMs)
    expect(await trusted()).toBe(400 * dayMs)
  })

  test('TrustedClock: the wall clock set forward while the machine runs, moves nothing but the slew', async () => {
    const { clock, store, trusted } = await open()
    clock.wall += 3650 * dayMs
    expect(await trusted()).toBe(0)
    expect(await store.now()).toMatchObject({ suspect: true, requestMs: startMs + 3650 * dayMs })
    const report = await store.tick()
    expect(report).toMatchObject({
      trustedMs: startMs,
      budgetMs: 24 * hourMs,
      suspect: true,
      behindMs: 3650 * dayMs,
    })
    for (let count = 0; count < 60; count += 1) {
      clock.pass(minuteMs)
      await store.tick()
    }
    expect(await trusted()).toBe(hourMs + hourMs / 1000)
  })

  test('TrustedClock: a jump over a reboot, lets a day in at once and the rest only as the budget comes back', async () => {
    const { clock, store, trusted } = await open()
    clock.reboot(10 * dayMs)
    expect(await store.tick()).toMatchObject({
      trustedMs: startMs + dayMs,
      budgetMs: 0,
      suspect: true,
      behindMs: 9 * dayMs,
    })
    expect(await store.tick()).toMatchObject({ trustedMs: startMs + dayMs })
    clock.pass(30 * dayMs)
    const slewMs = (30 * dayMs) / 1000
    const passedMs = 30 * dayMs + slewMs
    await store.tick()
    expect(await trusted()).toBe(dayMs + passedMs + 24 * hourMs)
    // Nine days were owed: no step that comes later is let in with them.
    clock.wall += 1000 * dayMs
    for (let count = 0; count < 40; count += 1) {
      clock.pass(30 * dayMs)
      await store.tick()
    }
    const lagMs = clock.wall - startMs - (await trusted())
    expect(lagMs).toBeGreaterThan(1000 * dayMs - 2 * 41 * slewMs)
    expect(await store.report()).toMatchObject({ budgetMs: 24 * hourMs, suspect: true })
  })

  test('TrustedClock: the wall clock set back, moves nothing back and slows by 1,000 ppm at most', async () => {
    const { clock, store, trusted } = await open()
    clock.wall -= 365 * dayMs
    const report = await store.tick()
    expect(report).toMatchObject({ trustedMs: startMs, requestMs: startMs, suspect: false })
    clock.pass(1_000_000)
    expect(await trusted()).toBe(1_000_000 - 1000)
  })

  test('TrustedClock: after a reboot with the wall clock behind the mark, stays at the mark', async () => {
    const { clock, store, trusted } = await open()
    clock.reboot(-5 * dayMs)
    expect(await trusted()).toBe(0)
    expect(await store.tick()).toMatchObject({
      trustedMs: startMs,
      suspect: false,
      bootId: 'boot-2',
      budgetMs: 24 * hourMs,
    })
  })

  test('TrustedClock: before the first tick of another boot, stays at the mark', async () => {
    const { clock, trusted } = await open()
    clock.reboot(hourMs)
    clock.pass(hourMs)
    expect(await trusted()).toBe(0)
  })

  test('TrustedClock: a reboot before the next tick with the wall clock set back, is not behind what was decided', async () => {
    const { clock, kv, store, trusted } = await open()
    clock.pass(50_000)
    const { trustedMs, wallMs } = await store.now()
    await kv.transact(async (transaction) => appendAudit(transaction, denial({ trustedMs, wallMs })))
    clock.pass(5000)
    clock.reboot(-hourMs)
    await store.tick()
    expect(await trusted()).toBe(50_000)
  })

  test('TrustedClock: an hour of downtime, is drawn from the budget', async () => {
    const { clock, store } = await open()
    clock.reboot(hourMs)
    expect(await store.tick()).toMatchObject({
      trustedMs: startMs + hourMs,
      budgetMs: 23 * hourMs,
      suspect: false,
    })
  })

  test('TrustedClock: many reboots that each set the wall clock an hour forward, gain a day in all', async () => {
    const { clock, store, trusted } = await open()
    for (let count = 0; count < 100; count += 1) {
      clock.reboot(hourMs)
      await store.tick()
    }
    expect(await trusted()).toBe(24 * hourMs)
    expect(await store.now()).toMatchObject({ suspect: true })
  })

  test('TrustedClock: the budget, comes back with a day in 30 days and is never more than a day', async () => {
    const { clock, store } = await open()
    clock.reboot(dayMs)
    expect(await store.tick()).toMatchObject({ budgetMs: 0 })
    clock.pass(15 * dayMs)
    expect(await store.tick()).toMatchObject({ budgetMs: 12 * hourMs })
    clock.pass(365 * dayMs)
    expect(await store.tick()).toMatchObject({ budgetMs: 24 * hourMs })
  })

  test('TrustedClock: what a step took from the budget, earns no refill', async () => {
    const { clock, store } = await open()
    clock.reboot(dayMs)
    await store.tick()
    expect(await store.tick()).toMatchObject({ budgetMs: 0 })
  })

  test('TrustedClock: refill in many small ticks, is the same as in one', async () => {
    const { clock, store } = await open()
    clock.reboot(dayMs)
    await store.tick()
    for (let count = 0; count < 300; count += 1) {
      clock.pass(minuteMs + 7)
      await store.tick()
    }
    expect((await store.report()).budgetMs).toBe(Math.floor((300 * (minuteMs + 7)) / 30))
  })

  test('TrustedClock: a wall clock half a second ahead, is reached by slew and not passed', async () => {
    const { clock, store, trusted } = await open()
    clock.wall += 500
    expect(await store.tick()).toMatchObject({ trustedMs: startMs, budgetMs: 24 * hourMs })
    clock.pass(100_000)
    expect(await trusted()).toBe(100_000 + 100)
    clock.pass(30 * dayMs)
    expect(await trusted()).toBe(30 * dayMs + 100_000 + 500)
  })

  test('TrustedClock: suspect, begins beyond the tolerance, over a reboot beyond budget and tolerance, to the millisecond', async () => {
    const { clock, store } = await open()
    clock.wall += limits.clockSuspectMsMin
    expect((await store.now()).suspect).toBe(false)
    clock.wall += 1
    expect((await store.now()).suspect).toBe(true)
    clock.wall = startMs
    clock.reboot(limits.clockBudgetMsMax + limits.clockSuspectMsMin)
    expect((await store.now()).suspect).toBe(false)
    clock.wall += 1
    expect((await store.now()).suspect).toBe(true)
  })

  test('TrustedClock: without its record or with a damaged one, is an error and never a time', async () => {
    const { clock, kv } = await open()
    const row = metaKey('clock')
    for (const value of ['', '{}', '{"format":2}', '{"format":1,"markMs":1}', 'null', '[]']) {
      await kv.transact(async (transaction) => transaction.put(row, sealed(row, value)))
      await expect(readTrustedNow(kv, clock), value).rejects.toBeInstanceOf(CorruptRecordError)
    }
    await kv.transact(async (transaction) => transaction.delete(metaKey('clock')))
    await expect(readTrustedNow(kv, clock)).rejects.toBeInstanceOf(CorruptRecordError)
    await expect(createClockStore(kv, clock).tick()).rejects.toBeInstanceOf(CorruptRecordError)
  })
})

describe('clock accept', () => {
  async function openSuspect() {
    const opened = await open()
    opened.clock.reboot(100 * dayMs)
    await opened.store.tick()
    return opened
  }
  const accept = (daysAfterStart: number, extraMs = 0) => ({
    until: epochMs(startMs + daysAfterStart * dayMs + extraMs),
    reason: 'the machine was in a box',
  })

  test('clock accept: while not suspect, changes nothing', async () => {
    const { clock, kv, store } = await open()
    clock.pass(dayMs)
    const before = await dump(kv)
    expect(await store.accept(actor, accept(1))).toEqual({ kind: 'notSuspect' })
    expect(await dump(kv)).toEqual(before)
  })

  test('clock accept: beyond the wall clock by 1 ms or behind trusted time by 1 ms, changes nothing', async () => {
    const { kv, store } = await openSuspect()
    const before = await dump(kv)
    expect(await store.accept(actor, accept(100, 1))).toEqual({ kind: 'beyondWall' })
    expect(await store.accept(actor, accept(1, -1))).toEqual({ kind: 'behindTrusted' })
    expect(await dump(kv)).toEqual(before)
  })

  test('clock accept: up to the wall clock, moves trusted time there and is in the audit log', async () => {
    const { clock, kv, store } = await openSuspect()
    expect(await store.accept(actor, accept(100))).toMatchObject({
      kind: 'accepted',
      report: { trustedMs: startMs + 100 * dayMs, suspect: false, behindMs: 0 },
    })
    expect(await store.now()).toMatchObject({ trustedMs: startMs + 100 * dayMs, suspect: false })
    const audit = createAudit(kv, clock, createDenialRecorder({ kv, clock }))
    expect(await audit.list({ afterSequence: 0, limit: 10 })).toMatchObject([
      {
        sequence: 1,
        record: {
          trustedMs: startMs + dayMs,
          actor: { accessKeyId: actor.accessKeyId },
          verdict: 'allow',
          rule: 'ClockAccept',
          detail: { untilMs: startMs + 100 * dayMs, reason: 'the machine was in a box' },
        },
      },
    ])
  })

  test('clock accept: a part of the way, leaves the rest suspect', async () => {
    const { store } = await openSuspect()
    expect(await store.accept(actor, accept(50))).toMatchObject({
      kind: 'accepted',
      report: { suspect: true },
    })
    expect(await store.accept(actor, accept(49))).toEqual({ kind: 'behindTrusted' })
  })
})

type Step =
  | { readonly kind: 'pass' | 'setWall' | 'reboot' | 'accept'; readonly amountMs: number }
  | { readonly kind: 'tick' }

const amount = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 400 * dayMs }))
const signedAmount = fc.tuple(amount, fc.constantFrom(-1, 1)).map(([size, sign]) => size * sign)
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), amountMs: amount }),
    fc.record({ kind: fc.constant('setWall' as const), amountMs: signedAmount }),
    fc.record({ kind: fc.constant('reboot' as const), amountMs: signedAmount }),
    fc.record({ kind: fc.constant('accept' as const), amountMs: amount }),
    fc.record({ kind: fc.constant('tick' as const) }),
  ),
  { maxLength: 60 },
)

test('TrustedClock: through any reboots, wall steps, ticks and missing ticks, never goes back nor gains more than evidence (I17)', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const { clock, kv, store } = await open()
      let lastMs: number = startMs
      let passedMs = 0
      let acceptedMs = 0
      /** Decides something and records it, as every lock-relevant request does. */
      const decide = async () => {
        const { trustedMs, requestMs, wallMs } = await store.now()
        await kv.transact(async (transaction) => appendAudit(transaction, denial({ trustedMs, wallMs })))
        expect(trustedMs).toBeGreaterThanOrEqual(lastMs)
        expect(requestMs).toBe(Math.max(trustedMs, wallMs))
        const earnedMs = (passedMs + acceptedMs) * (1 + limits.clockSlewPpmMax / 1e6)
        const gainMax = earnedMs + limits.clockBudgetMsMax + earnedMs / limits.clockBudgetRefillRatio
        expect(trustedMs - startMs).toBeLessThanOrEqual(gainMax + 1)
        lastMs = trustedMs
      }
      for (const step of sequence) {
        switch (step.kind) {
          case 'pass':
            clock.pass(step.amountMs)
            passedMs += step.amountMs
            break
          case 'setWall':
            clock.wall = Math.max(0, clock.wall + step.amountMs)
            break
          case 'reboot':
            clock.reboot(Math.max(-clock.wall, step.amountMs))
            // The supervisor ticks before it serves.
            await store.tick()
            break
          case 'accept': {
            const until = epochMs(lastMs + step.amountMs)
            const answer = await store.accept(actor, { until, reason: 'test' })
            if (answer.kind === 'accepted') acceptedMs += step.amountMs
            break
          }
          case 'tick':
            await store.tick()
            break
        }
        await decide()
      }
    }),
    { numRuns: 300 },
  )
})
