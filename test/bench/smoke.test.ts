/** That the benchmark works: every workload once, against Holdfast alone. It says nothing about speed. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { median, type Result, ratioOf, verdictOf } from '../../bench/report.ts'
import { workloads } from '../../bench/workloads.ts'

const root = join(import.meta.dirname, '../..')

it('npm run bench -- --smoke: every workload is answered, and the machine is described', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['bench/run.ts', '--smoke'], { cwd: root })
  const result = JSON.parse(readFileSync(join(root, 'bench/results/smoke.json'), 'utf8')) as Result
  expect(result.samples.map(({ workload }) => workload)).toEqual(workloads.map(({ name }) => name))
  for (const { workload, requests } of result.samples)
    expect([workload, requests]).toEqual([workload, expect.any(Number)])
  for (const { perPut } of result.flushes) expect(perPut).toBeGreaterThan(0)
  const { machine, limits } = result
  const figures = [
    ...Object.values(machine).filter((value) => typeof value === 'number'),
    limits.commitsPerSecond,
  ]
  for (const figure of figures) expect(figure).toBeGreaterThan(0)
  expect(stdout).toContain('| PUT 4 KiB c32 |')
})

it('npm run bench:stored: two stores of different sizes are filled and compared', async () => {
  const small = ['--few', '1100', '--many', '1300', '--rounds', '1', '--seconds', '0.1']
  const { stdout } = await promisify(execFile)(process.execPath, ['bench/stored.ts', ...small], { cwd: root })
  expect(stdout).toMatch(/an object of 64 bytes takes -?\d+ on the disk/)
  for (const name of ['PUT 4 KiB c32', 'GET c32', 'HEAD c32', 'LIST 1,000 c8', 'refused DELETE c32'])
    expect(stdout).toMatch(new RegExp(`\\| ${name} \\| \\d+ \\| \\d+ \\| [0-9.]+, [0-9.]+ \\|`))
})

describe('the figures', () => {
  const sample = (server: 'holdfast' | 'minio', round: number, perSecond: number) => ({
    ...{ workload: 'PUT', server, round, requests: 1, perSecond, p50Ms: 1, p99Ms: 1, cpuSecondsPer1000: 1 },
  })
  const result = (own: readonly number[], peers: readonly number[]): Result => ({
    ...{ date: '', commit: '', rounds: own.length, seconds: 1, flushes: [], memory: [] },
    machine: {
      ...{ cores: 1, processor: '', load: 0, flushP50Ms: 1, loopbackMibPerSecond: 1 },
      ...{ sha256MibPerSecond: 1, md5MibPerSecond: 1 },
    },
    limits: { commitsPerSecond: 1, helloPerSecond: 1 },
    samples: [
      ...own.map((value, round) => sample('holdfast', round, value)),
      ...peers.map((value, round) => sample('minio', round, value)),
    ],
  })

  it.each([
    [[3], 3],
    [[1, 2], 1.5],
    [[9, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
  ])('median: of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  it('ratioOf: round by round, so that a slow moment of the machine counts for both', () => {
    expect(ratioOf(result([100, 10, 40], [50, 10, 10]), 'PUT', 'minio')).toEqual({
      median: 2,
      low: 1,
      high: 4,
    })
    expect(ratioOf(result([100], []), 'PUT', 'minio')).toBe(null)
  })

  it.each([
    [{ median: 1, low: 0.5, high: 1.9 }, '**misses 2**'],
    [{ median: 1, low: 0.5, high: 2 }, 'near 2'],
    [{ median: 2, low: 1, high: 3 }, 'must 2'],
    [{ median: 3.5, low: 1, high: 4 }, 'aim 3.5'],
  ])('verdictOf: %j is "%s"', (ratio, expected) => {
    expect(verdictOf(ratio, { must: 2, aim: 3.5 })).toBe(expected)
  })
})
