import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { protectedLabel } from '../../src/api/metadata.ts'
import { attempt } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { afterVerifies, bucket, contentMd5, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const examples = join(import.meta.dirname, '../../examples/kubernetes')
const claimName = 'data-holdfast-server-0'
const paths = {
  volume: '/api/v1/persistentvolumes/guarded',
  claim: `/api/v1/namespaces/holdfast-system/persistentvolumeclaims/${claimName}`,
  namespace: '/api/v1/namespaces/holdfast-system',
} as const
type Stored = {
  readonly metadata: {
    readonly uid: string
    readonly resourceVersion: string
    readonly labels?: Record<string, string>
  }
  readonly spec: { readonly persistentVolumeReclaimPolicy?: string }
}

/** A control plane of its own: its namespace cannot be deleted for a while. */
describe.runIf(inject('cluster') !== null)('the storage of the lock server on a real API server', () => {
  let cluster: ControlPlane
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig
  let namespace: string
  let versionId: string

  beforeAll(async () => {
    cluster = await startControlPlane()
    server = await startTestServer()
    rig = new OperatorRig(cluster, server)
    await prepareCluster(cluster)
    await kubectl('apply', '-f', join(examples, 'admission.yaml'))
    await grantVolumes('get')
    await makeStorage()
    namespace = await cluster.createNamespace('storage')
    const flags = ['--storage-claims', claimName]
    operator = startOperator({ cluster, server, verifyInterval: '1s', flags })
    await operator.leads()
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 1 }), bucket('vault', namespace))
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    cluster?.assertRunning()
    await server?.stop()
    await cluster?.stop()
    expect(code).toBe(0)
  })

  async function kubectl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
    return stdout
  }

  /** The operator's rights on volumes: what the example gives, or less. */
  async function grantVolumes(verbs: 'get' | 'get, patch'): Promise<void> {
    const text = readFileSync(join(examples, 'operator-rbac.yaml'), 'utf8')
    const given = /(resources: \[persistentvolumes\]\n\s+verbs: )\[get, patch\]/
    expect(text).toMatch(given)
    const stdin = text.replace(given, `$1[${verbs}]`)
    const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { stdin })
    expect(code, stderr).toBe(0)
  }

  /** A claim and a volume that are bound to each other, as a provisioner leaves them. */
  async function makeStorage(): Promise<void> {
    const common = {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOncePod'],
      storageClassName: 'test',
    }
    const { capacity, ...claimed } = common
    const spec = { ...claimed, resources: { requests: capacity }, volumeName: 'guarded' }
    const make = async (kind: string, metadata: { name: string; namespace?: string }, object: object) => {
      const stdin = JSON.stringify({ apiVersion: 'v1', kind, metadata, spec: object })
      const { code, stderr } = await cluster.kubectl(['create', '-f', '-'], { stdin })
      expect(code, stderr).toBe(0)
    }
    await make('PersistentVolumeClaim', { name: claimName, namespace: 'holdfast-system' }, spec)
    const { uid } = (await read('claim')).metadata
    await make(
      'PersistentVolume',
      { name: 'guarded' },
      {
        ...common,
        persistentVolumeReclaimPolicy: 'Delete',
        hostPath: { path: '/nowhere' },
        claimRef: { namespace: 'holdfast-system', name: claimName, uid },
      },
    )
  }

  async function read(name: keyof typeof paths): Promise<Stored> {
    return (await cluster.request({ method: 'GET', path: paths[name] })).json() as Stored
  }

  async function guarded(): Promise<readonly string[]> {
    const names = ['volume', 'claim', 'namespace'] as const
    const objects = await Promise.all(names.map(read))
    return names.filter((_name, index) => objects[index]?.metadata.labels?.[protectedLabel] === 'true')
  }

  async function becomeGuarded(...wanted: readonly string[]): Promise<void> {
    await until(`guarded are ${wanted}`, waitMs, async () =>
      String(await guarded()) === String(wanted) ? true : null,
    )
  }

  async function put(bucketName: string, key: string): Promise<string> {
    const headers = contentMd5('x')
    const sent = await server.client.send({
      method: 'PUT',
      path: `/${bucketName}/${key}`,
      body: 'x',
      headers,
    })
    expect(sent.status).toBe(200)
    return String(sent.headers['x-amz-version-id'])
  }

  async function bypass(bucketName: string, key: string, version: string): Promise<void> {
    const headers = { 'x-amz-bypass-governance-retention': 'true' }
    const path = `/${bucketName}/${key}`
    const query = { versionId: version }
    expect((await server.client.send({ method: 'DELETE', path, query, headers })).status).toBe(204)
  }

  const refused = expect.stringMatching(/^403 .*the label holdfast.dev\/protected guards it/)
  const deletions = (dryRun: string) =>
    Promise.all(
      Object.values(paths).map((path) => {
        return attempt(cluster, { user: 'cluster-admin', method: 'DELETE', path: `${path}${dryRun}` })
      }),
    )

  test('without the right to patch the volume: StorageRetained=False with the remedy, and nothing is changed', async () => {
    await rig.becomes(namespace, 'vault', {
      Ready: 'True Enforced',
      StorageRetained: 'False VolumeNotRetained',
    })
    const { status } = await rig.read(namespace, 'vault')
    const found = status?.conditions?.find(({ type }) => type === 'StorageRetained')
    expect(found?.message).toContain('kubectl patch pv guarded -p')
    expect((await read('volume')).spec.persistentVolumeReclaimPolicy).toBe('Delete')
    await rig.has(namespace, 'vault', 'StorageNotRetained')
    expect(await operator.metric('holdfast_storage_retained{status="False"}')).toBe(1)
  })

  test('with the rights of the example: Delete becomes Retain, StorageRetained=True; nothing is locked, no label', async () => {
    await grantVolumes('get, patch')
    await rig.becomes(namespace, 'vault', { StorageRetained: 'True VolumesRetained' })
    expect(await operator.metric('holdfast_storage_retained{status="True"}')).toBe(1)
    expect(await operator.metric('holdfast_storage_retained{status="False"}')).toBe(0)
    expect((await read('volume')).spec.persistentVolumeReclaimPolicy).toBe('Retain')
    expect(await guarded()).toEqual([])
  })

  test('a version is locked: volume, claim and namespace get the label, and cluster-admin deletes none of them', async () => {
    versionId = await put(namespace, 'key')
    await becomeGuarded('volume', 'claim', 'namespace')
    await until('the policies are in force', waitMs, async () =>
      (await deletions('?dryRun=All')).every((answer) => answer.startsWith('403 ')) ? true : null,
    )
    expect(await deletions('')).toEqual([refused, refused, refused])
  })

  test('idle: the operator writes to none of them, and no status', async () => {
    const names = ['volume', 'claim', 'namespace'] as const
    const versions = async () => [
      ...(await Promise.all(names.map(async (name) => (await read(name)).metadata.resourceVersion))),
      (await rig.read(namespace, 'vault')).metadata.resourceVersion,
    ]
    await rig.becomes(namespace, 'vault', { DeletionProtected: 'True LockedVersions' })
    await afterVerifies(operator, 2)
    const before = await versions()
    await afterVerifies(operator, 4)
    expect(await versions()).toEqual(before)
  })

  test('no LockedBucket is protected any more, but a bucket of none has a lock: it stays; without that it goes', async () => {
    const left = `${namespace}-left`
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
    expect((await server.client.send({ method: 'PUT', path: `/${left}`, headers })).status).toBe(200)
    expect(await rig.putLockConfiguration(left, { mode: 'GOVERNANCE', days: 1 })).toBe(200)
    const leftVersion = await put(left, 'key')
    await bypass(namespace, 'key', versionId)
    await rig.becomes(namespace, 'vault', { DeletionProtected: 'False NoLockedVersions' })
    await afterVerifies(operator, 4)
    expect(await guarded()).toEqual(['volume', 'claim', 'namespace'])
    await bypass(left, 'key', leftVersion)
    await becomeGuarded()
    expect((await read('volume')).spec.persistentVolumeReclaimPolicy).toBe('Retain')
    expect(await deletions('?dryRun=All')).toEqual(['200', '200', '200'])
  })
})
