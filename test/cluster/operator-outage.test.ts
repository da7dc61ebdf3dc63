import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { Cluster } from '../support/cluster/cluster.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import { allowLease, prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { endSuite, startSuite } from '../support/operator-suite.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')

describe.runIf(address !== null)('the operator and a lock server that dies', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    ;({ cluster, server, operator, rig } = await startSuite(address, { verifyInterval: '1s' }))
  })

  afterAll(() => endSuite({ operator, server }))

  test('operator: the lock server is killed, Ready=False says so; it comes back, Ready=True by itself', async () => {
    const namespace = await cluster.createNamespace('away')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 1 }), bucket('away', namespace))
    await rig.becomes(namespace, 'away', { Ready: 'True Enforced' })
    await server.kill9()
    await rig.becomes(namespace, 'away', {
      Ready: 'False ServerUnreachable',
      Reconciling: 'True ServerUnreachable',
      ObjectLockEnforced: 'Unknown ServerUnreachable',
      DeletionProtected: 'True Unverified',
    })
    expect((await rig.read(namespace, 'away')).status?.objectLock).toMatchObject({
      mode: 'COMPLIANCE',
      days: 1,
    })
    await server.start()
    await rig.becomes(namespace, 'away', {
      Ready: 'True Enforced',
      Reconciling: 'absent',
      ObjectLockEnforced: 'True ReadBack',
    })
    expect(operator.exitCode()).toBeNull()
  })

  test('operator: an operator of another installation takes over, the first stops with its own exit code and writes nothing more', async () => {
    const namespace = await cluster.createNamespace('takeover')
    // Another Lease: no election holds it back.
    const flags = ['--leader-elect-resource-name', 'another-installation']
    await allowLease(cluster, 'another-installation')
    const second = startOperator({ cluster, server, verifyInterval: '1s', holder: 'second', flags })
    onTestFinished(async () => {
      await second.end('SIGTERM')
      operator = startOperator({ cluster, server, verifyInterval: '1s' })
      await operator.leads()
    })
    await second.leads()
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 1 }), bucket('takeover', namespace))
    await rig.becomes(namespace, 'takeover', { Ready: 'True Enforced' })
    expect(await operator.exited).toBe(3)
    expect(operator.logs()).toContain('another operator took over')
    expect(second.exitCode()).toBeNull()
  })
})

describe.runIf(address !== null)('the operator and an API server that dies', () => {
  let controlPlane: ControlPlane
  let server: TestServer

  beforeAll(async () => {
    controlPlane = await startControlPlane()
    server = await startTestServer()
    await prepareCluster(controlPlane)
  })

  afterAll(async () => {
    await server?.stop()
    await controlPlane?.stop()
  })

  test('operator: the API server is killed and started again, it goes on; it started before both and waited', async () => {
    const rig = new OperatorRig(controlPlane, server)
    await controlPlane.killApiServer()
    await server.kill9()
    const operator = startOperator({ cluster: controlPlane, server, verifyInterval: '1s' })
    onTestFinished(async () => {
      await operator.end('SIGTERM')
    })
    await until('it knocks in vain', waitMs, async () =>
      operator.logs().includes('trying again') ? true : null,
    )
    await server.start()
    await controlPlane.startApiServer()
    await operator.leads()
    await rig.apply('default', policy('keep', { mode: 'COMPLIANCE', days: 1 }), bucket('one', 'bucket-one'))
    await rig.becomes('default', 'one', { Ready: 'True Enforced' })
    await controlPlane.killApiServer()
    await controlPlane.startApiServer()
    await rig.apply('default', bucket('two', 'bucket-two'))
    await rig.becomes('default', 'two', { Ready: 'True Enforced' })
    await rig.apply('default', policy('keep', { mode: 'COMPLIANCE', days: 2 }))
    await until('the longer period reached both', waitMs, async () => {
      const shown = [await rig.lockConfiguration('bucket-one'), await rig.lockConfiguration('bucket-two')]
      return shown.every((each) => each === '200 COMPLIANCE 2') ? true : null
    })
    expect(operator.exitCode()).toBeNull()
    expect(await operator.end('SIGTERM')).toBe(0)
  })
})
