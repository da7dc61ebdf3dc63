/** What is made of the rounds of a run: ratios, and whether they keep what they are held to. */
import { describe, expect, it } from 'vitest'
import { median, type Result, ratioOf } from '../../bench/result.ts'
import type { ServerName } from '../../bench/servers.ts'
import { isGatePassed, judge, summaryOf, verdictsOf, wordsOf } from '../../bench/targets.ts'
import { workloads } from '../../bench/workloads.ts'

type Figures = { readonly perSecond: number; readonly cpu?: number }

const samplesOf = (workload: string, server: ServerName, rounds: readonly Figures[]): Result['samples'] =>
  rounds.map(({ perSecond, cpu = 1 }, round) => ({
    ...{ workload, server, round, requests: 1, perSecond, p50Ms: 1, p99Ms: 1, cpuSecondsPer1000: cpu },
  }))
const perSecond = (values: readonly number[]): readonly Figures[] =>
  values.map((value) => ({ perSecond: value }))

function resultOf(samples: Result['samples'], rest: Partial<Result> = {}): Result {
  return {
    ...{ date: '', commit: '', rounds: 1, seconds: 1, flushes: [], memory: [], samples },
    machine: {
      ...{ cores: 1, processor: '', load: 0, loadAtEnd: 0, flushP50Ms: 1, loopbackMibPerSecond: 1 },
      ...{ sha256MibPerSecond: 1, md5MibPerSecond: 1, crc64MibPerSecond: 1 },
    },
    limits: { commitsPerSecond: 10_000, helloPerSecond: { c1: 5000, c32: 20_000 } },
    ...rest,
  }
}

describe('figures', () => {
  it.each([
    [[3], 3],
    [[1, 2], 1.5],
    [[9, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
  ])('median: of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  it('ratioOf: round by round, so that a slow moment of the machine counts for both', () => {
    const own = samplesOf('PUT', 'holdfast', perSecond([100, 10, 40]))
    const both = resultOf([...own, ...samplesOf('PUT', 'minio', perSecond([50, 10, 10]))])
    expect(ratioOf(both, 'PUT', 'minio')).toEqual({ median: 2, low: 1, high: 4 })
    expect(ratioOf(resultOf(own), 'PUT', 'minio')).toBe(null)
  })
})

describe('what a figure is held to', () => {
  const ratio = (low: number, middle: number, high: number) => ({ low, median: middle, high })
  it.each([
    [ratio(0.5, 1, 1.9), 'at least', '**must 2: missed**'],
    [ratio(0.5, 1, 2), 'at least', '**must 2: not met**, only by single rounds'],
    [ratio(1, 2, 3), 'at least', 'must 2: met'],
    [ratio(1, 3.5, 4), 'at least', 'aim 3.5: met'],
    [null, 'at least', 'must 2: not measured'],
    [ratio(2.1, 3, 4), 'at most', '**must ≤ 2: missed**'],
    [ratio(2, 3, 4), 'at most', '**must ≤ 2: not met**, only by single rounds'],
  ] as const)('judge: %j, held %s 2 and aiming at 3.5, is "%s"', (figure, bound, words) => {
    const held = { bound, must: 2, aim: bound === 'at least' ? 3.5 : null }
    expect(wordsOf({ ...held, judgement: judge(figure, held) })).toBe(words)
  })

  it('judge: without a must an aim that the median does not reach is not met', () => {
    expect(judge(ratio(0.5, 0.9, 1.5), { bound: 'at least', must: null, aim: 1 })).toBe('aim not met')
  })

  /** Two rounds of small PUT and GET, one read of hello for each. */
  const full = resultOf(
    [
      ...samplesOf('PUT 4 KiB c32', 'holdfast', [
        { perSecond: 1000, cpu: 0.6 },
        { perSecond: 1300, cpu: 0.4 },
      ]),
      ...samplesOf('PUT 4 KiB c32', 'minio', [
        { perSecond: 1000, cpu: 1 },
        { perSecond: 1000, cpu: 1 },
      ]),
      ...samplesOf('GET 4 KiB c1', 'holdfast', perSecond([500, 700])),
      ...samplesOf('HEAD 4 KiB c32', 'holdfast', perSecond([3000])),
    ],
    {
      flushes: [
        { server: 'holdfast', concurrency: 1, perPut: 2 },
        { server: 'holdfast', concurrency: 32, perPut: 0.3 },
        { server: 'minio', concurrency: 32, perPut: 1 },
      ],
      memory: [
        { server: 'holdfast', bytes: 300 },
        { server: 'minio', bytes: 600 },
      ],
    },
  )
  const chosen = workloads.filter(({ name }) =>
    ['PUT 4 KiB c32', 'GET 4 KiB c1', 'HEAD 4 KiB c32'].includes(name),
  )

  it('verdictsOf: every target of the workloads that were chosen, and of the server', () => {
    const verdicts = verdictsOf(full, chosen)
    expect(verdicts.map(({ what, figure, judgement }) => [what, figure?.median ?? null, judgement])).toEqual([
      ['PUT 4 KiB c32 / minio', 1.15, 'must missed'],
      ['PUT 4 KiB c32 / versitygw', null, 'not measured'],
      ['GET 4 KiB c1 / minio', null, 'not measured'],
      ['GET 4 KiB c1 / versitygw', null, 'not measured'],
      ['HEAD 4 KiB c32 / minio', null, 'not measured'],
      ['HEAD 4 KiB c32 / versitygw', null, 'not measured'],
      ['CPU of PUT 4 KiB c32 / minio', 0.5, 'must met'],
      ['CPU of PUT 4 KiB c32 / versitygw', null, 'not measured'],
      ['PUT 4 KiB c32 / bare LMDB commits', expect.closeTo(0.115), 'must not met'],
      ['GET 4 KiB c1 / node:http hello c1', expect.closeTo(0.12), 'must met'],
      ['HEAD 4 KiB c32 / node:http hello c32', expect.closeTo(0.15), 'must met'],
      ['flushes for each PUT, 32 at a time', 0.3, 'must missed'],
      ['anonymous memory / minio', 0.5, 'must met'],
    ])
  })

  it('summaryOf: says what is not met by its name, and the gate is the musts that are missed', () => {
    const verdicts = verdictsOf(full, chosen)
    expect(summaryOf(verdicts).split('\n').slice(0, 3)).toEqual([
      '4 of 7 musts are met',
      'missed, even by the best round: PUT 4 KiB c32 / minio; flushes for each PUT, 32 at a time',
      'not met, though single rounds do: PUT 4 KiB c32 / bare LMDB commits',
    ])
    expect(isGatePassed(verdicts)).toBe(false)
    expect(isGatePassed(verdicts.filter(({ judgement }) => judgement !== 'must missed'))).toBe(true)
    expect(isGatePassed([])).toBe(false)
  })
})
