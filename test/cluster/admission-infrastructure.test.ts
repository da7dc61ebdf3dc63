import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { protectedLabel } from '../../src/api/metadata.ts'
import { attempt, bindRole } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import type { UserName } from '../support/cluster/users.ts'
import { prepareCluster } from '../support/operator.ts'

const admission = join(import.meta.dirname, '../../examples/kubernetes/admission.yaml')
const labels = { [protectedLabel]: 'true' }
const guards = `the label ${protectedLabel} guards it`
const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/lockedbuckets.holdfast.dev'
const capacity = { storage: '1Gi' }
const accessModes = ['ReadWriteOnce']

/** A control plane of its own: its objects cannot be deleted again. */
describe.runIf(inject('cluster') !== null)('the guard of the infrastructure on a real API server', () => {
  let cluster: ControlPlane

  beforeAll(async () => {
    cluster = await startControlPlane()
    await prepareCluster(cluster)
    expect(await cluster.kubectl(['apply', '-f', admission])).toMatchObject({ code: 0, stderr: '' })
    await bindRole(cluster, { user: 'operator', role: 'cluster-admin', namespace: null })
    const make = async (path: string, kind: string, body: object) => {
      const name = 'guarded'
      const object = { apiVersion: 'v1', kind, metadata: { name, labels }, ...body }
      expect(await attempt(cluster, { user: 'cluster-admin', method: 'POST', path, body: object })).toBe(
        '201',
      )
    }
    const holds = await patch('cluster-admin', guarded[0], { metadata: { labels } })
    expect(holds).toBe('200')
    await make('/api/v1/persistentvolumes', 'PersistentVolume', {
      spec: {
        capacity,
        accessModes,
        persistentVolumeReclaimPolicy: 'Retain',
        hostPath: { path: '/nowhere' },
      },
    })
    await make(`${guarded[0]}/persistentvolumeclaims`, 'PersistentVolumeClaim', {
      spec: { accessModes, resources: { requests: capacity } },
    })
    await until('the policies are in force', 60_000, async () => {
      const answer = await patch('cluster-admin', `${guarded[0]}?dryRun=All`, unlabelled)
      return answer.startsWith('403') ? true : null
    })
  })

  afterAll(async () => {
    cluster?.assertRunning()
    await cluster?.stop()
  })

  const guarded = [
    '/api/v1/namespaces/holdfast-system',
    '/api/v1/persistentvolumes/guarded',
    '/api/v1/namespaces/holdfast-system/persistentvolumeclaims/guarded',
  ] as const
  const unlabelled = { metadata: { labels: { [protectedLabel]: null } } }
  const patch = (user: UserName, path: string, body: unknown) =>
    attempt(cluster, { user, method: 'PATCH', path, body })
  const remove = (user: UserName, path: string) => attempt(cluster, { user, method: 'DELETE', path })
  const say = (sentence: string) => expect.stringMatching(new RegExp(`^403 .*${sentence}`))

  test.each(guarded)('%s: cluster-admin deletes it, refused', async (path) => {
    for (const query of ['', '?propagationPolicy=Background'])
      expect(await remove('cluster-admin', `${path}${query}`)).toEqual(say(guards))
  })

  test.each(guarded)('%s: cluster-admin takes the label off to delete it then, refused', async (path) => {
    const refused = say('removed by the operator alone')
    expect(await patch('cluster-admin', path, unlabelled)).toEqual(refused)
    expect(await patch('cluster-admin', path, { metadata: { labels: null } })).toEqual(refused)
    const weaker = { metadata: { labels: { [protectedLabel]: 'false' } } }
    expect(await patch('cluster-admin', path, weaker)).toEqual(refused)
    expect(await patch('cluster-admin', path, { metadata: { labels: { more: 'labels' } } })).toBe('200')
  })

  test.each(guarded)('%s: nor is the label taken off by a subresource', async (path) => {
    await patch('cluster-admin', `${path}/status`, unlabelled)
    const shown = await cluster.request({ method: 'GET', path })
    expect(shown.json()).toMatchObject({ metadata: { labels } })
  })

  test('namespaces/finalize: cluster-admin takes the label off there, and it is still on', async () => {
    const path = guarded[0]
    const held = (await cluster.request({ method: 'GET', path })).json() as { metadata: object }
    const body = { ...held, metadata: { ...held.metadata, labels: {} } }
    await attempt(cluster, { user: 'cluster-admin', method: 'PUT', path: `${path}/finalize`, body })
    expect((await cluster.request({ method: 'GET', path })).json()).toMatchObject({ metadata: { labels } })
  })

  test('persistentvolumes: the reclaim policy of a guarded volume, Retain for good', async () => {
    const spec = { persistentVolumeReclaimPolicy: 'Delete' }
    expect(await patch('cluster-admin', guarded[1], { spec })).toEqual(say('keeps its reclaim policy Retain'))
  })

  test('namespaces: the operator takes the label off its own, which can go then', async () => {
    const path = guarded[0]
    expect(await remove('cluster-admin', path)).toEqual(say(guards))
    expect(await patch('operator', path, unlabelled)).toBe('200')
    expect(await remove('cluster-admin', `${path}?dryRun=All`)).toBe('200')
  })

  test('customresourcedefinitions: deleted, served in a second version, or without its status, refused without any label', async () => {
    expect(await remove('cluster-admin', crd)).toEqual(say('deletes every object of its kind'))
    const held = (await cluster.request({ method: 'GET', path: crd })).json() as {
      spec: { versions: readonly object[] }
    }
    const [version] = held.spec.versions
    const serves = say('serves v1 and nothing else')
    const versions = (...more: readonly object[]) => ({ spec: { versions: more } })
    const second = { ...version, name: 'v2', storage: false }
    for (const change of [
      versions({ ...version, name: 'v1' }, second),
      versions({ ...version, subresources: null }),
      versions({ ...version, served: false }),
    ]) {
      expect(await patch('cluster-admin', crd, change)).toEqual(serves)
    }
    expect(await patch('cluster-admin', crd, { metadata: { labels: { upgraded: 'yes' } } })).toBe('200')
    const applied = await cluster.kubectl(['apply', '-f', join(import.meta.dirname, '../../crds')])
    expect(applied.code, applied.stderr).toBe(0)
  })

  test('claims and namespaces where no operator is at home: the label, which a tenant may set, guards nothing', async () => {
    const tenant = await cluster.createNamespace('tenant')
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'copied', labels, finalizers: [] },
      spec: { accessModes, resources: { requests: capacity } },
    }
    const claims = `/api/v1/namespaces/${tenant}/persistentvolumeclaims`
    const admin = 'cluster-admin'
    expect(await attempt(cluster, { user: admin, method: 'POST', path: claims, body: claim })).toBe('201')
    expect(await patch(admin, `/api/v1/namespaces/${tenant}`, { metadata: { labels } })).toBe('200')
    expect(await patch(admin, `${claims}/copied`, unlabelled)).toBe('200')
    expect(await patch(admin, `${claims}/copied`, { metadata: { labels } })).toBe('200')
    expect(await remove(admin, `${claims}/copied`)).toBe('200')
    expect(await remove(admin, `/api/v1/namespaces/${tenant}`)).toBe('200')
  })

  test('what carries no label: deleted as ever', async () => {
    const name = await cluster.createNamespace('free')
    expect(await remove('cluster-admin', `/api/v1/namespaces/${name}`)).toBe('200')
  })
})
