import { expect, onTestFinished, test } from 'vitest'
import { type Readiness, startHealthServer } from '../../../src/operator/health.ts'
import { OperatorMetrics } from '../../../src/operator/metrics.ts'

async function serve(readiness: () => Readiness): Promise<(path: string) => Promise<string>> {
  const metrics = new OperatorMetrics('lease')
  const server = await startHealthServer({ host: '127.0.0.1', port: 0, metrics, readiness })
  onTestFinished(() => server.close())
  return async (path) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`)
    return `${answer.status} ${(await answer.text()).trim()}`
  }
}

test('health: not ready, /readyz is 503 with the reason and /healthz is 200', async () => {
  const get = await serve(() => ({ kind: 'notReady', text: 'starting' }))
  expect(await get('/readyz')).toBe('503 starting')
  expect(await get('/healthz')).toBe('200 ok')
  expect(await get('/elsewhere')).toMatch(/^404 /)
})

test('health: a replica that stands by is ready and says so; /metrics says that it does not lead', async () => {
  const get = await serve(() => ({ kind: 'ready', text: 'standby: other leads' }))
  expect(await get('/readyz?verbose')).toBe('200 standby: other leads')
  expect(await get('/metrics')).toContain('leader_election_master_status{name="lease"} 0')
})
