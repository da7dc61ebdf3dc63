import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { connectCluster } from '../support/cluster/cluster.ts'
import { type LyingProxy, startLyingProxy } from '../support/lying-proxy.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')

describe.runIf(address !== null)('evidence: what a status says of a real lock server', () => {
  let server: TestServer
  let proxy: LyingProxy
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    const cluster = connectCluster(address)
    server = await startTestServer()
    proxy = await startLyingProxy(server.endpoint)
    rig = new OperatorRig(cluster, server)
    await prepareCluster(cluster)
    operator = startOperator({
      cluster,
      server: { ...server, endpoint: proxy.endpoint },
      verifyInterval: '1s',
    })
    await operator.leads()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await proxy?.close()
    await server?.stop()
    expect(code).toBe(0)
  })

  /** A bucket of its own namespace that is Ready; both have the name. */
  async function readyBucket(title: string): Promise<string> {
    const name = await rig.cluster.createNamespace(title)
    await rig.apply(name, policy('keep', { mode: 'COMPLIANCE', days: 1 }), bucket(title, name))
    await rig.becomes(name, title, { Ready: 'True Enforced', ObjectLockEnforced: 'True ReadBack' })
    return name
  }

  test('evidence: the server begins to delete what it locked, the bucket is Stalled with a Warning, until it is honest', async () => {
    const namespace = await readyBucket('canary')
    const listed = await server.client.send({
      method: 'GET',
      path: '/holdfast-canary',
      query: { versions: '' },
    })
    expect(listed.text.match(/<Version>/g)).toHaveLength(1)
    proxy.lies(({ method, target }) =>
      method === 'DELETE' && target.startsWith('/holdfast-canary/') ? { status: 204 } : null,
    )
    await rig.becomes(namespace, 'canary', {
      Ready: 'False CanaryDeleted',
      Stalled: 'True CanaryDeleted',
      ObjectLockEnforced: 'False CanaryDeleted',
    })
    await rig.has(namespace, 'canary', 'CanaryDeleted')
    expect(await operator.metric('holdfast_canary_attempts_total{outcome="deleted"}')).toBeGreaterThan(0)
    proxy.lies(({ target }) => (target.startsWith('/holdfast-canary') ? { status: 507 } : null))
    await rig.becomes(namespace, 'canary', {
      Ready: 'True Enforced',
      Stalled: 'absent',
      ObjectLockEnforced: 'Unknown CanaryUntried',
    })
    proxy.lies(() => null)
    await rig.becomes(namespace, 'canary', { ObjectLockEnforced: 'True ReadBack' })
  })
})
