import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Cluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import type { RunningOperator } from '../support/operator.ts'
import { bucket, contentMd5, type OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { endSuite, startSuite } from '../support/operator-suite.ts'
import type { TestServer } from '../support/server.ts'

const address = inject('cluster')
const label = 'test.holdfast.dev/tier'
const dayMs = 86_400_000

/** Binds the namespaces whose label has its name: no other test's. */
function clusterPolicy(name: string, spec: object): object {
  const namespaceSelector = { matchLabels: { [label]: name } }
  const kind = 'ClusterRetentionPolicy'
  return { apiVersion: 'holdfast.dev/v1', kind, metadata: { name }, spec: { namespaceSelector, ...spec } }
}

describe.runIf(address !== null)('ClusterRetentionPolicies on a real API server', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    ;({ cluster, server, operator, rig } = await startSuite(address, { verifyInterval: '1m' }))
  })

  afterAll(() => endSuite({ operator, server }))

  async function kubectl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
    return stdout
  }

  async function boundNamespace(name: string): Promise<string> {
    const namespace = await cluster.createNamespace(name)
    await kubectl('label', 'namespace', namespace, `${label}=${name}`)
    return namespace
  }

  const enforces = (bucketName: string, wanted: string) =>
    until(`${bucketName} enforces ${wanted}`, waitMs, async () =>
      (await rig.lockConfiguration(bucketName)) === wanted ? true : null,
    )

  async function putUntil(bucketName: string, days: number): Promise<number> {
    const date = new Date(server.nowMs() + days * dayMs - 60_000).toISOString()
    const headers = {
      ...contentMd5('x'),
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': date,
    }
    return (await server.client.send({ method: 'PUT', path: `/${bucketName}/a`, body: 'x', headers })).status
  }

  test('a floor and a ceiling: a new bucket begins with them, clients ask for no more, and both kinds say so', async () => {
    const namespace = await boundNamespace('floored')
    await rig.apply(
      'default',
      clusterPolicy('floored', { floor: { mode: 'COMPLIANCE', days: 3 }, ceiling: { days: 30 } }),
    )
    await rig.apply(
      namespace,
      policy('keep', { mode: 'GOVERNANCE', days: 1 }),
      bucket('data', 'floored-data'),
    )
    await rig.becomes(namespace, 'data', {
      Ready: 'True Enforced',
      ObjectLockEnforced: 'True ReadBack',
      ClusterPolicyMet: 'True ClusterPolicyMet',
    })
    expect(await rig.lockConfiguration('floored-data')).toBe('200 COMPLIANCE 3')
    expect((await rig.read(namespace, 'data')).status).toMatchObject({
      objectLock: { mode: 'COMPLIANCE', days: 3 },
      floor: { mode: 'COMPLIANCE', days: 3 },
    })
    expect(await putUntil('floored-data', 30)).toBe(200)
    expect(await putUntil('floored-data', 31)).toBe(403)
    await until('the policy counts', waitMs, async () => {
      const shown = await kubectl('get', 'cretpol', 'floored')
      return /floored +True +COMPLIANCE 3 days +30 days +1 +1 /.test(shown) ? true : null
    })
    const met = [
      ...['get', 'retpol', 'keep', '-n', namespace, '-o'],
      'jsonpath={.status.conditions[?(@.type=="ClusterPolicyMet")].message}',
    ]
    await until('the policy says what was done to it', waitMs, async () => {
      const raised = 'ClusterRetentionPolicy floored raises GOVERNANCE 1 day to COMPLIANCE 3 days.'
      return (await kubectl(...met)).includes(raised) ? true : null
    })
  })

  test('a floor that rises reaches buckets at once; lowered and deleted it leaves them as they are', async () => {
    const namespace = await boundNamespace('rising')
    const floor = (days: number) => clusterPolicy('rising', { floor: { mode: 'GOVERNANCE', days } })
    await rig.apply('default', floor(3))
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 1 }), bucket('data', 'rising-data'))
    await rig.becomes(namespace, 'data', { Ready: 'True Enforced' })
    await rig.apply('default', floor(5))
    await enforces('rising-data', '200 GOVERNANCE 5')
    await rig.becomes(namespace, 'data', { Ready: 'True Enforced', Drifted: 'False InSync' })
    await rig.apply('default', floor(2))
    await rig.becomes(namespace, 'data', { Ready: 'True Enforced', Drifted: 'True ServerStronger' })
    await kubectl('delete', 'cretpol', 'rising')
    await rig.becomes(namespace, 'data', { Ready: 'True Enforced', ClusterPolicyMet: 'absent' })
    expect(await rig.lockConfiguration('rising-data')).toBe('200 GOVERNANCE 5')
    // The next edit of the policy is judged without it.
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 4 }))
    await enforces('rising-data', '200 GOVERNANCE 4')
  })

  test('a ceiling below an existing policy: Stalled, still enforced; new buckets are not made; a label frees it', async () => {
    const namespace = await cluster.createNamespace('capped')
    await rig.apply('default', clusterPolicy('capped', { ceiling: { days: 10 } }))
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 30 }), bucket('old', 'capped-old'))
    await rig.becomes(namespace, 'old', { Ready: 'True Enforced', ClusterPolicyMet: 'absent' })
    await kubectl('label', 'namespace', namespace, `${label}=capped`)
    await rig.becomes(namespace, 'old', {
      Ready: 'False ExceedsCeiling',
      Stalled: 'True ExceedsCeiling',
      ObjectLockEnforced: 'True ReadBack',
    })
    await rig.has(namespace, 'old', 'ExceedsCeiling')
    await kubectl(...['wait', '--for=condition=Stalled', 'retpol/keep', '-n', namespace, '--timeout=60s'])
    await rig.apply(namespace, bucket('new', 'capped-new'))
    await rig.becomes(namespace, 'new', {
      Ready: 'False ExceedsCeiling',
      ObjectLockEnforced: 'False BucketMissing',
    })
    expect(await rig.lockConfiguration('capped-old')).toBe('200 COMPLIANCE 30')
    expect(await rig.lockConfiguration('capped-new')).toMatch(/^404 /)
    await kubectl('label', 'namespace', namespace, `${label}-`)
    await rig.becomes(namespace, 'old', { Ready: 'True Enforced', Stalled: 'absent' })
    await rig.becomes(namespace, 'new', { Ready: 'True Enforced' })
  })

  test('a mode that is not allowed: no bucket is made, and the message names who says so', async () => {
    const namespace = await boundNamespace('modes')
    await rig.apply('default', clusterPolicy('modes', { allowedModes: ['GOVERNANCE'] }))
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 1 }), bucket('data', 'modes-data'))
    await rig.becomes(namespace, 'data', { Ready: 'False ModeNotAllowed', Stalled: 'True ModeNotAllowed' })
    const { status } = await rig.read(namespace, 'data')
    expect(status?.conditions?.[0]?.message).toBe(
      'COMPLIANCE is asked for; ClusterRetentionPolicy modes allows GOVERNANCE. No bucket is made.',
    )
    expect(await rig.lockConfiguration('modes-data')).toMatch(/^404 /)
  })

  test('kubectl diff of an applied one finds nothing; its selector is explained', async () => {
    const manifest = clusterPolicy('diffed', { floor: { mode: 'GOVERNANCE', days: 1 } })
    await rig.apply('default', manifest)
    const stdin = JSON.stringify(manifest)
    expect(await cluster.kubectl(['diff', '-f', '-'], { stdin })).toMatchObject({ code: 0, stdout: '' })
    expect(await kubectl('explain', 'cretpol.spec.namespaceSelector')).toContain('{} binds all of them')
  })
})
