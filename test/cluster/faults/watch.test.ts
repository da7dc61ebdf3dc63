import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Cluster, connectCluster } from '../../support/cluster/cluster.ts'
import { type FaultProxy, type SeenRequest, startFaultProxy } from '../../support/cluster/fault-proxy.ts'
import { until } from '../../support/cluster/until.ts'
import { Fleet, isSound } from '../../support/fault-rig.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../../support/operator.ts'
import { waitMs } from '../../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../../support/server.ts'

const address = inject('cluster')
const kinds = ['retentionpolicies', 'lockedbuckets', 'bucketaccesses']
const gone = {
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  reason: 'Expired',
  code: 410,
  message: 'too old resource version',
}

type List = { metadata: Record<string, unknown>; items: { metadata: { resourceVersion: string } }[] }

/** Not the look at the newest version before a watch is opened again, which asks for one object. */
function isList({ method, path, isWatch }: SeenRequest): boolean {
  const isLook = /[?&]limit=1$/.test(path)
  return method === 'GET' && !isWatch && !isLook && kinds.some((plural) => path.includes(`/v1/${plural}`))
}

/** The verify interval is long: what converges here converges by watches and lists. */
describe.runIf(address !== null)('an operator whose way to the API server is bad', () => {
  let server: TestServer
  let proxy: FaultProxy
  let operator: RunningOperator
  let fleet: Fleet

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    const cluster: Cluster = connectCluster(address)
    server = await startTestServer()
    await prepareCluster(cluster)
    proxy = await startFaultProxy(cluster)
    const kubeconfig = proxy.kubeconfig('operator')
    const flags = ['--watch-silence', '3s']
    operator = startOperator({ cluster, server, verifyInterval: '1h', kubeconfig, flags })
    await operator.leads()
    fleet = await Fleet.create(cluster, server, 'faulty')
    await fleet.addBuckets(5)
    await fleet.converges()
  })

  afterEach(async () => {
    proxy.inject({})
    await fleet.converges()
    isSound(operator)
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await proxy?.close()
    await server?.stop()
    expect(code).toBe(0)
  })

  /** A change, and a new object, while the fault is there. */
  async function change(): Promise<void> {
    await fleet.lengthen()
    await fleet.addBuckets(1)
  }

  const count = (matches: (request: SeenRequest) => boolean) => proxy.requests.filter(matches).length

  test('operator: connections are reset in the middle of watch events, it goes on from the last whole one', async () => {
    let resets = 0
    proxy.inject({
      event: () => {
        if (resets >= 4) return 'pass'
        resets += 1
        return 'halfThenReset'
      },
    })
    const before = count(isList)
    await change()
    await fleet.converges()
    expect(resets).toBe(4)
    expect(count(isList)).toBe(before)
  })

  test('operator: its connections stay open and nothing comes any more, it opens others', async () => {
    proxy.blackHole()
    await change()
    await fleet.converges()
  })

  test('operator: every watch is answered 410 Gone, it lists again each time with growing pauses', async () => {
    let refused = 0
    const before = count(isList)
    proxy.inject({
      answer: ({ isWatch }) => {
        if (!isWatch) return null
        refused += 1
        // Both ways in which the API server says it, the second without the end of its line.
        return refused % 2 === 0
          ? { status: 410, body: gone }
          : { status: 200, body: { type: 'ERROR', object: gone } }
      },
    })
    // New watches are opened at the latest when the old ones were silent for too long.
    await until('watches were refused', waitMs, async () => (refused >= 4 ? true : null))
    await change()
    await fleet.converges()
    expect(count(isList) - before).toBeLessThanOrEqual(refused + kinds.length)
  })

  test('operator: the second page of a list is answered 410 Gone, it begins again and reads the whole list', async () => {
    let broken = 0
    proxy.inject({
      answer: (request) => {
        if (request.isWatch && broken < 2) return { status: 410, body: gone }
        // Only ours: what other tests left may fill pages of its own.
        if (!isList(request) || !request.path.includes('continue=next-page')) return null
        broken += 1
        return { status: 410, body: gone }
      },
      rewrite: (request, document) => {
        if (!isList(request) || broken >= 2) return undefined
        const list = document as List
        return { ...list, metadata: { ...list.metadata, continue: 'next-page' } }
      },
    })
    await until('two lists broke in the middle', waitMs, async () => (broken >= 2 ? true : null))
    await change()
    await fleet.converges()
  })

  test('operator: lists have pages that repeat and reorder their objects, with older versions among them, it takes the newest', async () => {
    let lists = 0
    const shuffle = (list: List): List => {
      const stale = list.items.map((item) => {
        const older = structuredClone(item) as List['items'][number] & { spec: Record<string, unknown> }
        older.metadata.resourceVersion = '1'
        // What it said before it got longer: taken as the truth it would ask the server for less.
        if ('defaultRetention' in older.spec) older.spec['defaultRetention'] = { mode: 'COMPLIANCE', days: 1 }
        return older
      })
      return { ...list, items: [...list.items.toReversed(), ...stale, ...list.items, ...stale.toReversed()] }
    }
    proxy.inject({
      answer: ({ isWatch }) => (isWatch && lists < 4 ? { status: 410, body: gone } : null),
      rewrite: (request, document) => {
        if (!isList(request)) return undefined
        lists += 1
        return shuffle(document as List)
      },
    })
    await until('it listed', waitMs, async () => (lists >= 4 ? true : null))
    await change()
    await fleet.converges()
    expect(
      await operator.metric('controller_runtime_reconcile_panics_total{controller="lockedbucket"}'),
    ).toBe(0)
  })

  test('operator: 429 and 503 with Retry-After, nothing is repeated before that time and everything converges', async () => {
    const refused = new Map<string, number>()
    const early: string[] = []
    let count429 = 0
    proxy.inject({
      answer: (request) => {
        if (!request.path.includes('/status') || count429 >= 6) return null
        const path = request.path.replace(/\?.*/, '')
        const last = refused.get(path)
        if (last !== undefined && request.atMs - last < 950) early.push(path)
        refused.set(path, request.atMs)
        count429 += 1
        const status = count429 % 2 === 0 ? 429 : 503
        const body = {
          kind: 'Status',
          status: 'Failure',
          code: status,
          message: 'busy',
          reason: 'TooManyRequests',
        }
        return { status, headers: { 'retry-after': '1' }, body }
      },
    })
    await change()
    await fleet.converges()
    expect(count429).toBe(6)
    expect(early).toEqual([])
    expect(await restRequests(operator, '429')).toBeGreaterThan(0)
  })
})

async function restRequests(operator: RunningOperator, code: string): Promise<number> {
  const found = (await operator.metrics()).matchAll(/^rest_client_requests_total\{code="(\d+)".*\} (\d+)$/gm)
  return [...found].filter((match) => match[1] === code).reduce((sum, match) => sum + Number(match[2]), 0)
}
