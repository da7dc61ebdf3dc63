import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { attempt, bindRole } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import type { UserName } from '../support/cluster/users.ts'
import { holdfast } from '../support/holdfast.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const rbac = join(import.meta.dirname, '../../examples/kubernetes/operator-namespaced-rbac.yaml')
const operators = 'holdfast-system/holdfast-operator=team-c,tenant-holdfast/holdfast-operator=team-a+team-b'

type Release = { readonly server: TestServer; readonly operator: RunningOperator; readonly rig: OperatorRig }

/** A control plane of its own, with the policies of two releases that share it, each with a lock server and an operator. */
describe.runIf(inject('cluster') !== null)('two releases in one cluster, each of some namespaces', () => {
  let cluster: ControlPlane
  const releases: Release[] = []

  beforeAll(async () => {
    cluster = await startControlPlane()
    await prepareCluster(cluster)
    for (const name of ['team-a', 'team-b', 'team-c']) await kubectl(['create', 'namespace', name])
    await kubectl(['apply', '-f', rbac])
    const printed = await holdfast('print-admission', '--operators', operators)
    await kubectl(['apply', '-f', '-'], printed.stdout)
    const both = [
      startRelease('operator', 'holdfast-system', 'team-c'),
      startRelease('namespaced-operator', 'tenant-holdfast', 'team-a,team-b'),
    ]
    releases.push(...(await Promise.all(both)))
  }, 300_000)

  afterAll(async () => {
    const codes = []
    for (const { operator, server } of releases) {
      codes.push(await operator.end('SIGTERM'))
      await server.stop()
    }
    cluster?.assertRunning()
    await cluster?.stop()
    expect(codes).toEqual([0, 0])
  })

  async function kubectl(args: readonly string[], stdin = ''): Promise<void> {
    const { code, stderr } = await cluster.kubectl(args, { stdin })
    expect(code, stderr).toBe(0)
  }

  async function startRelease(user: UserName, namespace: string, watched: string): Promise<Release> {
    const server = await startTestServer()
    const operator = startOperator({
      cluster,
      server,
      verifyInterval: '1s',
      kubeconfig: cluster.kubeconfigPath(user),
      flags: [
        ...['--watch-namespaces', watched],
        ...['--operators', operators],
        ...['--cluster-id', namespace],
        ...['--leader-elect-resource-namespace', namespace],
      ],
    })
    await operator.leads()
    return { server, operator, rig: new OperatorRig(cluster, server) }
  }

  test('each makes the buckets of its namespaces Ready under the policies, at its own lock server', async () => {
    for (const [release, namespace] of [
      [0, 'team-c'],
      [1, 'team-a'],
      [1, 'team-b'],
    ] as const) {
      const rig = releases[release]?.rig
      await rig?.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 2 }), bucket('data', namespace))
      await rig?.becomes(namespace, 'data', { Ready: 'True Enforced' })
      expect(await rig?.lockConfiguration(namespace)).toBe('200 COMPLIANCE 2')
      expect(await releases[1 - release]?.rig.lockConfiguration(namespace)).toMatch(/^404 /)
    }
    // It may look at the policies, and finds those that it was told of; the other one may not look.
    await releases[0]?.rig.becomes('team-c', 'data', { AdmissionGuardInstalled: 'True GuardInstalled' })
    await releases[1]?.rig.becomes('team-a', 'data', { AdmissionGuardInstalled: 'Unknown GuardUnknown' })
  })

  test('neither writes where the other is at work, whatever rights it has', async () => {
    await bindRole(cluster, { user: 'operator', role: 'cluster-admin', namespace: null })
    await bindRole(cluster, { user: 'namespaced-operator', role: 'cluster-admin', namespace: null })
    const owner = { apiVersion: 'holdfast.dev/v1', kind: 'BucketAccess', name: 'keys', uid: 'u-1' }
    const secret = (namespace: string) => ({
      path: `/api/v1/namespaces/${namespace}/secrets?dryRun=All`,
      method: 'POST' as const,
      body: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys', ownerReferences: [owner] } },
    })
    const status = (namespace: string) => ({
      path: `/apis/holdfast.dev/v1/namespaces/${namespace}/lockedbuckets/data/status?dryRun=All`,
      method: 'PATCH' as const,
      body: { status: { deletionProtected: false } },
    })
    const finalizer = (namespace: string) => ({
      path: `/apis/holdfast.dev/v1/namespaces/${namespace}/lockedbuckets/data?dryRun=All`,
      method: 'PATCH' as const,
      body: { metadata: { finalizers: ['holdfast.dev/bucket'] } },
    })
    const outside = expect.stringMatching(
      /^403 .*this operator is one of some namespaces, and this is outside/,
    )
    await until('its rights are in force', 60_000, async () => {
      const answer = await attempt(cluster, { user: 'namespaced-operator', ...secret('team-c') })
      return answer.includes('this is outside of them') ? true : null
    })
    for (const [user, inside, others] of [
      ['operator', ['team-c'], ['team-a', 'team-b', 'tenant-holdfast', 'default']],
      ['namespaced-operator', ['team-a', 'team-b'], ['team-c', 'holdfast-system', 'default']],
    ] as const) {
      for (const namespace of inside) {
        for (const make of [secret, status, finalizer])
          expect(await attempt(cluster, { user, ...make(namespace) })).toMatch(/^20[01]$/)
      }
      for (const namespace of others)
        expect(await attempt(cluster, { user, ...secret(namespace) }), namespace).toEqual(outside)
      for (const namespace of others.filter((each) => each.startsWith('team-'))) {
        for (const make of [status, finalizer])
          expect(await attempt(cluster, { user, ...make(namespace) }), namespace).toEqual(outside)
      }
    }
    const claim = '/api/v1/namespaces/tenant-holdfast'
    expect(await attempt(cluster, { user: 'operator', method: 'PATCH', path: claim, body: {} })).toMatch(
      /^403 .*its own Namespace, and no other/,
    )
  })

  test('an operator that the policies do not name writes no status', async () => {
    const path = '/apis/holdfast.dev/v1/namespaces/team-a/lockedbuckets/data/status?dryRun=All'
    const body = { status: { deletionProtected: false } }
    const forged = await attempt(cluster, { user: 'cluster-admin', method: 'PATCH', path, body })
    expect(forged).toMatch(/^403 .*the operator alone writes it/)
  })
})
