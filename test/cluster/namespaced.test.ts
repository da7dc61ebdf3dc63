import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { usernameOf } from '../support/cluster/users.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')
const claimName = 'data-holdfast-server-0'
const rbac = join(import.meta.dirname, '../../examples/kubernetes/operator-namespaced-rbac.yaml')

describe.runIf(address !== null)('an operator of two namespaces, without a ClusterRole', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    server = await startTestServer()
    rig = new OperatorRig(cluster, server)
    await prepareCluster(cluster)
    for (const name of ['team-a', 'team-b', 'team-c']) {
      const created = await cluster.kubectl(['create', 'namespace', name])
      expect(created.code, created.stderr).toBe(0)
    }
    const applied = await cluster.kubectl(['apply', '-f', rbac])
    expect(applied.code, applied.stderr).toBe(0)
    await makeClaim()
    operator = startOperator({
      cluster,
      server,
      verifyInterval: '1s',
      kubeconfig: cluster.kubeconfigPath('namespaced-operator'),
      flags: [
        ...['--watch-namespaces', 'team-a,team-b'],
        ...['--cluster-id', 'tenant'],
        ...['--leader-elect-resource-namespace', 'tenant-holdfast'],
        ...['--storage-claims', claimName],
      ],
    })
    await operator.leads()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await server?.stop()
    expect(code).toBe(0)
  })

  /** One that is bound: its volume is of the whole cluster. */
  async function makeClaim(): Promise<void> {
    const spec = {
      accessModes: ['ReadWriteOncePod'],
      resources: { requests: { storage: '1Gi' } },
      volumeName: 'of-an-administrator',
    }
    const metadata = { name: claimName, namespace: 'tenant-holdfast' }
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec })
    const created = await cluster.kubectl(['create', '-f', '-'], { stdin })
    expect(created.code, created.stderr).toBe(0)
  }

  test('rights: it may list in its namespaces and nowhere else, nor look at what is of the whole cluster', async () => {
    const may = async (...args: readonly string[]) => {
      const as = `--as=${usernameOf('namespaced-operator')}`
      return (await cluster.kubectl(['auth', 'can-i', ...args, as])).stdout.trim()
    }
    expect(await may('list', 'lockedbuckets.holdfast.dev', '-n', 'team-a')).toBe('yes')
    expect(await may('list', 'lockedbuckets.holdfast.dev', '-n', 'team-c')).toBe('no')
    expect(await may('list', 'lockedbuckets.holdfast.dev', '-A')).toBe('no')
    expect(await may('get', 'namespaces/kube-system')).toBe('no')
    expect(await may('get', 'persistentvolumes')).toBe('no')
    expect(await may('patch', `persistentvolumeclaims/${claimName}`, '-n', 'tenant-holdfast')).toBe('yes')
    expect(await may('patch', 'persistentvolumeclaims/other', '-n', 'tenant-holdfast')).toBe('no')
    expect(await may('delete', `persistentvolumeclaims/${claimName}`, '-n', 'tenant-holdfast')).toBe('no')
    expect(await may('list', 'secrets', '-n', 'team-a')).toBe('no')
  })

  test('buckets of both namespaces become Ready, one of a third is not touched', async () => {
    for (const namespace of ['team-c', 'team-a', 'team-b']) {
      const objects = [policy('keep', { mode: 'COMPLIANCE', days: 2 }), bucket('data', `${namespace}-data`)]
      await rig.apply(namespace, ...objects)
    }
    // The admission policies are of the whole cluster, and may not be looked at.
    await rig.becomes('team-a', 'data', {
      Ready: 'True Enforced',
      AdmissionGuardInstalled: 'Unknown GuardUnknown',
      ClusterPolicyMet: 'Unknown ClusterPolicyUnknown',
      StorageRetained: 'Unknown StorageUnreadable',
    })
    await rig.becomes('team-b', 'data', { Ready: 'True Enforced' })
    expect(await rig.lockConfiguration('team-a-data')).toBe('200 COMPLIANCE 2')
    expect(await rig.lockConfiguration('team-c-data')).toMatch(/^404 /)
    expect((await rig.read('team-c', 'data')).status).toEqual({ observedGeneration: -1 })
  })

  test('a change and a deletion in the second namespace are seen, events are written there', async () => {
    await rig.apply('team-b', policy('keep', { mode: 'COMPLIANCE', days: 3 }))
    await rig.has('team-b', 'data', 'RetentionApplied')
    expect(await rig.lockConfiguration('team-b-data')).toBe('200 COMPLIANCE 3')
    expect(await rig.lockConfiguration('team-a-data')).toBe('200 COMPLIANCE 2')
    const deleted = await cluster.kubectl(['delete', '-n', 'team-b', 'lbk/data', '--timeout=30s'])
    expect(deleted.code, deleted.stderr).toBe(0)
    await rig.has('team-b', 'data', 'BucketOrphaned')
  })

  test('without --cluster-id it says what is missing and ends with 2', async () => {
    const other = startOperator({
      cluster,
      server,
      verifyInterval: '1s',
      flags: ['--watch-namespaces', 'team-a'],
    })
    expect(await other.exited).toBe(2)
    expect(other.logs()).toContain('--watch-namespaces needs --cluster-id')
  })
})
