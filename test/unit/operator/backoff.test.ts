import { expect, test } from 'vitest'
import { Backoff, exponentialDelayMs, jittered } from '../../../src/operator/backoff.ts'
import { TokenBucket } from '../../../src/operator/rate-limit.ts'
import { sleep } from '../../../src/operator/timers.ts'
import { ManualTime, settle } from './manual-timers.ts'

test('exponentialDelayMs: attempts in a row, the delay doubles and never exceeds its maximum', () => {
  const range = { delayMsMin: 800, delayMsMax: 30_000 }
  expect([0, 1, 2, 3, 4, 5, 6].map((attempt) => exponentialDelayMs(range, attempt))).toEqual([
    800, 1600, 3200, 6400, 12_800, 25_600, 30_000,
  ])
  expect(exponentialDelayMs(range, 10_000)).toBe(30_000)
})

test('jittered: any delay, the result lies between its half and itself', () => {
  for (const delayMs of [0, 1, 2, 3, 10, 999, 30_000]) {
    for (let round = 0; round < 50; round += 1) {
      const spread = jittered(delayMs)
      expect(spread).toBeGreaterThanOrEqual(Math.floor(delayMs / 2))
      expect(spread).toBeLessThanOrEqual(delayMs)
    }
  }
})

test('Backoff: failures then a success, it starts again at its minimum', () => {
  const backoff = new Backoff({ delayMsMin: 800, delayMsMax: 30_000 })
  for (let failure = 0; failure < 20; failure += 1) {
    const delayMs = backoff.nextMs()
    expect(delayMs).toBeGreaterThanOrEqual(800)
    expect(delayMs).toBeLessThanOrEqual(30_000)
  }
  expect(backoff.nextMs()).toBeGreaterThanOrEqual(15_000)
  backoff.reset()
  expect(backoff.nextMs()).toBe(800)
})

test('TokenBucket: a burst then silence, tokens come back at the rate and never beyond the burst', async () => {
  const time = new ManualTime()
  const bucket = new TokenBucket({ perSecond: 10, burst: 2, uptimeMs: () => time.uptimeMs() })
  expect([bucket.tryTake(), bucket.tryTake(), bucket.tryTake()]).toEqual([true, true, false])
  await time.advance(100)
  expect([bucket.tryTake(), bucket.tryTake()]).toEqual([true, false])
  await time.advance(60_000)
  expect(bucket.isFull()).toBe(true)
  expect([bucket.tryTake(), bucket.tryTake(), bucket.tryTake()]).toEqual([true, true, false])
})

test('TokenBucket: reservations on credit, each waits for its own token', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 1, uptimeMs: () => 0 })
  expect([bucket.reserveMs(), bucket.reserveMs(), bucket.reserveMs()]).toEqual([0, 100, 200])
})

test('sleep: an abort while waiting, it resolves at once and leaves no timer', async () => {
  const time = new ManualTime()
  const abort = new AbortController()
  let isAwake = false
  const waiting = sleep(time, 1000, abort.signal).then(() => {
    isAwake = true
  })
  await settle()
  expect(isAwake).toBe(false)
  abort.abort()
  await waiting
  expect(time.pendingCount).toBe(0)
  await sleep(time, 1000, abort.signal)
  expect(time.pendingCount).toBe(0)
})
