import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { LockedBucket } from '../../src/api/LockedBucket.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')
const root = join(import.meta.dirname, '../..')
const waitMs = 60_000
const verified = 'controller_runtime_reconcile_total{controller="lockedbucket",result="success"}'

type Policy = { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly days: number }

/** One cluster, one lock server and one operator, with the words of these tests. */
class Rig {
  readonly cluster: Cluster
  readonly server: TestServer

  constructor(cluster: Cluster, server: TestServer) {
    this.cluster = cluster
    this.server = server
  }

  async apply(namespace: string, ...objects: readonly object[]): Promise<void> {
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
    const { code, stderr } = await this.cluster.kubectl(['apply', '-n', namespace, '-f', '-'], { stdin })
    expect(code, stderr).toBe(0)
  }

  async read(namespace: string, name: string): Promise<LockedBucket> {
    const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/lockedbuckets/${name}`
    return (await this.cluster.request({ method: 'GET', path })).json() as LockedBucket
  }

  async condition(namespace: string, name: string, type: string): Promise<string> {
    const { status } = await this.read(namespace, name)
    const found = status?.conditions?.find((condition) => condition.type === type)
    return found === undefined ? 'absent' : `${found.status} ${found.reason}`
  }

  async becomes(namespace: string, name: string, conditions: Readonly<Record<string, string>>): Promise<void> {
    const what = `${namespace}/${name} becomes ${JSON.stringify(conditions)}`
    let last = ''
    try {
      await until(what, waitMs, async () => {
        const { status } = await this.read(namespace, name)
        const shown = new Map((status?.conditions ?? []).map((each) => [each.type, `${each.status} ${each.reason}`]))
        last = JSON.stringify(status)
        return Object.entries(conditions).every(([type, wanted]) => (shown.get(type) ?? 'absent') === wanted) ? true : null
      })
    } catch (error) {
      throw new Error(`${what} in vain; it is ${last}`, { cause: error })
    }
  }

  async eventReasons(namespace: string, name: string): Promise<readonly string[]> {
    const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=involvedObject.name=${name}`
    const { items } = (await this.cluster.request({ method: 'GET', path })).json() as { items: { reason: string }[] }
    return items.map(({ reason }) => reason)
  }

  async has(namespace: string, name: string, reason: string): Promise<void> {
    await until(`event ${reason} of ${namespace}/${name}`, waitMs, async () =>
      (await this.eventReasons(namespace, name)).includes(reason) ? true : null,
    )
  }

  async lockConfiguration(bucket: string): Promise<string> {
    const response = await this.server.client.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })
    const [mode, days] = [/<Mode>(\w+)<\/Mode>/, /<Days>(\d+)<\/Days>/].map((each) => each.exec(response.text)?.[1])
    return `${response.status} ${mode} ${days}`
  }

  async putLockConfiguration(bucket: string, { mode, days }: Policy): Promise<number> {
    const rule = `<Rule><DefaultRetention><Mode>${mode}</Mode><Days>${days}</Days></DefaultRetention></Rule>`
    const body =
      '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      `<ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`
    const query = { 'object-lock': '' }
    const headers = contentMd5(body)
    const sent = await this.server.client.send({ method: 'PUT', path: `/${bucket}`, query, headers, body })
    return sent.status
  }
}

function contentMd5(body: string): Record<string, string> {
  return { 'content-md5': createHash('md5').update(body).digest('base64') }
}

function policy(name: string, retention: Policy): object {
  return { apiVersion: 'holdfast.dev/v1', kind: 'RetentionPolicy', metadata: { name }, spec: { defaultRetention: retention } }
}

function bucket(name: string, bucketName: string, more: object = {}): object {
  const spec = { bucketName, retentionPolicyRef: { name: 'keep' }, ...more }
  return { apiVersion: 'holdfast.dev/v1', kind: 'LockedBucket', metadata: { name }, spec }
}

/** Waits until the operator has finished so many more reconciles of buckets. */
async function afterVerifies(operator: RunningOperator, count: number): Promise<void> {
  const before = await operator.metric(verified)
  await until(`${count} more reconciles`, waitMs, async () =>
    (await operator.metric(verified)) >= before + count ? true : null,
  )
}

describe.runIf(address !== null)('the operator between a real API server and a real lock server', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: Rig

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    server = await startTestServer()
    rig = new Rig(cluster, server)
    await prepareCluster(cluster)
    operator = startOperator({ cluster, server, verifyInterval: '1s' })
    await operator.ready()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await server?.stop()
    expect(code).toBe(0)
  })

  test('operator: the quickstart is applied, both buckets are Ready within 5 s and kubectl shows what is enforced', async () => {
    const applied = await cluster.kubectl(['apply', '-f', join(root, 'crds'), '-f', join(root, 'examples/quickstart')])
    expect(applied.code, applied.stderr).toBe(0)
    const waited = await cluster.kubectl(['wait', '--for=condition=Ready', 'lockedbucket/ledger', 'lockedbucket/backups', '--timeout=5s'])
    expect(waited.code, waited.stderr + operator.logs()).toBe(0)
    const { stdout } = await cluster.kubectl(['get', 'lbk', '-n', 'default'])
    expect(stdout).toMatch(/NAME +READY +BUCKET +MODE +RETENTION +LOCKED-UNTIL +AGE/)
    expect(stdout).toMatch(/backups +True +backups +GOVERNANCE +7 days, 1 rule/)
    expect(stdout).toMatch(/ledger +True +ledger +COMPLIANCE +1 day/)
    expect(await rig.lockConfiguration('ledger')).toBe('200 COMPLIANCE 1')
    expect(await rig.lockConfiguration('backups')).toBe('200 GOVERNANCE 7')
    const { status } = await rig.read('default', 'ledger')
    expect(status).toMatchObject({
      observedGeneration: 1,
      bucket: { name: 'ledger', endpoint: server.endpoint, region: 'us-east-1' },
      objectLock: { mode: 'COMPLIANCE', days: 1 },
      floor: { mode: 'COMPLIANCE', days: 1 },
      policy: { name: 'compliance', generation: 1 },
      deletionProtected: false,
    })
    const policies = await cluster.kubectl(['get', 'retpol', '-n', 'default'])
    expect(policies.stdout).toMatch(/compliance +True +COMPLIANCE +1 day +1/)
  })

  test('operator: after the reconcile, kubectl diff of the same files finds nothing', async () => {
    const diff = await cluster.kubectl(['diff', '-f', join(root, 'examples/quickstart')])
    expect(diff).toMatchObject({ code: 0, stdout: '' })
  })

  test('operator: the COMPLIANCE policy is weakened, kubectl is told 422 with the reason and the bucket stays', async () => {
    const stdin = JSON.stringify(policy('compliance', { mode: 'GOVERNANCE', days: 1 }))
    const refused = await cluster.kubectl(['apply', '-n', 'default', '-f', '-'], { stdin })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('a COMPLIANCE policy stays COMPLIANCE')
    expect(await rig.lockConfiguration('ledger')).toBe('200 COMPLIANCE 1')
  })

  test('operator: a client writes into the bucket, the version is locked and the status says that deleting is refused', async () => {
    const put = await server.client.send({ method: 'PUT', path: '/ledger/entry', body: 'x', headers: contentMd5('x') })
    expect(put.status).toBe(200)
    const versionId = String(put.headers['x-amz-version-id'])
    const removed = await server.client.send({ method: 'DELETE', path: '/ledger/entry', query: { versionId } })
    expect(removed.status).toBe(403)
    await rig.becomes('default', 'ledger', { DeletionProtected: 'True LockedVersions' })
    const { status } = await rig.read('default', 'ledger')
    expect(status).toMatchObject({ lockedVersions: 1, deletionProtected: true })
    expect(Date.parse(status?.lockedUntil ?? '')).toBeGreaterThan(server.nowMs() + 23 * 3_600_000)
    const shown = await cluster.kubectl(['get', 'lbk', 'ledger', '-n', 'default'])
    expect(shown.stdout).toContain(status?.lockedUntil)
  })

  test('operator: the policy comes after the bucket, PolicyNotFound until then', async () => {
    const namespace = await cluster.createNamespace('late')
    await rig.apply(namespace, bucket('late', namespace))
    await rig.becomes(namespace, 'late', {
      Ready: 'False PolicyNotFound',
      Reconciling: 'True PolicyNotFound',
      Stalled: 'absent',
    })
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 3 }))
    await rig.becomes(namespace, 'late', { Ready: 'True Enforced', Reconciling: 'absent' })
    await rig.has(namespace, 'late', 'PolicyNotFound')
    await rig.has(namespace, 'late', 'BucketCreated')
  })

  test('operator: the policy gets longer, the bucket and its status follow', async () => {
    const namespace = await cluster.createNamespace('longer')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 3 }), bucket('longer', namespace))
    await rig.becomes(namespace, 'longer', { Ready: 'True Enforced' })
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 5 }))
    await until('the status says 5 days', waitMs, async () =>
      (await rig.read(namespace, 'longer')).status?.objectLock?.days === 5 ? true : null,
    )
    expect(await rig.lockConfiguration(namespace)).toBe('200 COMPLIANCE 5')
    await rig.has(namespace, 'longer', 'RetentionApplied')
  })

  test('operator: root shortens the GOVERNANCE default by S3, it is put back within one verify', async () => {
    const namespace = await cluster.createNamespace('drift')
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 7 }), bucket('drift', namespace))
    await rig.becomes(namespace, 'drift', { Ready: 'True Enforced' })
    expect(await rig.putLockConfiguration(namespace, { mode: 'GOVERNANCE', days: 1 })).toBe(200)
    await rig.has(namespace, 'drift', 'DriftCorrected')
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 7')
    await rig.becomes(namespace, 'drift', { Ready: 'True Enforced', Drifted: 'False InSync' })
  })

  test('operator: root lengthens the GOVERNANCE default by S3, it stays and the status says what is enforced', async () => {
    const namespace = await cluster.createNamespace('stronger')
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 7 }), bucket('stronger', namespace))
    await rig.becomes(namespace, 'stronger', { Ready: 'True Enforced' })
    expect(await rig.putLockConfiguration(namespace, { mode: 'GOVERNANCE', days: 30 })).toBe(200)
    await rig.becomes(namespace, 'stronger', { Drifted: 'True ServerStronger', Ready: 'True Enforced' })
    expect((await rig.read(namespace, 'stronger')).status?.objectLock).toMatchObject({ mode: 'GOVERNANCE', days: 30 })
    await rig.has(namespace, 'stronger', 'DriftDetected')
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 30')
  })

  test('operator: a COMPLIANCE policy is deleted and made again weaker, the server keeps its floor and the bucket is Stalled', async () => {
    const namespace = await cluster.createNamespace('shorten')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 9 }), bucket('shorten', namespace))
    await rig.becomes(namespace, 'shorten', { Ready: 'True Enforced' })
    await cluster.kubectl(['delete', 'retpol', 'keep', '-n', namespace])
    await rig.becomes(namespace, 'shorten', { Ready: 'False PolicyNotFound' })
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 2 }))
    await rig.becomes(namespace, 'shorten', {
      Ready: 'False RetentionWouldShorten',
      Stalled: 'True RetentionWouldShorten',
      Drifted: 'True ServerStronger',
    })
    expect(await rig.lockConfiguration(namespace)).toBe('200 COMPLIANCE 9')
    const before = await rig.read(namespace, 'shorten')
    expect(before.status?.objectLock).toMatchObject({ mode: 'COMPLIANCE', days: 9 })
    await afterVerifies(operator, 30)
    const after = await rig.read(namespace, 'shorten')
    expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion)
    expect((await rig.eventReasons(namespace, 'shorten')).filter((reason) => reason === 'RetentionWouldShorten')).toHaveLength(1)
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 10 }))
    await rig.becomes(namespace, 'shorten', { Ready: 'True Enforced', Stalled: 'absent', Drifted: 'False InSync' })
  })

  test('operator: one bucket name in two namespaces, the second is Stalled and changes nothing of the first', async () => {
    const first = await cluster.createNamespace('first')
    const second = await cluster.createNamespace('second')
    await rig.apply(first, policy('keep', { mode: 'GOVERNANCE', days: 4 }), bucket('shared', first))
    await rig.becomes(first, 'shared', { Ready: 'True Enforced' })
    await rig.apply(second, policy('keep', { mode: 'GOVERNANCE', days: 1 }), bucket('shared', first, { adoptionPolicy: 'IfUnowned' }))
    await rig.becomes(second, 'shared', { Ready: 'False NameConflict', Stalled: 'True NameConflict' })
    expect((await rig.read(second, 'shared')).status?.bucket).toBeUndefined()
    expect(await rig.lockConfiguration(first)).toBe('200 GOVERNANCE 4')
    expect(await rig.condition(first, 'shared', 'Ready')).toBe('True Enforced')
  })

  test('operator: the bucket exists and nobody owns it, Never refuses and IfUnowned takes it over with the lock', async () => {
    const namespace = await cluster.createNamespace('adopt')
    expect((await server.client.send({ method: 'PUT', path: `/${namespace}` })).status).toBe(200)
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 6 }), bucket('adopt', namespace))
    await rig.becomes(namespace, 'adopt', { Ready: 'False AdoptionRefused', Stalled: 'True AdoptionRefused' })
    await rig.apply(namespace, bucket('adopt', namespace, { adoptionPolicy: 'IfUnowned' }))
    await rig.becomes(namespace, 'adopt', { Ready: 'True Enforced', Stalled: 'absent' })
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 6')
    await rig.has(namespace, 'adopt', 'BucketAdopted')
  })

  test('operator: the LockedBucket is deleted, bucket and floor stay; made again it is the owner as before', async () => {
    const namespace = await cluster.createNamespace('orphan')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 2 }), bucket('orphan', namespace))
    await rig.becomes(namespace, 'orphan', { Ready: 'True Enforced' })
    const { stderr, code } = await cluster.kubectl(['delete', 'lbk', 'orphan', '-n', namespace, '--timeout=20s'])
    expect(code, stderr).toBe(0)
    await rig.has(namespace, 'orphan', 'BucketOrphaned')
    expect(await rig.lockConfiguration(namespace)).toBe('200 COMPLIANCE 2')
    expect(await rig.putLockConfiguration(namespace, { mode: 'GOVERNANCE', days: 1 })).toBe(403)
    await rig.apply(namespace, bucket('orphan', namespace))
    await rig.becomes(namespace, 'orphan', { Ready: 'True Enforced' })
  })

  test('operator: nothing changes over many verifies, no object is written', async () => {
    const versions = async () => {
      const path = '/apis/holdfast.dev/v1'
      const lists = ['lockedbuckets', 'retentionpolicies'].map((plural) => cluster.request({ method: 'GET', path: `${path}/${plural}` }))
      const documents = (await Promise.all(lists)).map((list) => list.json() as { items: { metadata: object }[] })
      return documents.flatMap(({ items }) => items.map(({ metadata }) => metadata))
    }
    await afterVerifies(operator, 40)
    const before = await versions()
    await afterVerifies(operator, 40)
    expect(await versions()).toEqual(before)
    expect(await operator.metric('controller_runtime_reconcile_panics_total{controller="lockedbucket"}')).toBe(0)
  })

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
    expect((await rig.read(namespace, 'away')).status?.objectLock).toMatchObject({ mode: 'COMPLIANCE', days: 1 })
    await server.start()
    await rig.becomes(namespace, 'away', { Ready: 'True Enforced', Reconciling: 'absent', ObjectLockEnforced: 'True ReadBack' })
    expect(operator.exitCode()).toBeNull()
  })

  test('operator: a second operator takes over, the first stops with its own exit code and writes nothing more', async () => {
    const namespace = await cluster.createNamespace('takeover')
    const second = startOperator({ cluster, server, verifyInterval: '1s', holder: 'second' })
    onTestFinished(async () => {
      await second.end('SIGTERM')
      operator = startOperator({ cluster, server, verifyInterval: '1s' })
      await operator.ready()
    })
    await second.ready()
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
    const rig = new Rig(controlPlane, server)
    await controlPlane.killApiServer()
    await server.kill9()
    const operator = startOperator({ cluster: controlPlane, server, verifyInterval: '1s' })
    onTestFinished(async () => {
      await operator.end('SIGTERM')
    })
    await until('it knocks in vain', waitMs, async () => (operator.logs().includes('trying again') ? true : null))
    await server.start()
    await controlPlane.startApiServer()
    await operator.ready()
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
