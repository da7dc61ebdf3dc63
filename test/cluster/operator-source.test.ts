import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { RetentionPolicy } from '../../src/api/RetentionPolicy.ts'
import { silentLog } from '../../src/lib/log.ts'
import { connectKube, type KubeClient, type KubeClientOptions } from '../../src/operator/kube.ts'
import type { ObjectKind } from '../../src/operator/objects.ts'
import { parseObjectOf } from '../../src/operator/parse-object.ts'
import { Reflector } from '../../src/operator/reflector.ts'
import { KubeSource } from '../../src/operator/sources/kube.ts'
import type { Change } from '../../src/operator/sources/source.ts'
import { systemTimers } from '../../src/operator/timers.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import { tokenOf } from '../support/cluster/users.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const address = inject('cluster')
const crds = join(import.meta.dirname, '../../crds')
const waitMs = 60_000

/** A kubeconfig of cluster-admin that leads through a port of this machine. */
function kubeconfigThrough(cluster: Cluster, port: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-kubeconfig-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'kubeconfig.json')
  const { address: target } = cluster
  const server = { server: `https://127.0.0.1:${port}`, 'certificate-authority': target.caPath }
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: server }],
    users: [{ name: 'test', user: { token: tokenOf(target.tokens, 'cluster-admin') } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  }
  writeFileSync(path, JSON.stringify(kubeconfig))
  return path
}

function clientOf(
  path: string,
  limits: Pick<KubeClientOptions, 'watchSilenceMsMax' | 'documentLengthMax'> = {},
): KubeClient {
  return connectKube({ kind: 'file', path }, { clock: systemClock(), timers: systemTimers, ...limits })
}

async function proxyTo(cluster: Cluster): Promise<TcpProxy> {
  const { hostname, port } = new URL(cluster.endpoint)
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) })
  onTestFinished(() => proxy.close())
  return proxy
}

type Running = { readonly source: KubeSource; readonly changes: Change[] }

async function startSource(client: KubeClient): Promise<Running> {
  const abort = new AbortController()
  const source = new KubeSource({
    client,
    clock: systemClock(),
    timers: systemTimers,
    log: silentLog,
    instance: 'test',
    namespaces: null,
  })
  const changes: Change[] = []
  source.subscribe((changed) => changes.push(changed))
  onTestFinished(async () => {
    abort.abort()
    await source.stopped()
  })
  await source.start(abort.signal)
  return { source, changes }
}

type RunningReflector = { readonly reflector: Reflector<RetentionPolicy>; readonly changes: string[] }

async function startReflector(client: KubeClient): Promise<RunningReflector> {
  const abort = new AbortController()
  const changes: string[] = []
  const reflector = new Reflector<RetentionPolicy>({
    client,
    path: '/apis/holdfast.dev/v1/retentionpolicies',
    parse: (raw) => parseObjectOf('RetentionPolicy', raw),
    timers: systemTimers,
    log: silentLog,
    onChange: (key) => changes.push(key),
  })
  let ended: Promise<void> = Promise.resolve()
  await new Promise<void>((resolve) => {
    ended = reflector.run(abort.signal, resolve)
  })
  onTestFinished(async () => {
    abort.abort()
    await ended
  })
  return { reflector, changes }
}

async function createPolicy(cluster: Cluster, namespace: string, name: string, days = 1): Promise<void> {
  const body = {
    apiVersion: 'holdfast.dev/v1',
    kind: 'RetentionPolicy',
    metadata: { namespace, name },
    spec: { defaultRetention: { mode: 'GOVERNANCE', days } },
  }
  const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/retentionpolicies`
  const response = await cluster.request({ method: 'POST', path, body })
  expect(response.status, response.text).toBe(201)
}

function setDays(cluster: Cluster, namespace: string, { name, days }: { name: string; days: number }) {
  return cluster.request({
    method: 'PATCH',
    path: `/apis/holdfast.dev/v1/namespaces/${namespace}/retentionpolicies/${name}`,
    contentType: 'application/merge-patch+json',
    body: { spec: { defaultRetention: { days } } },
  })
}

function deletePolicy(cluster: Cluster, namespace: string, name: string) {
  const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/retentionpolicies/${name}`
  return cluster.request({ method: 'DELETE', path })
}

async function applyCrds(cluster: Cluster): Promise<void> {
  const applied = await cluster.kubectl(['apply', '-f', crds])
  expect(applied.code, applied.stderr).toBe(0)
  const wait = ['wait', '--for=condition=Established', 'crd/retentionpolicies.holdfast.dev', '--timeout=30s']
  expect((await cluster.kubectl([...wait, 'crd/lockedbuckets.holdfast.dev'])).code).toBe(0)
}

function waitFor(what: string, isReached: () => boolean): Promise<true> {
  return until(what, waitMs, async () => (isReached() ? true : null))
}

describe.runIf(address !== null)('the kube source on a real API server', () => {
  let cluster: Cluster

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    await applyCrds(cluster)
  })

  const direct = () => clientOf(cluster.kubeconfigPath('cluster-admin'))

  test('KubeSource: objects are added, changed and deleted, the cache follows and tells each', async () => {
    const namespace = await cluster.createNamespace('source')
    await createPolicy(cluster, namespace, 'before')
    const { source, changes } = await startSource(direct())
    const get = (name: string) => source.get('RetentionPolicy', { namespace, name })
    expect(get('before')?.spec.defaultRetention.days).toBe(1)
    await createPolicy(cluster, namespace, 'after')
    await waitFor('the new policy is in the cache', () => get('after') !== null)
    await setDays(cluster, namespace, { name: 'after', days: 5 })
    await waitFor('the change is in the cache', () => get('after')?.spec.defaultRetention.days === 5)
    expect(get('after')?.metadata.generation).toBe(2)
    await deletePolicy(cluster, namespace, 'after')
    await waitFor('the deletion is in the cache', () => get('after') === null)
    const told = changes.filter((change) => change.namespace === namespace && change.name === 'after')
    expect(told.map(({ cause }) => cause)).toEqual(['object', 'object', 'object'])
  })

  test('KubeSource: a status is written with server-side apply, the spec stays and the echo is told as ours', async () => {
    const namespace = await cluster.createNamespace('status')
    await createPolicy(cluster, namespace, 'keep')
    const { source, changes } = await startSource(direct())
    const key = { namespace, name: 'keep' }
    const object = source.get('RetentionPolicy', key)
    if (object === null) throw new Error('the policy is not there')
    expect(object.status).toEqual({ observedGeneration: -1 })
    const { signal } = new AbortController()
    const written = await source.writeStatus<'RetentionPolicy'>(
      object,
      { observedGeneration: 1, bucketCount: 4 },
      signal,
    )
    expect(written).toEqual({ kind: 'written' })
    expect(source.get('RetentionPolicy', key)?.status).toEqual({ observedGeneration: 1, bucketCount: 4 })
    expect(source.get('RetentionPolicy', key)?.metadata.generation).toBe(1)
    await waitFor('the echo was told', () =>
      changes.some(({ name, cause }) => name === 'keep' && cause === 'ownStatus'),
    )
  })

  test('KubeSource: a status of an older object is a conflict, one of a deleted or re-created object is not written', async () => {
    const namespace = await cluster.createNamespace('conflict')
    await createPolicy(cluster, namespace, 'keep')
    const { source } = await startSource(direct())
    const key = { namespace, name: 'keep' }
    const old = source.get('RetentionPolicy', key)
    if (old === null) throw new Error('the policy is not there')
    await setDays(cluster, namespace, { name: 'keep', days: 9 })
    const { signal } = new AbortController()
    expect(await source.writeStatus<'RetentionPolicy'>(old, { observedGeneration: 1 }, signal)).toEqual({
      kind: 'conflict',
    })
    await deletePolicy(cluster, namespace, 'keep')
    // Apply creates what is missing, but not by /status, and the uid forbids another incarnation.
    const afterDelete = await source.writeStatus<'RetentionPolicy'>(old, { observedGeneration: 1 }, signal)
    expect(['gone', 'conflict']).toContain(afterDelete.kind)
    await createPolicy(cluster, namespace, 'keep')
    expect(await source.writeStatus<'RetentionPolicy'>(old, { observedGeneration: 1 }, signal)).toEqual({
      kind: 'conflict',
    })
    const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/retentionpolicies/keep`
    expect((await cluster.request({ method: 'GET', path })).json()).toMatchObject({
      status: { observedGeneration: -1 },
    })
  })

  test('KubeSource: an event is recorded, the same again counts up, and kubectl shows it', async () => {
    const namespace = await cluster.createNamespace('events')
    await createPolicy(cluster, namespace, 'keep')
    const { source } = await startSource(direct())
    const object = source.get('RetentionPolicy', { namespace, name: 'keep' })
    const { uid = null, resourceVersion = null } = object?.metadata ?? {}
    const regarding = { kind: 'RetentionPolicy' as ObjectKind, namespace, name: 'keep', uid, resourceVersion }
    for (let time = 0; time < 3; time += 1) {
      await source.recordEvent({ reason: 'RetentionWouldShorten', message: 'kept as it is', regarding })
    }
    const path = `/api/v1/namespaces/${namespace}/events`
    const list = (await cluster.request({ method: 'GET', path })).json() as { items: readonly object[] }
    expect(list.items).toMatchObject([
      { type: 'Warning', reason: 'RetentionWouldShorten', count: 3, involvedObject: { name: 'keep', uid } },
    ])
    const described = await cluster.kubectl(['describe', 'retpol', 'keep', '-n', namespace])
    expect(described.stdout).toMatch(/Warning\s+RetentionWouldShorten.*x3.*kept as it is/)
  })

  test('KubeSource: forty different events of one object at once, ten are recorded singly, fifteen as one, the rest not', async () => {
    const namespace = await cluster.createNamespace('flood')
    const { source } = await startSource(direct())
    const regarding = {
      kind: 'LockedBucket' as const,
      namespace,
      name: 'noisy',
      uid: null,
      resourceVersion: null,
    }
    for (let index = 0; index < 40; index += 1) {
      await source.recordEvent({ reason: 'DriftDetected', message: `change ${index}`, regarding })
    }
    const path = `/api/v1/namespaces/${namespace}/events`
    type Events = { items: readonly { count: number; message: string }[] }
    const { items } = (await cluster.request({ method: 'GET', path })).json() as Events
    expect(items).toHaveLength(11)
    expect(items.filter(({ count }) => count > 1)).toEqual([
      expect.objectContaining({ count: 15, message: '(combined from similar events): change 24' }),
    ])
  })

  test('Reflector: more objects than a page holds, all pages are read', async () => {
    const namespace = await cluster.createNamespace('pages')
    const names = Array.from({ length: 510 }, (_, index) => `policy-${index}`)
    for (let from = 0; from < names.length; from += 30) {
      await Promise.all(names.slice(from, from + 30).map((name) => createPolicy(cluster, namespace, name)))
    }
    const { reflector } = await startReflector(direct())
    expect(reflector.counts.lists).toBe(1)
    expect(reflector.cache.list().filter(({ metadata }) => metadata.namespace === namespace)).toHaveLength(
      510,
    )
  })

  test('Reflector: a page is longer than an answer may be, it asks for fewer objects at a time', async () => {
    const namespace = await cluster.createNamespace('long')
    for (let index = 0; index < 9; index += 1) {
      const body = {
        apiVersion: 'holdfast.dev/v1',
        kind: 'RetentionPolicy',
        metadata: { namespace, name: `long-${index}`, annotations: { foreign: 'x'.repeat(100_000) } },
        spec: { defaultRetention: { mode: 'GOVERNANCE', days: 1 } },
      }
      const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/retentionpolicies`
      expect((await cluster.request({ method: 'POST', path, body })).status).toBe(201)
    }
    // Three of them in an answer, not four; the whole collection never.
    const client = clientOf(cluster.kubeconfigPath('cluster-admin'), { documentLengthMax: 400_000 })
    const { reflector } = await startReflector(client)
    const held = reflector.cache.list().filter(({ metadata }) => metadata.namespace === namespace)
    expect(held).toHaveLength(9)
    expect(held.map(({ metadata }) => metadata.annotations)).toEqual(held.map(() => undefined))
    expect(reflector.counts.lists).toBeGreaterThan(1)
    expect(reflector.counts.lists).toBeLessThanOrEqual(10)
  })

  test('Reflector: the connection is reset while it watches, it goes on from where it was without a new list', async () => {
    const namespace = await cluster.createNamespace('reset')
    const proxy = await proxyTo(cluster)
    const { reflector } = await startReflector(clientOf(kubeconfigThrough(cluster, proxy.port)))
    for (let round = 0; round < 3; round += 1) {
      proxy.reset()
      await createPolicy(cluster, namespace, `after-reset-${round}`)
      const key = `${namespace}/after-reset-${round}`
      await waitFor(`${key} is in the cache`, () => reflector.cache.get(key) !== null)
    }
    expect(reflector.counts.lists).toBe(1)
    expect(reflector.counts.watches).toBeGreaterThanOrEqual(4)
    expect(reflector.counts.watches).toBeLessThanOrEqual(10)
  })

  test('Reflector: its connection stays open but nothing comes any more, it opens another one', async () => {
    const namespace = await cluster.createNamespace('frozen')
    const proxy = await proxyTo(cluster)
    const { reflector } = await startReflector(
      clientOf(kubeconfigThrough(cluster, proxy.port), { watchSilenceMsMax: 3000 }),
    )
    await createPolicy(cluster, namespace, 'before')
    await waitFor('the policy is in the cache', () => reflector.cache.get(`${namespace}/before`) !== null)
    proxy.freeze()
    await createPolicy(cluster, namespace, 'swallowed')
    await waitFor('the policy is in the cache', () => reflector.cache.get(`${namespace}/swallowed`) !== null)
    expect(reflector.counts.lists).toBe(1)
  })

  test('Reflector: the network is away for a while, it waits it out and knocks seldom', async () => {
    const namespace = await cluster.createNamespace('away')
    const proxy = await proxyTo(cluster)
    const { reflector } = await startReflector(clientOf(kubeconfigThrough(cluster, proxy.port)))
    const before = proxy.connectionCount()
    proxy.cut()
    await createPolicy(cluster, namespace, 'while-away')
    // Three knocks of its backoff, 0.8 s at least apart, are waited for instead of a time.
    await waitFor('it knocked three times', () => proxy.connectionCount() >= before + 3)
    expect(reflector.cache.get(`${namespace}/while-away`)).toBeNull()
    proxy.restore()
    await waitFor('the policy is in the cache', () => reflector.cache.get(`${namespace}/while-away`) !== null)
  })
})

describe.runIf(address !== null)('the kube source and an API server that dies', () => {
  let controlPlane: ControlPlane

  beforeAll(async () => {
    controlPlane = await startControlPlane()
    await applyCrds(controlPlane)
  })

  afterAll(async () => {
    await controlPlane.stop()
  })

  test('KubeSource: the API server is killed and started again, it goes on by itself', async () => {
    const client = clientOf(controlPlane.kubeconfigPath('cluster-admin'))
    const { source } = await startSource(client)
    const get = (name: string) => source.get('RetentionPolicy', { namespace: 'default', name })
    await createPolicy(controlPlane, 'default', 'before')
    await waitFor('the policy is in the cache', () => get('before') !== null)
    await controlPlane.killApiServer()
    expect(get('before')).not.toBeNull()
    await controlPlane.startApiServer()
    await createPolicy(controlPlane, 'default', 'later')
    await waitFor('the later policy is in the cache', () => get('later') !== null)
    await deletePolicy(controlPlane, 'default', 'before')
    await waitFor('the deletion is in the cache', () => get('before') === null)
  })

  test('Reflector: its version is too old for the API server (410 Gone), it lists again and tells of what went', async () => {
    const proxy = await proxyTo(controlPlane)
    await createPolicy(controlPlane, 'default', 'doomed')
    const { reflector, changes } = await startReflector(clientOf(kubeconfigThrough(controlPlane, proxy.port)))
    expect(reflector.cache.get('default/doomed')).not.toBeNull()
    proxy.cut()
    await deletePolicy(controlPlane, 'default', 'doomed')
    await createPolicy(controlPlane, 'default', 'newcomer')
    // A restarted API server remembers no event from before its start.
    await controlPlane.killApiServer()
    await controlPlane.startApiServer()
    changes.splice(0)
    proxy.restore()
    await waitFor('the newcomer is in the cache', () => reflector.cache.get('default/newcomer') !== null)
    expect(reflector.cache.get('default/doomed')).toBeNull()
    expect(changes).toContain('default/doomed')
    expect(reflector.counts.lists).toBe(2)
  })
})
