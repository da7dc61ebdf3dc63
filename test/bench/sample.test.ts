/** What a round counts: a server that uses one second of CPU for each request stands in for a real one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { sample } from '../../bench/measure.ts'
import { credentials, type RunningServer } from '../../bench/servers.ts'
import { workloads } from '../../bench/workloads.ts'

/** Answers each method with what a server that has Object Lock says. */
async function standIn(deleteStatus: 204 | 403): Promise<{ server: RunningServer; puts: () => number }> {
  const counts = { PUT: 0, other: 0 }
  const http = createServer((request, response) => {
    counts[request.method === 'PUT' ? 'PUT' : 'other'] += 1
    request.resume()
    request.once('end', () => {
      if (request.method === 'PUT') response.setHeader('x-amz-version-id', `v${counts.PUT}`)
      response.statusCode = request.method === 'DELETE' ? deleteStatus : 200
      response.end()
    })
  })
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve)
  })
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
    rmSync(directory, { recursive: true })
  })
  const endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const cpuSeconds = () => counts.PUT + counts.other
  const rest = { anonymousBytes: () => 0, stop: async () => {} }
  return {
    server: { name: 'holdfast', endpoint, credentials, directory, cpuSeconds, ...rest },
    puts: () => counts.PUT,
  }
}

it.each([
  ['DELETE of a version c32', 204],
  ['multi-delete of 100 c4', 204],
  ['refused DELETE c32', 403],
] as const)(
  'sample: of "%s" the versions that it removes are made outside of what is counted',
  async (name, status) => {
    const workload = workloads.find((one) => one.name === name)
    if (workload?.removes === undefined) throw new Error(`${name} removes versions`)
    const { server, puts } = await standIn(status)
    const { requests, cpuSecondsPer1000 } = await sample(workload, server, 0, 0.5)
    expect(puts()).toBe(workload.removes.keys)
    expect(requests).toBeGreaterThan(0)
    // One second for each request that was counted, and for no other.
    expect(cpuSecondsPer1000).toBe(1000)
  },
)

it('sample: however short a round is, every request at a time is made once', async () => {
  const workload = workloads.find(({ name }) => name === 'PUT 4 KiB c32')
  if (workload === undefined) throw new Error('there is such a workload')
  const { server, puts } = await standIn(204)
  const { requests } = await sample(workload, server, 0, 0.000_001)
  expect([requests, puts()]).toEqual([32, 32])
})
