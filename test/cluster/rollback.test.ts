import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { releaseMetadata } from '../../src/operator/bootstrap/secrets.ts'
import { openCheckpoint } from '../../src/store/checkpoint.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import { isSound } from '../support/fault-rig.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, contentMd5, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { allowRelease } from '../support/release.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')
const system = 'holdfast-system'

describe.runIf(address !== null)('an older copy of the volume, put back', () => {
  const release = `rollback-${randomBytes(4).toString('hex')}`
  let folder: string
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig
  let namespace: string
  let asked = 0

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    await prepareCluster(cluster)
    await allowRelease(cluster, release)
    folder = mkdtempSync(join(tmpdir(), 'holdfast-rollback-'))
    server = await startTestServer({ dataDirectory: join(folder, 'data') })
    rig = new OperatorRig(cluster, server)
    namespace = await cluster.createNamespace('rollback')
    await lead()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
    expect(code).toBe(0)
  })

  async function lead(): Promise<void> {
    operator = startOperator({ cluster, server, verifyInterval: '1s', flags: ['--release', release] })
    await operator.leads()
  }

  /** What is on the volume while nobody serves it. */
  async function whileStopped(action: () => void): Promise<void> {
    expect(await server.terminate()).toBe(0)
    action()
    await server.start()
  }

  async function verifyNow(name: string): Promise<void> {
    asked += 1
    const value = `asked-${asked}`
    const annotation = `holdfast.dev/verify-now=${value}`
    const args = ['annotate', '--overwrite', '-n', namespace, `lbk/${name}`, annotation]
    const { code, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
    await until(`${name} was verified`, waitMs, async () =>
      (await rig.read(namespace, name)).status?.lastHandledVerifyAt === value ? true : null,
    )
  }

  const configMap = `/api/v1/namespaces/${system}/configmaps/${release}-checkpoints`
  async function checkpoints() {
    const answer = await cluster.request({ method: 'GET', path: configMap })
    const { data, metadata } = answer.json() as { data: Readonly<Record<string, string>>; metadata: object }
    expect(metadata).toMatchObject(releaseMetadata(release))
    const lines = (data['checkpoints'] ?? '').split('\n').filter((line) => line !== '')
    return lines.map((line) => openCheckpoint(line, data['checkpoint.pub'] ?? ''))
  }

  async function put(key: string): Promise<string> {
    const headers = contentMd5(key)
    const sent = await server.client.send({ method: 'PUT', path: `/${namespace}/${key}`, headers, body: key })
    expect(sent.status, sent.text).toBe(200)
    return String(sent.headers['x-amz-version-id'])
  }

  test('operator: it is seen, said on every bucket and remembered; locks only tighten, nothing is made, until somebody accepts it', async () => {
    const days = (count: number) => policy('keep', { mode: 'COMPLIANCE', days: count })
    await rig.apply(namespace, days(1), bucket('ledger', namespace))
    await rig.becomes(namespace, 'ledger', { Ready: 'True Enforced' })
    const versionId = await put('first')
    const [before] = await checkpoints()
    expect(before?.volumeId).toBe(server.volumeId)

    const data = (name: string) => join(folder, name)
    await whileStopped(() => cpSync(data('data'), data('old'), { recursive: true, preserveTimestamps: true }))
    await rig.apply(namespace, days(5), bucket('later', `${namespace}-later`))
    await rig.becomes(namespace, 'later', { Ready: 'True Enforced' })
    await until('five days are enforced', waitMs, async () =>
      (await rig.lockConfiguration(namespace)) === '200 COMPLIANCE 5' ? true : null,
    )
    await put('second')
    await verifyNow('ledger')
    await rig.becomes(namespace, 'ledger', { Ready: 'True Enforced' })

    await whileStopped(() => {
      renameSync(data('data'), data('new'))
      renameSync(data('old'), data('data'))
    })
    await verifyNow('ledger')
    const doubted = {
      Ready: 'False RollbackDetected',
      Stalled: 'True RollbackDetected',
      DeletionProtected: 'True Unverified',
    }
    await rig.becomes(namespace, 'ledger', doubted)
    await rig.has(namespace, 'ledger', 'RollbackDetected')
    expect(await operator.metric('holdfast_rollback_detected')).toBe(1)
    await rig.becomes(namespace, 'later', { Ready: 'False VolumeReplaced' })
    await rig.apply(namespace, bucket('fresh', `${namespace}-fresh`))
    await rig.becomes(namespace, 'fresh', { Ready: 'False RollbackDetected' })
    await until('five days are enforced on the copy too', waitMs, async () =>
      (await rig.lockConfiguration(namespace)) === '200 COMPLIANCE 5' ? true : null,
    )
    const path = `/${namespace}/first`
    const deleted = await server.client.send({ method: 'DELETE', path, query: { versionId } })
    expect([deleted.status, deleted.code]).toEqual([403, 'AccessDenied'])

    isSound(operator)
    expect(await operator.end('SIGTERM')).toBe(0)
    await lead()
    await verifyNow('ledger')
    await rig.becomes(namespace, 'ledger', doubted)
    for (const name of ['later', 'fresh']) {
      const head = await server.client.send({ method: 'HEAD', path: `/${namespace}-${name}` })
      expect([name, head.status]).toEqual([name, 404])
    }
    const kept = await checkpoints()
    expect(kept.every(({ volumeId }) => volumeId === server.volumeId)).toBe(true)
    expect(kept.length).toBeGreaterThan(1)

    expect((await cluster.request({ method: 'DELETE', path: configMap })).status).toBe(200)
    await verifyNow('ledger')
    await rig.becomes(namespace, 'ledger', { Ready: 'True Enforced', Stalled: 'absent' })
    await rig.becomes(namespace, 'fresh', { Ready: 'True Enforced' })
    await rig.becomes(namespace, 'later', { Ready: 'False VolumeReplaced' })
    expect(await operator.metric('holdfast_rollback_detected')).toBe(0)
    expect(await rig.lockConfiguration(namespace)).toBe('200 COMPLIANCE 5')
    expect(await checkpoints()).toHaveLength(1)
    isSound(operator)
  })
})
