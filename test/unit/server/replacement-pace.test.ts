import { expect, test } from 'vitest'
import {
  ReplacementPace,
  replacementDelayMsMax,
  replacementDelayMsMin,
} from '../../../src/server/replacement-pace.ts'

/** When replacements begin if each is asked for as soon as it may. */
function beginnings(pace: ReplacementPace, untilMs: number, fromMs = 0): readonly number[] {
  const begun: number[] = []
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += pace.waitMs(nowMs)) {
    pace.begin(nowMs)
    begun.push(nowMs)
  }
  return begun
}

test('replacements: the first at once, then each after twice the pause of the one before', () => {
  expect(beginnings(new ReplacementPace(), 15_000)).toEqual([0, 1000, 3000, 7000, 15_000])
})

test('replacements: whoever asks for them all day, gets one every ten minutes', () => {
  const begun = beginnings(new ReplacementPace(), 86_400_000)
  const pauses = begun.map((ms, index) => (begun[index + 1] ?? ms) - ms)
  expect(Math.max(...pauses)).toBe(replacementDelayMsMax)
  expect(begun.length).toBeLessThan(10 + 86_400_000 / replacementDelayMsMax)
})

test('replacements: while the last one is near, the next waits for what is left of the pause', () => {
  const pace = new ReplacementPace()
  expect(pace.waitMs(5)).toBe(0)
  pace.begin(5)
  expect([pace.waitMs(5), pace.waitMs(905), pace.waitMs(5000)]).toEqual([replacementDelayMsMin, 100, 0])
})

test('replacements: after so long without any, the pauses are short again', () => {
  const pace = new ReplacementPace()
  const lastMs = beginnings(pace, 3_600_000).at(-1) ?? 0
  const calmMs = lastMs + 2 * replacementDelayMsMax
  expect(beginnings(pace, calmMs + 1000, calmMs)).toEqual([calmMs, calmMs + 1000])
})

test('replacements: an error in each pause keeps the pauses long', () => {
  const pace = new ReplacementPace()
  const lastMs = beginnings(pace, 3_600_000).at(-1) ?? 0
  const nextMs = lastMs + 2 * replacementDelayMsMax - 1
  pace.begin(nextMs)
  expect(pace.waitMs(nextMs)).toBe(replacementDelayMsMax)
})
