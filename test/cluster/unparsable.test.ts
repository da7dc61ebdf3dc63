import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { AccessRig, access, isRefused, listing } from '../support/access-rig.ts'
import { bindRole } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')
const crds = join(import.meta.dirname, '../../crds')
const plurals = ['bucketaccesses', 'lockedbuckets', 'retentionpolicies', 'clusterretentionpolicies'] as const
type Plural = (typeof plurals)[number]

/** Its own control plane: the CRDs of the others stay as they are. */
describe.runIf(address !== null)('objects that the operator cannot understand', () => {
  let cluster: ControlPlane
  let server: TestServer
  let operator: RunningOperator
  let objects: OperatorRig
  let rig: AccessRig
  let namespace: string

  beforeAll(async () => {
    cluster = await startControlPlane()
    server = await startTestServer({ masterKey: Buffer.alloc(32, 9).toString('base64') })
    objects = new OperatorRig(cluster, server)
    rig = new AccessRig(cluster)
    await prepareCluster(cluster)
    operator = startOperator({ cluster, server, verifyInterval: '1s' })
    await operator.leads()
    namespace = await cluster.createNamespace('strange')
    await bindRole(cluster, { user: 'operator', role: 'holdfast-operator-secrets', namespace })
    await objects.apply(
      namespace,
      policy('keep', { mode: 'GOVERNANCE', days: 5 }),
      bucket('data', 'strange-data'),
      access('app', ['data']),
    )
    await rig.shows(namespace, 'app', 'True Granted')
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await server?.stop()
    await cluster?.stop()
    expect(code).toBe(0)
  })

  async function kubectl(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
  }

  const pathOf = (plural: Plural, name: string) => {
    const inside = plural === 'clusterretentionpolicies' ? '' : `/namespaces/${namespace}`
    return `/apis/holdfast.dev/v1${inside}/${plural}/${name}`
  }

  /** Stored past the rules of its kind, as by a CRD of another version; the CRD is ours again when it returns. */
  async function store(plural: Plural, name: string, spec: object): Promise<void> {
    const value = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    const path = '/spec/versions/0/schema/openAPIV3Schema/properties/spec'
    const loosened = JSON.stringify([{ op: 'replace', path, value }])
    await kubectl('patch', 'crd', `${plural}.holdfast.dev`, '--type=json', '-p', loosened)
    const contentType = 'application/merge-patch+json'
    const request = { method: 'PATCH', path: pathOf(plural, name), body: { spec }, contentType } as const
    // The API server takes the new schema a moment later.
    await until(`${name} is stored`, waitMs, async () =>
      (await cluster.request(request)).status === 200 ? true : null,
    )
    await kubectl('apply', '-f', crds)
  }

  /** Without anything that was seen before: what it lists is all that it knows. */
  async function restart(): Promise<void> {
    expect(await operator.end('SIGTERM')).toBe(0)
    operator = startOperator({ cluster, server, verifyInterval: '1s' })
    await operator.leads()
  }

  /** Two rounds of everything, by what is left to understand: nothing that was to come can come later. */
  async function verifies(controller: string): Promise<void> {
    const count = async () => {
      const of = (result: string) =>
        operator.metric(`controller_runtime_reconcile_total{controller="${controller}",result="${result}"}`)
      return (await of('success')) + (await of('requeue_after')) + (await of('error'))
    }
    const before = await count()
    await until('it was verified twice', waitMs, async () => ((await count()) >= before + 2 ? true : null))
  }

  const unparsable = (kind: string) => operator.metric(`holdfast_unparsable_objects{kind="${kind}"}`)
  const becomesUnparsable = (kind: string, count: number) =>
    until(`${count} ${kind} cannot be understood`, waitMs, async () =>
      (await unparsable(kind)) === count ? true : null,
    )

  test('BucketAccess: its keys stay, by a watch and by a list; understood again it is reconciled, deleted they go', async () => {
    const keys = await rig.environment(namespace, 'app-s3')
    await store('bucketaccesses', 'app', { role: 'Superuser' })
    await becomesUnparsable('BucketAccess', 1)
    await objects.has(namespace, 'app', 'ObjectUnparsable')
    await restart()
    expect(await unparsable('BucketAccess')).toBe(1)
    await verifies('lockedbucket')
    expect(await listing(keys, 'strange-data')).toBe('done')
    expect(operator.logs()).not.toContain('its access key is refused')
    await store('bucketaccesses', 'app', { role: 'ReadOnly' })
    await rig.becomes(namespace, 'app', ({ role }) => role === 'ReadOnly')
    expect(await unparsable('BucketAccess')).toBe(0)
    expect(await rig.environment(namespace, 'app-s3')).toEqual(keys)
    await store('bucketaccesses', 'app', { role: 'Superuser' })
    await becomesUnparsable('BucketAccess', 1)
    await rig.remove(namespace, 'bucketaccess/app')
    await isRefused(keys, 'strange-data')
    await becomesUnparsable('BucketAccess', 0)
    await objects.apply(namespace, access('app', ['data']))
    await rig.shows(namespace, 'app', 'True Granted')
  })

  test('LockedBucket: its bucket, the keys for it and its policy stay; nobody says that it was deleted', async () => {
    const keys = await rig.environment(namespace, 'app-s3')
    await store('lockedbuckets', 'data', { deletionPolicy: 'Burn' })
    await becomesUnparsable('LockedBucket', 1)
    await objects.has(namespace, 'data', 'ObjectUnparsable')
    await rig.shows(namespace, 'app', 'False LockedBucketUnparsable')
    await restart()
    await verifies('bucketaccess')
    expect(await listing(keys, 'strange-data')).toBe('done')
    expect(await rig.environment(namespace, 'app-s3')).toEqual(keys)
    const retention = await cluster.request({ method: 'GET', path: pathOf('retentionpolicies', 'keep') })
    expect(retention.json()).toMatchObject({ status: { deletionProtected: true } })
    expect(await objects.eventReasons(namespace, 'data')).not.toContain('BucketOrphaned')
    expect(await objects.eventReasons(namespace, 'app')).not.toContain('SecretRestored')
    expect(await objects.lockConfiguration('strange-data')).toBe('200 GOVERNANCE 5')
    await store('lockedbuckets', 'data', { deletionPolicy: null })
    await rig.shows(namespace, 'app', 'True Granted')
    expect(await rig.environment(namespace, 'app-s3')).toEqual(keys)
  })

  test('RetentionPolicy: what is enforced stays, and its LockedBucket says why', async () => {
    await store('retentionpolicies', 'keep', { defaultRetention: { mode: 'HARD' } })
    await objects.becomes(namespace, 'data', { Ready: 'False PolicyUnparsable' })
    expect(await objects.lockConfiguration('strange-data')).toBe('200 GOVERNANCE 5')
    await store('retentionpolicies', 'keep', { defaultRetention: { mode: 'GOVERNANCE' } })
    await objects.becomes(namespace, 'data', { Ready: 'True Enforced' })
  })

  test('ClusterRetentionPolicy: its floor is not forgotten; no bucket is made until it is understood', async () => {
    const kind = 'ClusterRetentionPolicy'
    const spec = { namespaceSelector: {}, floor: { mode: 'GOVERNANCE', days: 9 } }
    await objects.apply('default', {
      ...{ apiVersion: 'holdfast.dev/v1', kind, metadata: { name: 'baseline' } },
      spec,
    })
    await until('the floor is enforced', waitMs, async () =>
      (await objects.lockConfiguration('strange-data')) === '200 GOVERNANCE 9' ? true : null,
    )
    await store('clusterretentionpolicies', 'baseline', { floor: { mode: 'HARD' } })
    await restart()
    await objects.apply(namespace, bucket('late', 'strange-late'))
    for (const name of ['data', 'late']) {
      await objects.becomes(namespace, name, {
        Ready: 'False ClusterPolicyUnparsable',
        ClusterPolicyMet: 'Unknown ClusterPolicyUnparsable',
      })
    }
    await objects.has('default', 'baseline', 'ObjectUnparsable')
    expect(await objects.lockConfiguration('strange-data')).toBe('200 GOVERNANCE 9')
    expect((await server.client.send({ method: 'HEAD', path: '/strange-late' })).status).toBe(404)
    await store('clusterretentionpolicies', 'baseline', { floor: { mode: 'GOVERNANCE' } })
    await objects.becomes(namespace, 'late', { Ready: 'True Enforced' })
    expect(await objects.lockConfiguration('strange-late')).toBe('200 GOVERNANCE 9')
  })
})
