import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { type Cluster, connectCluster } from '../../support/cluster/cluster.ts'
import { type FaultProxy, startFaultProxy } from '../../support/cluster/fault-proxy.ts'
import { until } from '../../support/cluster/until.ts'
import { Fleet, hasCleanLog, isSound } from '../../support/fault-rig.ts'
import { holdfast } from '../../support/holdfast.ts'
import { startLyingProxy } from '../../support/lying-proxy.ts'
import {
  allowLease,
  prepareCluster,
  type RunningOperator,
  shortLease,
  startOperator,
} from '../../support/operator.ts'
import { bucket, waitMs } from '../../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../../support/server.ts'

const address = inject('cluster')
const namespace = 'holdfast-system'

type LeaseSpec = { holderIdentity: string; leaseTransitions: number; renewTime: string }

describe.runIf(address !== null)('two operators and one Lease', () => {
  let cluster: Cluster
  let server: TestServer
  let fleet: Fleet
  /** One a test, so that no test waits for the Lease of the one before. */
  let lease: string

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    server = await startTestServer()
    await prepareCluster(cluster)
    fleet = await Fleet.create(cluster, server, 'led')
    await fleet.addBuckets(3)
  })

  beforeEach(async () => {
    lease = `lease-${randomBytes(4).toString('hex')}`
    await allowLease(cluster, lease)
  })

  afterAll(async () => {
    await server?.stop()
  })

  type Replica = { readonly operator: RunningOperator; readonly proxy: FaultProxy }

  async function start(holder: string, adminEndpoint = server.adminEndpoint): Promise<Replica> {
    const proxy = await startFaultProxy(cluster)
    const flags = [...shortLease, '--leader-elect-resource-name', lease]
    const kubeconfig = proxy.kubeconfig('operator')
    const seen = { ...server, adminEndpoint }
    const operator = startOperator({ cluster, server: seen, verifyInterval: '1s', holder, kubeconfig, flags })
    onTestFinished(async () => {
      operator.thaw()
      await operator.end('SIGTERM')
      await proxy.close()
      hasCleanLog(operator)
    })
    return { operator, proxy }
  }

  const path = () => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${lease}`
  const readLease = async () =>
    ((await cluster.request({ method: 'GET', path: path() })).json() as { spec: LeaseSpec }).spec
  const editLease = (spec: object) =>
    cluster.request({
      method: 'PATCH',
      path: path(),
      contentType: 'application/merge-patch+json',
      body: { spec },
    })
  const standsBy = (operator: RunningOperator) =>
    until('it stands by', waitMs, async () =>
      (await operator.readyz())?.startsWith('200 standby') ? true : null,
    )
  const epochOf = async (operator: RunningOperator) =>
    Number(/^200 leading: epoch (\d+)$/.exec((await operator.readyz()) ?? '')?.[1])
  /** What the server counts of calls that it refused for their epoch. */
  const staleDenials = async () => {
    const shown = await (await fetch(`${server.metricsEndpoint}/metrics`)).text()
    return Number(/^holdfast_denials_total\{rule="StaleEpoch"\} (\d+)$/m.exec(shown)?.[1] ?? 0)
  }
  /** Requests of a replica that are neither lists, nor watches, nor about the Lease, nor its question who it is. */
  const works = ({ proxy }: Replica) =>
    proxy.requests.filter(
      ({ method, path: asked }) => method !== 'GET' && !/\/leases|\/selfsubjectreviews$/.test(asked),
    )

  test('operator: the second is ready and does nothing; the first ends, gives its Lease back and the second leads', async () => {
    const first = await start('first')
    await first.operator.leads()
    expect(await first.operator.metric(`leader_election_master_status{name="${lease}"}`)).toBe(1)
    const second = await start('second')
    await standsBy(second.operator)
    expect(await second.operator.readyz()).toMatch(/^200 standby: first_[0-9a-f-]+ leads$/)
    await fleet.lengthen()
    await fleet.converges()
    expect(works(second)).toEqual([])
    expect(await second.operator.metric(`leader_election_master_status{name="${lease}"}`)).toBe(0)
    const before = await readLease()
    expect(before).toMatchObject({
      holderIdentity: expect.stringMatching(/^first_/),
      renewTime: expect.stringMatching(/\.\d{6}Z$/),
    })
    expect(await first.operator.end('SIGTERM')).toBe(0)
    await second.operator.leads()
    expect((await readLease()).leaseTransitions).toBe(before.leaseTransitions + 1)
    await fleet.lengthen()
    await fleet.converges()
    isSound(second.operator)
  })

  test('operator: the leader is frozen, the other takes over; thawed it writes nothing and stands by', async () => {
    const frozen = await start('frozen')
    await frozen.operator.leads()
    await fleet.converges()
    const other = await start('other')
    await standsBy(other.operator)
    frozen.operator.freeze()
    // Its cache says the period before this one; what it would ask for is a day too short.
    await fleet.lengthen()
    await other.operator.leads()
    await fleet.converges()
    const before = works(frozen).length
    frozen.operator.thaw()
    await standsBy(frozen.operator)
    expect(works(frozen)).toHaveLength(before)
    expect(frozen.operator.logs()).toMatch(/leadership lost/)
    await fleet.converges()
    isSound(frozen.operator)
    await other.operator.end('SIGKILL')
    await frozen.operator.leads()
    await fleet.lengthen()
    await fleet.converges()
  })

  test('operator: two writes of a frozen leader reach the server after the other took the epoch, both are refused by name', async () => {
    const between = await startLyingProxy(server.adminEndpoint)
    onTestFinished(() => between.close())
    const frozen = await start('frozen-mid-write', between.endpoint)
    await frozen.operator.leads()
    await fleet.converges()
    const stale = await epochOf(frozen.operator)
    const isWriteOf = (name: string) => (asked: { readonly method: string; readonly target: string }) =>
      asked.method === 'PUT' && asked.target === `/v1/buckets/${name}`
    const longer = between.hold(isWriteOf(`${fleet.namespace}-0`))
    await fleet.lengthen()
    const longerWrite = await longer
    const late = `${fleet.namespace}-late`
    const made = between.hold(isWriteOf(late))
    await fleet.rig.apply(fleet.namespace, bucket(late, late))
    const lateWrite = await made
    frozen.operator.freeze()
    // Nobody wants the bucket any more: whoever makes it now is a leader of yesterday.
    const path = `/apis/holdfast.dev/v1/namespaces/${fleet.namespace}/lockedbuckets/${late}`
    expect((await cluster.request({ method: 'DELETE', path })).status).toBe(200)
    const other = await start('other-in-time')
    await other.operator.leads()
    await fleet.lengthen()
    await fleet.converges()
    const epoch = await epochOf(other.operator)
    expect(epoch).toBeGreaterThan(stale)
    const denials = await staleDenials()
    for (const { headers, release } of [longerWrite, lateWrite]) {
      expect(headers['x-holdfast-epoch']).toBe(String(stale))
      const { status, text } = await release()
      expect([status, JSON.parse(text)]).toEqual([409, { kind: 'staleEpoch', epoch }])
    }
    expect(await staleDenials()).toBe(denials + 2)
    expect((await server.client.send({ method: 'HEAD', path: `/${late}` })).status).toBe(404)
    await fleet.converges()
    frozen.operator.thaw()
    await standsBy(frozen.operator)
    expect(frozen.operator.logs()).toMatch(/leadership lost/)
    isSound(frozen.operator)
    isSound(other.operator)
    expect(await epochOf(other.operator)).toBe(epoch)
    await server.terminate()
    const exported = await holdfast('audit', 'export', '--data', server.dataDirectory)
    await server.start()
    const refused = exported.stdout.split('\n').filter((line) => line.includes('"rule":"StaleEpoch"'))
    for (const name of [`${fleet.namespace}-0`, late]) {
      const lines = refused.filter((line) => line.includes(`"bucket":"${name}"`))
      expect(lines.map((line) => (JSON.parse(line) as { record: unknown }).record)).toEqual([
        expect.objectContaining({
          actor: expect.objectContaining({ operation: 'ApplyBucket' }),
          verdict: 'deny',
          detail: expect.objectContaining({ epoch: stale }),
        }),
      ])
    }
  })

  test('operator: its Lease is deleted, it makes it again and goes on leading with the same epoch', async () => {
    const { operator } = await start('only')
    await operator.leads()
    const before = await operator.readyz()
    expect((await cluster.request({ method: 'DELETE', path: path() })).status).toBe(200)
    await until('the Lease is there again', waitMs, async () =>
      (await cluster.request({ method: 'GET', path: path() })).status === 200 ? true : null,
    )
    expect((await readLease()).holderIdentity).toMatch(/^only_/)
    await fleet.lengthen()
    await fleet.converges()
    expect(await operator.readyz()).toBe(before)
    isSound(operator)
  })

  test('operator: somebody writes another holder into its Lease, it stands by at once and leads again when that ran out', async () => {
    const { operator } = await start('robbed')
    await operator.leads()
    const before = await operator.readyz()
    expect((await editLease({ holderIdentity: 'thief' })).status).toBe(200)
    await standsBy(operator)
    await fleet.lengthen()
    await operator.leads()
    expect(await operator.readyz()).not.toBe(before)
    await fleet.converges()
    isSound(operator)
  })

  test('operator: the API server is away for longer than the renew deadline, it stops working and leads again by itself', async () => {
    const { operator, proxy } = await start('cut-off')
    await operator.leads()
    proxy.cut()
    await until('its term has ended', waitMs, async () =>
      (await operator.readyz())?.startsWith('200 standby') ? true : null,
    )
    await fleet.lengthen()
    proxy.restore()
    await operator.leads()
    await fleet.converges()
    isSound(operator)
  })

  test('operator: everything stands still for longer than the lease duration and goes on, so does it', async () => {
    const { operator, proxy } = await start('paused')
    await operator.leads()
    await fleet.converges()
    proxy.pause()
    await until('its term has ended', waitMs, async () =>
      (await operator.readyz())?.startsWith('200 standby') ? true : null,
    )
    proxy.resume()
    await fleet.lengthen()
    await operator.leads()
    await fleet.converges()
    isSound(operator)
  })
})
