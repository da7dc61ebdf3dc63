/** That the benchmark works: every workload once, against Holdfast alone. It says nothing about speed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import type { Result } from '../../bench/result.ts'
import type { Verdict } from '../../bench/targets.ts'
import { furtherSets, workloads } from '../../bench/workloads.ts'

const root = join(import.meta.dirname, '../..')

/** What it printed, and its exit code. */
async function run(command: readonly string[]): Promise<{ readonly stdout: string; readonly code: number }> {
  const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const stdout = await text(child.stdout)
  const [code] = await ended
  return { stdout, code: Number(code) }
}

it('npm run bench -- --smoke: every workload is answered, and the machine is described', async () => {
  const { stdout, code } = await run(['bench/run.ts', '--smoke', '--gate'])
  const result = JSON.parse(readFileSync(join(root, 'bench/results/smoke.json'), 'utf8')) as Result & {
    readonly verdicts: readonly Verdict[]
  }
  expect(result.samples.map(({ workload }) => workload)).toEqual(
    [...workloads, ...furtherSets.flat()].map(({ name }) => name),
  )
  for (const { workload, requests } of result.samples)
    expect([workload, requests]).toEqual([workload, expect.any(Number)])
  for (const { perPut } of result.flushes) expect(perPut).toBeGreaterThan(0)
  const { machine, limits } = result
  const figures = [
    ...Object.values(machine).filter((value) => typeof value === 'number'),
    limits.commitsPerSecond,
    ...Object.values(limits.helloPerSecond),
  ]
  for (const figure of figures) expect(figure).toBeGreaterThan(0)
  expect(stdout).toContain('| PUT 4 KiB c32 |')
  // Every figure of the server alone is judged, every one that needs a peer is named as not measured.
  const alone = result.verdicts.filter(({ judgement }) => judgement !== 'not measured')
  expect(alone.map(({ what }) => what)).toEqual([
    'PUT 4 KiB c32 / bare LMDB commits',
    'GET 4 KiB c1 / node:http hello c1',
    'GET 4 KiB c32 / node:http hello c32',
    'HEAD 4 KiB c32 / node:http hello c32',
    'flushes for each PUT, 32 at a time',
  ])
  expect(code).toBe(stdout.includes('missed, even by the best round: ') ? 1 : 0)
  expect(stdout).toMatch(/^\d of 5 musts are met$/m)
  expect(stdout).toMatch(/^not measured: PUT 4 KiB c1 \/ minio; .*anonymous memory \/ minio$/m)
})

it('npm run bench:stored: two stores of different sizes are filled and compared', async () => {
  const { stdout, code } = await run(['bench/stored.ts', '--smoke', '--gate'])
  expect(stdout).toMatch(/an object of 64 bytes takes -?\d+ on the disk/)
  expect(stdout).toMatch(
    /^\d+ cores .* load [0-9.]+ at the beginning and [0-9.]+ at the end, .*CRC64-NVME \d+/m,
  )
  for (const name of ['PUT 4 KiB c32', 'GET c32', 'HEAD c32', 'LIST 1,000 of all c8', 'refused DELETE c32'])
    expect(stdout).toMatch(new RegExp(`\\| ${name} \\| \\d+ \\| \\d+ \\| [0-9.]+, [0-9.]+ \\|`))
  expect(code).toBe(stdout.includes('missed, even by the best round: ') ? 1 : 0)
})
