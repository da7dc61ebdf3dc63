import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { AccessRig, access, listing } from '../support/access-rig.ts'
import { bindRole } from '../support/cluster/attempts.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')
const minuteMs = 60_000
const masterKey = Buffer.alloc(32, 7).toString('base64')

describe.runIf(address !== null)('access keys over time', () => {
  let cluster: Cluster
  let rig: AccessRig

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    rig = new AccessRig(cluster)
    await prepareCluster(cluster)
  })

  type Started = { readonly server: TestServer; readonly operator: RunningOperator }
  let running: Started | null = null

  async function start(options: Parameters<typeof startTestServer>[0]): Promise<Started> {
    const server = await startTestServer(options)
    const operator = startOperator({ cluster, server, verifyInterval: '1s', clock: 'server' })
    running = { server, operator }
    onTestFinished(end)
    await operator.leads()
    return running
  }

  async function end(): Promise<void> {
    const ended = running
    running = null
    const code = await ended?.operator.end('SIGTERM')
    await ended?.server.stop()
    expect(code ?? 0).toBe(0)
  }

  /** A namespace with one bucket `data`, in which the operator may write Secrets. */
  async function namespaceWithBucket(name: string, { server }: Started): Promise<string> {
    const namespace = await cluster.createNamespace(name)
    await bindRole(cluster, { user: 'operator', role: 'holdfast-operator-secrets', namespace })
    const objects = new OperatorRig(cluster, server)
    const data = bucket('data', `${namespace}-data`)
    await objects.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 5 }), data)
    await objects.becomes(namespace, 'data', { Ready: 'True Enforced' })
    return namespace
  }

  /** What a key gets when it lists the bucket, signed by the clock of the server. */
  async function tried({ server }: Started, environment: Readonly<Record<string, string>>, name: string) {
    const key = {
      accessKeyId: environment['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: environment['AWS_SECRET_ACCESS_KEY'] ?? '',
    }
    const { status, code } = await server.client.send({ method: 'GET', path: `/${name}`, key })
    return status === 200 ? 'done' : code
  }

  test('BucketAccess: its schedule makes a new key each period, and refuses the former one after the grace period', async () => {
    const started = await start({ masterKey })
    const { server, operator } = started
    const namespace = await namespaceWithBucket('schedule', started)
    const name = `${namespace}-data`
    const objects = new OperatorRig(cluster, server)
    const rounds = () =>
      operator.metric('controller_runtime_reconcile_total{controller="bucketaccess",result="requeue_after"}')
    const afterRounds = async (count: number) => {
      const before = await rounds()
      await until(`${count} more reconciles`, waitMs, async () =>
        (await rounds()) >= before + count ? true : null,
      )
    }
    await objects.apply(
      namespace,
      access('app', ['data'], { rotation: { period: '1h', gracePeriod: '10m' } }),
    )
    const granted = await rig.shows(namespace, 'app', 'True Granted')
    const first = await rig.environment(namespace, 'app-s3')
    const periodMs = Date.parse(granted.nextRotationTime ?? '') - Date.parse(granted.lastRotatedTime ?? '')
    expect([periodMs, granted.previousKeyExpiryTime]).toEqual([60 * minuteMs, undefined])

    server.advance(50 * minuteMs)
    await afterRounds(2)
    expect((await rig.read(namespace, 'app')).status?.accessKeyIds).toEqual([first['AWS_ACCESS_KEY_ID']])

    server.advance(11 * minuteMs)
    const rotated = await rig.becomes(namespace, 'app', ({ accessKeyIds }) => accessKeyIds?.length === 2)
    const second = await rig.environment(namespace, 'app-s3')
    expect(rotated.accessKeyIds).toEqual([second['AWS_ACCESS_KEY_ID'], first['AWS_ACCESS_KEY_ID']])
    expect(second['PREVIOUS_AWS_ACCESS_KEY_ID']).toBe(first['AWS_ACCESS_KEY_ID'])
    expect(Date.parse(rotated.lastRotatedTime ?? '')).toBeGreaterThanOrEqual(
      Date.parse(granted.nextRotationTime ?? ''),
    )
    const graceMs =
      Date.parse(rotated.previousKeyExpiryTime ?? '') - Date.parse(rotated.lastRotatedTime ?? '')
    expect(graceMs).toBe(10 * minuteMs)
    expect([await tried(started, first, name), await tried(started, second, name)]).toEqual(['done', 'done'])
    await objects.has(namespace, 'app', 'CredentialsRotated')

    server.advance(11 * minuteMs)
    await rig.becomes(namespace, 'app', ({ accessKeyIds }) => accessKeyIds?.length === 1)
    expect([await tried(started, first, name), await tried(started, second, name)]).toEqual([
      'InvalidAccessKeyId',
      'done',
    ])
    const last = await rig.environment(namespace, 'app-s3')
    expect(last).not.toHaveProperty('PREVIOUS_AWS_ACCESS_KEY_ID')
    expect(last['AWS_ACCESS_KEY_ID']).toBe(second['AWS_ACCESS_KEY_ID'])
    await objects.has(namespace, 'app', 'CredentialsRevoked')
    await afterRounds(2)
    expect((await rig.read(namespace, 'app')).status?.accessKeyIds).toEqual([second['AWS_ACCESS_KEY_ID']])
  })

  test('BucketAccess: a server without a master key takes no key, which is said; with one, the key is made', async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'holdfast-master-'))
    onTestFinished(() => rmSync(dataDirectory, { recursive: true, force: true }))
    const without = await start({ dataDirectory })
    const namespace = await namespaceWithBucket('master', without)
    const objects = new OperatorRig(cluster, without.server)
    await objects.apply(namespace, access('app', ['data']))
    const status = await rig.shows(namespace, 'app', 'False MasterKeyMissing')
    expect(status.accessKeyIds ?? []).toEqual([])
    expect(status.conditions).toContainEqual(
      expect.objectContaining({
        type: 'Stalled',
        status: 'True',
        reason: 'MasterKeyMissing',
        message: expect.stringContaining('--master-key-file'),
      }),
    )
    expect(await rig.secret(namespace, 'app-s3')).toBeNull()
    await objects.has(namespace, 'app', 'MasterKeyMissing')
    await end()

    await start({ dataDirectory, masterKey })
    const granted = await rig.shows(namespace, 'app', 'True Granted')
    expect(granted.conditions?.some(({ type }) => type === 'Stalled')).toBe(false)
    const environment = await rig.environment(namespace, 'app-s3')
    expect(environment['AWS_ACCESS_KEY_ID']).toBe(granted.accessKeyIds?.[0])
    expect(await listing(environment, `${namespace}-data`)).toBe('done')
  })
})
