import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { type ControlPlane, startControlPlane } from '../../support/cluster/control-plane.ts'
import { type FaultProxy, startFaultProxy } from '../../support/cluster/fault-proxy.ts'
import { until } from '../../support/cluster/until.ts'
import { Fleet, hasCleanLog, isSound } from '../../support/fault-rig.ts'
import { prepareCluster, type RunningOperator, shortLease, startOperator } from '../../support/operator.ts'
import { waitMs } from '../../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../../support/server.ts'

const isLong = process.env['HOLDFAST_LONG'] === '1'
const idleMs = isLong ? 600_000 : 90_000

describe.runIf(inject('cluster') !== null)('the operator or the API server is killed', () => {
  let controlPlane: ControlPlane
  let server: TestServer
  let proxy: FaultProxy
  let serverStartMs = 0

  beforeAll(async () => {
    controlPlane = await startControlPlane()
    serverStartMs = performance.now()
    server = await startTestServer()
    await prepareCluster(controlPlane)
    proxy = await startFaultProxy(controlPlane)
  })

  afterAll(async () => {
    await proxy?.close()
    await server?.stop()
    await controlPlane?.stop()
  })

  function start(verifyInterval: string, flags: readonly string[] = []): RunningOperator {
    const kubeconfig = proxy.kubeconfig('operator')
    const operator = startOperator({ cluster: controlPlane, server, verifyInterval, kubeconfig, flags })
    onTestFinished(async () => {
      await operator.end('SIGTERM')
      hasCleanLog(operator)
    })
    return operator
  }

  test('operator: the API server is killed between changes and started again, everything converges', async () => {
    const operator = start('1h', shortLease)
    await operator.leads()
    const fleet = await Fleet.create(controlPlane, server, 'apiserver')
    await fleet.addBuckets(5)
    await controlPlane.killApiServer()
    await controlPlane.startApiServer()
    await fleet.lengthen()
    await fleet.converges()
    await fleet.addBuckets(2)
    await fleet.converges()
    isSound(operator)
  })

  test('operator: killed while 200 buckets are made, started again every one converges and no floor fell', async () => {
    const first = start('1h', shortLease)
    await first.leads()
    const fleet = await Fleet.create(controlPlane, server, 'killed')
    const success = 'controller_runtime_reconcile_total{controller="lockedbucket",result="success"}'
    const before = await first.metric(success)
    const making = fleet.addBuckets(200)
    await until('it is in the middle of the work', waitMs, async () =>
      (await first.metric(success)) >= before + 20 ? true : null,
    )
    await first.end('SIGKILL')
    await fleet.floorsHold()
    await making
    const second = start('1h', shortLease)
    await fleet.converges()
    isSound(second)
  })

  test('operator: nothing changes, it writes nothing but its Lease', {
    timeout: idleMs + 800_000,
  }, async () => {
    const operator = start('2s')
    await operator.leads()
    const fleet = await Fleet.create(controlPlane, server, 'idle')
    await fleet.addBuckets(20)
    await fleet.converges()
    const versions = async () => {
      const objects = await fleet.readObjects()
      return objects.map(({ metadata }) => metadata)
    }
    // The count of its buckets reaches a policy a moment later.
    await until('the policy counted them', waitMs, async () =>
      (await fleet.readObjects()).some(({ status }) => status?.bucketCount === 20) ? true : null,
    )
    // The first scrub, ten minutes after the start of the server, is news for every bucket: not within the idle time.
    if (performance.now() - serverStartMs + idleMs > 550_000) {
      await until('every bucket tells of the first scrub', 660_000, async () =>
        JSON.stringify(await fleet.readObjects()).includes('NotScrubbed') ? null : true,
      )
    }
    const before = await versions()
    const from = proxy.requests.length
    // The test is about this very time: nothing is waited for.
    await delay(idleMs)
    const seen = proxy.requests.slice(from)
    const writes = seen.filter(({ method }) => method !== 'GET')
    expect(writes.filter(({ path }) => !path.includes('/leases/'))).toEqual([])
    expect(new Set(writes.map(({ method }) => method))).toEqual(new Set(['PUT']))
    expect(writes.length).toBeLessThanOrEqual(idleMs / 2000 + 1)
    // Watches that ended by their own time are opened again, after a look at the newest version; nothing else is read.
    const reads = seen.filter(({ method, isWatch }) => method === 'GET' && !isWatch)
    expect(reads.filter(({ path }) => !/[?&]limit=1$/.test(path))).toEqual([])
    expect(await versions()).toEqual(before)
    isSound(operator)
  })
})
