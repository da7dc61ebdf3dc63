import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { bucketFinalizer, guardAnnotationPrefix, protectedLabel } from '../../src/api/metadata.ts'
import { type Attempt, attempt, bindRole } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import { usernameOf } from '../support/cluster/users.ts'
import { prepareCluster } from '../support/operator.ts'
import { bucket, policy } from '../support/operator-rig.ts'

const admission = join(import.meta.dirname, '../../examples/kubernetes/admission.yaml')
const home = 'holdfast-system'
const made = { 'app.kubernetes.io/managed-by': 'holdfast-operator' }
const owner = { apiVersion: 'holdfast.dev/v1', kind: 'BucketAccess', name: 'keys', uid: 'u-1' }
const encode = (text: string) => Buffer.from(text).toString('base64')
const noWork = "is none of the operator's work: its token is a way to nothing else"
const ownSecrets = 'the operator writes Secrets that it made'

type SecretMetadata = {
  readonly name: string
  readonly labels?: object
  readonly ownerReferences?: readonly object[]
}

/**
 * A control plane of its own. The operator has every right that there is: what is refused is refused by the policies, as
 * it would be to whoever stole its token from a cluster that was careless with its rights.
 */
describe.runIf(inject('cluster') !== null)('the account of the operator on a real API server', () => {
  let cluster: ControlPlane

  beforeAll(async () => {
    cluster = await startControlPlane()
    await prepareCluster(cluster)
    expect(await cluster.kubectl(['apply', '-f', admission])).toMatchObject({ code: 0, stderr: '' })
    for (const name of ['team-a', 'team-b'])
      await asAdmin('namespaces', { kind: 'Namespace', metadata: { name } })
    await makeSecret('team-a', { name: 'theirs' })
    await makeSecret('team-a', { name: 'keys', ownerReferences: [owner] })
    await makeSecret(home, { name: 'somebodys' })
    await makeSecret(home, { name: 'holdfast-root', labels: made })
    await makeSecret(home, { name: 'holdfast-tls', labels: made }, 'kubernetes.io/tls')
    await makeStorage(home, 'ours')
    await makeStorage('team-a', 'theirs')
    await makeClaim(home, { name: 'unbound' })
    await bindRole(cluster, { user: 'operator', role: 'cluster-admin', namespace: null })
    await until('the policies are in force', 60_000, async () => {
      const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'probe' } }
      const path = '/api/v1/namespaces/team-b/secrets?dryRun=All'
      const probed = await operator('POST', path, secret)
      return probed.startsWith('403') && probed.includes(ownSecrets) ? true : null
    })
  })

  afterAll(async () => {
    cluster?.assertRunning()
    await cluster?.stop()
  })

  const operator = (method: Attempt['method'], path: string, body?: unknown) =>
    attempt(cluster, { user: 'operator', method, path, body })
  const refused = (sentence: string) => expect.stringMatching(new RegExp(`^403 .*${sentence}`))
  const core = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/${name}`
  const group = (name: string, namespace?: string) =>
    `/apis/${name}${namespace === undefined ? '' : `/namespaces/${namespace}`}`

  async function asAdmin(path: string, object: object): Promise<void> {
    const whole = path.startsWith('/') ? path : `/api/v1/${path}`
    const body = { apiVersion: 'v1', ...object }
    const sent = await attempt(cluster, { user: 'cluster-admin', method: 'POST', path: whole, body })
    expect(sent).toBe('201')
  }

  async function makeSecret(namespace: string, metadata: SecretMetadata, type = 'Opaque'): Promise<void> {
    const data = type === 'Opaque' ? { word: encode('secret') } : { 'tls.crt': '', 'tls.key': '' }
    await asAdmin(`namespaces/${namespace}/secrets`, { kind: 'Secret', metadata, type, data })
  }

  /** A claim with the volume that is bound to it; both are called `name`. */
  async function makeStorage(namespace: string, name: string): Promise<void> {
    const accessModes = ['ReadWriteOnce']
    const capacity = { storage: '1Gi' }
    const claimRef = { namespace, name }
    const hostPath = { path: '/nowhere' }
    const common = { persistentVolumeReclaimPolicy: 'Delete', hostPath, claimRef }
    await asAdmin('persistentvolumes', {
      kind: 'PersistentVolume',
      metadata: { name, labels: { of: namespace } },
      spec: { capacity, accessModes, ...common },
    })
    await makeClaim(namespace, { name, volumeName: name })
  }

  async function makeClaim(
    namespace: string,
    { name, ...more }: { name: string; volumeName?: string },
  ): Promise<void> {
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...more }
    const claim = { kind: 'PersistentVolumeClaim', metadata: { name }, spec }
    await asAdmin(`namespaces/${namespace}/persistentvolumeclaims`, claim)
  }

  async function read(path: string): Promise<unknown> {
    return (await cluster.request({ method: 'GET', path })).json()
  }

  test.each([
    ['team-a/theirs', core('team-a', 'secrets/theirs')],
    ['its own namespace’s, not of its making', core(home, 'secrets/somebodys')],
  ])(
    'Secrets: that of %s, overwritten, adopted, or read by a patch that changes nothing, refused',
    async (_what, path) => {
      const before = await read(path)
      for (const change of [
        {},
        { data: { word: encode('mine') } },
        { metadata: { labels: made } },
        { metadata: { ownerReferences: [owner] } },
        { metadata: { ownerReferences: [owner], labels: made }, data: { word: null } },
      ])
        expect(await operator('PATCH', path, change)).toEqual(refused(ownSecrets))
      const put = { ...(before as object), data: { word: encode('mine') } }
      expect(await operator('PUT', path, put)).toEqual(refused(ownSecrets))
      expect(await operator('DELETE', path)).toEqual(refused(`DELETE secrets ${noWork}`))
      const query = 'fieldManager=holdfast-operator&force=true'
      const applied = await cluster.request({
        user: 'operator',
        method: 'PATCH',
        path: `${path}?${query}`,
        contentType: 'application/apply-patch+yaml',
        body: { apiVersion: 'v1', kind: 'Secret', metadata: { ownerReferences: [owner], labels: made } },
      })
      expect(applied.status).toBe(403)
      expect(applied.text).not.toContain(encode('secret'))
      expect(await read(path)).toEqual(before)
    },
  )

  test('Secrets: made for a BucketAccess in any namespace, for the release in its own, changed as it does; nothing else', async () => {
    const create = (namespace: string, metadata: object, type = 'Opaque') => {
      const body = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata,
        type,
        data: { 'tls.crt': '', 'tls.key': '' },
      }
      return operator('POST', `${core(namespace, 'secrets')}?dryRun=All`, body)
    }
    expect(await create('team-b', { name: 'new', ownerReferences: [owner] })).toBe('201')
    expect(await create(home, { name: 'new', labels: made })).toBe('201')
    expect(await create(home, { name: 'new', labels: made }, 'kubernetes.io/tls')).toBe('201')
    expect(await create('team-b', { name: 'new', labels: made })).toEqual(refused(ownSecrets))
    expect(await create(home, { name: 'new' })).toEqual(refused(ownSecrets))
    const other = { ...owner, apiVersion: 'example.com/v1' }
    expect(await create('team-b', { name: 'new', ownerReferences: [other] })).toEqual(refused(ownSecrets))
    const keys = core('team-a', 'secrets/keys')
    expect(await operator('PATCH', keys, { data: { more: encode('word') } })).toBe('200')
    expect(await operator('PATCH', keys, { metadata: { ownerReferences: null } })).toEqual(
      refused(ownSecrets),
    )
    const data = { 'tls.crt': encode('renewed') }
    expect(await operator('PATCH', core(home, 'secrets/holdfast-tls'), { data })).toBe('200')
    expect(await operator('PATCH', core(home, 'secrets/holdfast-root'), { data })).toEqual(
      refused('keys of a release are made once'),
    )
  })

  test('Secrets: by no label or annotation of a BucketAccess’s does somebody else take it for theirs; what people added stays', async () => {
    const path = core('team-b', 'secrets')
    const secret = (metadata: object) => ({
      ...{ apiVersion: 'v1', kind: 'Secret', type: 'Opaque' },
      metadata: { name: 'labelled', ownerReferences: [owner], ...metadata },
    })
    const labels = { ...made, 'app.kubernetes.io/name': 'holdfast' }
    const annotations = { 'holdfast.dev/rotate-now': 'today' }
    const nothingElse = refused('the operator sets its own labels and annotation, nothing by which others')
    for (const metadata of [
      { labels: { 'argocd.argoproj.io/secret-type': 'cluster' } },
      { labels: { ...labels, 'app.kubernetes.io/managed-by': 'argocd' } },
      { labels, annotations: { 'replicator.v1.mittwald.de/replicate-from': 'team-a/theirs' } },
    ])
      expect(await operator('POST', path, secret(metadata))).toEqual(nothingElse)
    await asAdmin(
      `namespaces/team-b/secrets`,
      secret({ labels: { team: 'b' }, annotations: { note: 'mine' } }),
    )
    const metadata = { labels: { ...labels, team: 'b' }, annotations: { ...annotations, note: 'mine' } }
    expect(await operator('PATCH', `${path}/labelled`, { metadata })).toBe('200')
    for (const change of [
      { labels: { team: 'a' } },
      { annotations: { note: 'theirs' } },
      { labels: { other: '' } },
    ])
      expect(await operator('PATCH', `${path}/labelled`, { metadata: change })).toEqual(nothingElse)
    expect(await read(`${path}/labelled`)).toMatchObject({ metadata })
    const fresh = {
      ...secret({ labels, annotations }),
      metadata: { name: 'fresh', ownerReferences: [owner], labels, annotations },
    }
    expect(await operator('POST', path, fresh)).toBe('201')
  })

  test('Secrets: one that the API server would fill with another account’s token, refused wherever it is', async () => {
    const name = 'kubernetes.io/service-account.name'
    for (const [namespace, metadata] of [
      ['kube-system', { ownerReferences: [owner] }],
      [home, { labels: made }],
    ] as const) {
      const body = {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/service-account-token',
        metadata: { ...metadata, name: 'token', annotations: { [name]: 'default' } },
      }
      const sent = await operator('POST', core(namespace, 'secrets'), body)
      expect(sent).toEqual(refused('the operator makes no Secret of this type'))
    }
  })

  test('persistentvolumes: Retain and its label, of the volume of a claim of its own; never Delete, its source, its claim, another’s', async () => {
    const [ours, theirs] = ['ours', 'theirs'].map((name) => `/api/v1/persistentvolumes/${name}`) as [
      string,
      string,
    ]
    const policyOf = (persistentVolumeReclaimPolicy: string) => ({ spec: { persistentVolumeReclaimPolicy } })
    expect(await operator('PATCH', ours, policyOf('Recycle'))).toEqual(refused('to Retain, never to another'))
    expect(await operator('PATCH', ours, policyOf('Retain'))).toBe('200')
    expect(await operator('PATCH', ours, policyOf('Delete'))).toEqual(refused('to Retain, never to another'))
    for (const spec of [
      { claimRef: null },
      { accessModes: ['ReadWriteMany'] },
      { claimRef: { namespace: 'team-a' } },
      { mountOptions: ['ro'] },
      { capacity: { storage: '2Gi' } },
    ])
      expect(await operator('PATCH', ours, { spec })).toEqual(refused('neither its source nor its claim'))
    for (const change of [policyOf('Retain'), { metadata: { labels: { [protectedLabel]: 'true' } } }])
      expect(await operator('PATCH', theirs, change)).toEqual(
        refused('bound to a claim of its own namespace'),
      )
    expect(await operator('PATCH', `${ours}/status`, { status: { phase: 'Failed' } })).toEqual(
      refused(`UPDATE persistentvolumes/status ${noWork}`),
    )
  })

  test('persistentvolumeclaims and namespaces: the guard’s words on its own, nothing else and nowhere else', async () => {
    const claim = core(home, 'persistentvolumeclaims/ours')
    expect(await operator('PATCH', core('team-a', 'persistentvolumeclaims/theirs'), {})).toEqual(
      refused('PersistentVolumeClaims of its own namespace, and no other'),
    )
    expect(await operator('PATCH', '/api/v1/namespaces/team-a', {})).toEqual(
      refused('its own Namespace, and no other'),
    )
    const volume = '/api/v1/persistentvolumes/ours'
    const unbound = core(home, 'persistentvolumeclaims/unbound')
    expect(await operator('PATCH', unbound, { spec: { volumeName: 'theirs' } })).toEqual(
      refused('the operator writes no spec'),
    )
    const enforced = { 'pod-security.kubernetes.io/enforce': 'privileged' }
    for (const path of [claim, volume, `/api/v1/namespaces/${home}`]) {
      for (const metadata of [
        { labels: enforced },
        { labels: null, annotations: { other: 'word' } },
        { finalizers: ['example.com/held'] },
        { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: 'b' }] },
      ])
        expect(await operator('PATCH', path, { metadata })).toEqual(
          refused(`changes the label ${protectedLabel}`),
        )
      const annotations = { [`${guardAnnotationPrefix}lease`]: 'true' }
      const guard = { labels: { [protectedLabel]: 'true' }, annotations }
      expect(await operator('PATCH', path, { metadata: guard })).toBe('200')
      const gone = {
        labels: { [protectedLabel]: null },
        annotations: { [`${guardAnnotationPrefix}lease`]: null },
      }
      expect(await operator('PATCH', path, { metadata: gone })).toBe('200')
    }
  })

  test('lockedbuckets: its finalizer and statuses, no spec, no label, no annotation; none is made', async () => {
    const path = group('holdfast.dev/v1', 'team-a')
    await asAdmin(`${path}/retentionpolicies`, policy('keep', { mode: 'GOVERNANCE', days: 1 }))
    await asAdmin(`${path}/lockedbuckets`, bucket('vault', 'vault'))
    const vault = `${path}/lockedbuckets/vault`
    expect(await operator('PATCH', vault, { spec: { quota: '1Gi' } })).toEqual(
      refused('the operator writes no spec'),
    )
    const kept = refused(`changes the finalizer ${bucketFinalizer}`)
    for (const metadata of [
      { annotations: { 'holdfast.dev/orphan': 'true' } },
      { labels: { a: 'b' } },
      { finalizers: ['example.com/other'] },
    ])
      expect(await operator('PATCH', vault, { metadata })).toEqual(kept)
    expect(await operator('PATCH', vault, { metadata: { finalizers: [bucketFinalizer] } })).toBe('200')
    expect(await operator('PATCH', vault, { metadata: { finalizers: null } })).toBe('200')
    for (const name of ['lockedbuckets/vault', 'retentionpolicies/keep'])
      expect(
        await operator('PATCH', `${path}/${name}/status`, { status: { deletionProtected: false } }),
      ).toBe('200')
    const other = await operator('POST', `${path}/lockedbuckets`, bucket('mine', 'mine'))
    expect(other).toEqual(refused(`CREATE lockedbuckets.holdfast.dev ${noWork}`))
    const weaker = { spec: { minimum: { days: 1 } } }
    expect(await operator('PATCH', `${path}/retentionpolicies/keep`, weaker)).toEqual(
      refused(`UPDATE retentionpolicies.holdfast.dev ${noWork}`),
    )
  })

  test('rights, accounts, pods, tokens, kinds and another’s Lease: nothing of it is made, changed, deleted or entered', async () => {
    const rbac = group('rbac.authorization.k8s.io/v1')
    const named = (kind: string, apiVersion = 'v1', more: object = {}) => ({
      apiVersion,
      kind,
      metadata: { name: 'mine' },
      ...more,
    })
    const pod = { serviceAccountName: 'holdfast-operator', containers: [{ name: 'a', image: 'b' }] }
    const token = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }
    const attempts: readonly (readonly [string, Attempt['method'], string, object?])[] = [
      ['CREATE clusterrolebindings.*', 'POST', `${rbac}/clusterrolebindings`, binding()],
      ['UPDATE clusterroles.*', 'PATCH', `${rbac}/clusterroles/holdfast-operator`, { rules: [] }],
      ['CREATE pods', 'POST', core(home, 'pods'), named('Pod', 'v1', { spec: pod })],
      ['CREATE serviceaccounts', 'POST', core(home, 'serviceaccounts'), named('ServiceAccount')],
      ['CREATE serviceaccounts/token', 'POST', core(home, 'serviceaccounts/holdfast-operator/token'), token],
      ['CREATE namespaces', 'POST', '/api/v1/namespaces', named('Namespace')],
      ['DELETE namespaces', 'DELETE', '/api/v1/namespaces/team-b'],
      ['DELETE lockedbuckets.*', 'DELETE', `${group('holdfast.dev/v1', 'team-a')}/lockedbuckets/vault`],
      ['DELETE persistentvolumes', 'DELETE', '/api/v1/persistentvolumes/ours'],
      ['DELETE secrets', 'DELETE', core('team-a', 'secrets')],
      ['CONNECT services/proxy', 'POST', '/api/v1/namespaces/default/services/kubernetes/proxy'],
      [
        'UPDATE customresourcedefinitions.*',
        'PATCH',
        `${group('apiextensions.k8s.io/v1')}/customresourcedefinitions/lockedbuckets.holdfast.dev`,
        { metadata: { labels: { a: 'b' } } },
      ],
    ]
    for (const [what, method, path, body] of attempts)
      expect(await operator(method, path, body), what).toEqual(refused(`${what} ${noWork}`))
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'mine' } }
    const leases = (namespace: string) => `${group('coordination.k8s.io/v1', namespace)}/leases?dryRun=All`
    expect(await operator('POST', leases('team-a'), lease)).toEqual(refused('a Lease in its own namespace'))
    expect(await operator('POST', leases(home), lease)).toBe('201')
    const words = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' } }
    const maps = (namespace: string) => `${core(namespace, 'configmaps')}?dryRun=All`
    expect(await operator('POST', maps(home), words)).toEqual(
      refused('ConfigMaps of its own namespace that it made'),
    )
    const labelled = { ...words, metadata: { name: 'mine', labels: made } }
    expect(await operator('POST', maps('team-a'), labelled)).toEqual(
      refused('ConfigMaps of its own namespace'),
    )
    expect(await operator('POST', maps(home), labelled)).toBe('201')
  })

  test('admission policies: passed over by every admission, so the rights of the example are to look at them and no more', async () => {
    await cluster.kubectl(['delete', 'clusterrolebinding', 'operator-cluster-admin'])
    const may = async (verb: string) => {
      const resource = 'validatingadmissionpolicies.admissionregistration.k8s.io'
      const asked = ['auth', 'can-i', verb, resource, `--as=${usernameOf('operator')}`]
      return (await cluster.kubectl(asked)).stdout.trim()
    }
    expect(await may('list')).toBe('yes')
    for (const verb of ['create', 'update', 'patch', 'delete']) expect(await may(verb)).toBe('no')
  })

  function binding(): object {
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }
    const subjects = [{ kind: 'ServiceAccount', name: 'holdfast-operator', namespace: home }]
    const metadata = { name: 'mine' }
    return {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef,
      subjects,
    }
  }
})
