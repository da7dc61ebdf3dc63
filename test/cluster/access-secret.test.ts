import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { AccessRig, access, listing } from '../support/access-rig.ts'
import { bindRole } from '../support/cluster/attempts.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { type FaultProxy, type SeenRequest, startFaultProxy } from '../support/cluster/fault-proxy.ts'
import { until } from '../support/cluster/until.ts'
import { holdfast } from '../support/holdfast.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')

describe.runIf(address !== null)('a BucketAccess whose Secret the API server does not take', () => {
  let cluster: Cluster
  let server: TestServer
  let proxy: FaultProxy
  let operator: RunningOperator
  let objects: OperatorRig
  let rig: AccessRig

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    server = await startTestServer({ masterKey: Buffer.alloc(32, 9).toString('base64') })
    objects = new OperatorRig(cluster, server)
    rig = new AccessRig(cluster)
    await prepareCluster(cluster)
    proxy = await startFaultProxy(cluster)
    const kubeconfig = proxy.kubeconfig('operator')
    // Every second a look, as many changes of objects would make: no pause of ours comes from the time between looks.
    operator = startOperator({ cluster, server, verifyInterval: '1s', kubeconfig })
    await operator.leads()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await proxy?.close()
    await server?.stop()
    expect(code).toBe(0)
  })

  const kind = 'validatingadmissionpolicy'

  async function kubectl(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
  }

  async function namespaceWith(name: string): Promise<string> {
    const namespace = await cluster.createNamespace(name)
    await bindRole(cluster, { user: 'operator', role: 'holdfast-operator-secrets', namespace })
    await objects.apply(
      namespace,
      policy('keep', { mode: 'GOVERNANCE', days: 5 }),
      bucket('data', `${namespace}-data`),
    )
    await objects.becomes(namespace, 'data', { Ready: 'True Enforced' })
    return namespace
  }

  /** Somebody's own admission policy: no Secret of this namespace is made or changed. */
  async function refuseSecrets(namespace: string): Promise<void> {
    const group = 'admissionregistration.k8s.io/v1'
    const name = `no-secrets.${namespace}`
    const rule = {
      apiGroups: [''],
      apiVersions: ['v1'],
      operations: ['CREATE', 'UPDATE'],
      resources: ['secrets'],
    }
    await objects.apply(
      namespace,
      {
        ...{ apiVersion: group, kind: 'ValidatingAdmissionPolicy', metadata: { name } },
        spec: {
          matchConstraints: { resourceRules: [rule] },
          validations: [{ expression: 'false', message: 'no Secrets here' }],
        },
      },
      {
        ...{ apiVersion: group, kind: 'ValidatingAdmissionPolicyBinding', metadata: { name } },
        spec: {
          policyName: name,
          validationActions: ['Deny'],
          matchResources: {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          },
        },
      },
    )
    const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'probe' } }
    const path = `/api/v1/namespaces/${namespace}/secrets?dryRun=All`
    await until('Secrets are refused', waitMs, async () =>
      (await cluster.request({ method: 'POST', path, body })).status === 422 ? true : null,
    )
  }

  async function takeSecrets(namespace: string): Promise<void> {
    for (const plural of [kind, `${kind}binding`])
      await kubectl('delete', `${plural}/no-secrets.${namespace}`)
  }

  /** What the audit log has of keys of a BucketAccess: `CreateAccessKey`, in order. */
  async function recorded(namespace: string): Promise<readonly string[]> {
    const { code, stdout, stderr } = await holdfast('audit', 'export', '--data', server.dataDirectory)
    expect(code, stderr).toBe(0)
    const lines = stdout.split('\n').filter((line) => line.includes('subjectAccessKeyId'))
    return lines
      .filter((line) => line.includes(`"namespace":"${namespace}"`))
      .map((line) => /"operation":"(\w+)"/.exec(line)?.[1] ?? line)
  }

  const isWrite = (namespace: string) => (request: SeenRequest) =>
    request.method !== 'GET' && request.path.includes(`/${namespace}/secrets`)
  const isDryRun = ({ path }: SeenRequest) => path.includes('dryRun=All')
  const looks = (namespace: string) => proxy.requests.filter(isWrite(namespace)).filter(isDryRun).length

  async function afterLooks(namespace: string, count: number): Promise<void> {
    const before = looks(namespace)
    await until(`${count} more looks`, waitMs, async () => (looks(namespace) >= before + count ? true : null))
  }

  test('a policy refuses it: no key is made at any look, the status has its words; taken, there is one', async () => {
    const namespace = await namespaceWith('refused')
    await refuseSecrets(namespace)
    await objects.apply(namespace, access('app', ['data']))
    const status = await rig.shows(namespace, 'app', 'False SecretForbidden')
    expect(JSON.stringify(status)).toContain('no Secrets here')
    await afterLooks(namespace, 3)
    expect(await recorded(namespace)).toEqual([])
    await takeSecrets(namespace)
    await rig.shows(namespace, 'app', 'True Granted')
    expect(await recorded(namespace)).toHaveLength(1)
    const keys = await rig.environment(namespace, 'app-s3')
    expect(await listing(keys, `${namespace}-data`)).toBe('done')
  })

  test('a rotation that it refuses: no key is made, and the one in use goes on', async () => {
    const namespace = await namespaceWith('unrotated')
    await objects.apply(namespace, access('app', ['data']))
    await rig.shows(namespace, 'app', 'True Granted')
    const keys = await rig.environment(namespace, 'app-s3')
    const before = await recorded(namespace)
    await refuseSecrets(namespace)
    await rig.patch(namespace, 'app', { metadata: { annotations: { 'holdfast.dev/rotate-now': 'monday' } } })
    const refused = await rig.shows(namespace, 'app', 'False SecretForbidden')
    expect(refused.accessKeyIds).toEqual([keys['AWS_ACCESS_KEY_ID']])
    await afterLooks(namespace, 3)
    expect(await recorded(namespace)).toEqual(before)
    expect(await listing(keys, `${namespace}-data`)).toBe('done')
    await takeSecrets(namespace)
    await rig.becomes(namespace, 'app', ({ lastHandledRotateAt }) => lastHandledRotateAt === 'monday')
    expect(await rig.environment(namespace, 'app-s3')).toMatchObject({
      PREVIOUS_AWS_ACCESS_KEY_ID: keys['AWS_ACCESS_KEY_ID'],
    })
  })

  test.each([
    ['is lost', 'unheard', null],
    ['is 503, so that it is repeated', 'repeated', { status: 503, body: { kind: 'Status', code: 503 } }],
  ])(
    'a rotation whose answer %s: the Secret has the new key, and both go on',
    async (_title, label, instead) => {
      const namespace = await namespaceWith(label)
      await objects.apply(namespace, access('app', ['data']))
      await rig.shows(namespace, 'app', 'True Granted')
      const keys = await rig.environment(namespace, 'app-s3')
      const before = await recorded(namespace)
      const writes = isWrite(namespace)
      let count = 0
      proxy.inject({
        afterwards: (request) =>
          writes(request) && !isDryRun(request) && ++count === 1 ? (instead ?? 'none') : 'pass',
      })
      await rig.patch(namespace, 'app', {
        metadata: { annotations: { 'holdfast.dev/rotate-now': 'monday' } },
      })
      await rig.becomes(namespace, 'app', ({ lastHandledRotateAt }) => lastHandledRotateAt === 'monday')
      proxy.inject({})
      expect(count).toBeGreaterThanOrEqual(1)
      const rotated = await rig.environment(namespace, 'app-s3')
      expect(rotated['PREVIOUS_AWS_ACCESS_KEY_ID']).toBe(keys['AWS_ACCESS_KEY_ID'])
      expect(await recorded(namespace)).toEqual([...before, 'PutAccessKey'])
      for (const each of [keys, rotated]) expect(await listing(each, `${namespace}-data`)).toBe('done')
    },
  )

  test('it would be taken and is not: one key is made and refused again, and the next waits', async () => {
    const namespace = await namespaceWith('full')
    const full = {
      kind: 'Status',
      status: 'Failure',
      code: 500,
      reason: 'InternalError',
      message: 'no space',
    }
    const writes = isWrite(namespace)
    proxy.inject({
      answer: (request) => (writes(request) && !isDryRun(request) ? { status: 500, body: full } : null),
    })
    await objects.apply(namespace, access('app', ['data']))
    const status = await rig.shows(namespace, 'app', 'False Applying')
    expect(JSON.stringify(status)).toContain('no space')
    const errors = () =>
      operator.metric('controller_runtime_reconcile_total{controller="bucketaccess",result="error"}')
    const before = await errors()
    await until('three more looks', waitMs, async () => ((await errors()) >= before + 3 ? true : null))
    expect(await recorded(namespace)).toHaveLength(2)
    proxy.inject({})
    await rig.shows(namespace, 'app', 'True Granted')
    expect(await recorded(namespace)).toHaveLength(3)
  })
})
