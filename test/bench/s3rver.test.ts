/** A peer that has no versions: it is measured where it can be, and has no figure elsewhere. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { measureWorkload, startAll } from '../../bench/measure.ts'
import { workloads } from '../../bench/workloads.ts'

it('s3rver: PUT is measured with keys of its own, what needs versions or a listing is left out', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  const servers = await startAll(['s3rver'], directory, () => [])
  try {
    const names = [
      'PUT 4 KiB c1',
      'PUT 4 KiB COMPLIANCE c32',
      'refused DELETE c32',
      'LIST 1,000 of 20,000 c1',
    ]
    const measured: string[] = []
    for (const workload of workloads.filter(({ name }) => names.includes(name))) {
      const samples = await measureWorkload(workload, servers, { rounds: 1, seconds: 0.5, isSmoke: true })
      measured.push(...samples.map((sample) => `${sample.workload}: ${sample.server}`))
    }
    expect(measured).toEqual(['PUT 4 KiB c1: s3rver'])
  } finally {
    for (const server of servers) await server.stop()
    rmSync(directory, { recursive: true })
  }
})
