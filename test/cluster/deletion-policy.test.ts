import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { bucketFinalizer } from '../../src/api/metadata.ts'
import type { Cluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import { usernameOf } from '../support/cluster/users.ts'
import type { RunningOperator } from '../support/operator.ts'
import {
  afterVerifies,
  bucket,
  contentMd5,
  type OperatorRig,
  policy,
  waitMs,
} from '../support/operator-rig.ts'
import { endSuite, startSuite } from '../support/operator-suite.ts'
import type { TestServer } from '../support/server.ts'

const address = inject('cluster')
const admission = join(import.meta.dirname, '../../examples/kubernetes/admission.yaml')
const hourMs = 3_600_000

describe.runIf(address !== null)('deletionPolicy on a real API server', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig
  let namespace: string

  beforeAll(async () => {
    ;({ cluster, server, operator, rig } = await startSuite(address, { verifyInterval: '1s' }))
    namespace = await cluster.createNamespace('deletion')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 1 }))
  })

  afterAll(async () => {
    await cluster?.kubectl(['delete', '--ignore-not-found', '-f', admission])
    await endSuite({ operator, server })
  })

  async function made(name: string, deletionPolicy: 'Retain' | 'Delete'): Promise<void> {
    await rig.apply(namespace, bucket(name, name, { deletionPolicy }))
    await rig.becomes(namespace, name, { Ready: 'True Enforced' })
  }

  async function put(name: string): Promise<string> {
    const headers = contentMd5('x')
    const sent = await server.client.send({ method: 'PUT', path: `/${name}/key`, body: 'x', headers })
    expect(sent.status).toBe(200)
    return String(sent.headers['x-amz-version-id'])
  }

  const remove = (name: string, ...flags: readonly string[]) =>
    cluster.kubectl(['delete', '-n', namespace, `lbk/${name}`, '--timeout=60s', ...flags])
  const bucketStatus = async (name: string) =>
    (await server.client.send({ method: 'HEAD', path: `/${name}` })).status
  async function setFinalizers(name: string, wanted: readonly string[] | null): Promise<void> {
    const body = JSON.stringify({ metadata: { finalizers: wanted } })
    const patch = ['patch', '-n', namespace, `lbk/${name}`, '--type=merge', '-p', body]
    const { code, stderr } = await cluster.kubectl(patch)
    expect(code, stderr).toBe(0)
  }
  const finalizers = async (name: string) => (await rig.read(namespace, name)).metadata.finalizers ?? []

  test('Delete, empty: the finalizer holds the object until the bucket is gone', async () => {
    await made('emptied', 'Delete')
    expect(await finalizers('emptied')).toEqual([bucketFinalizer])
    expect(await rig.condition(namespace, 'emptied', 'DeletionProtected')).toBe('False NoLockedVersions')
    const { code, stderr } = await remove('emptied')
    expect(code, stderr).toBe(0)
    expect(await bucketStatus('emptied')).toBe(404)
    await rig.has(namespace, 'emptied', 'BucketDeleted')
  })

  test('Retain: no finalizer, the bucket stays; a change of the field moves the finalizer', async () => {
    await made('retained', 'Retain')
    expect(await finalizers('retained')).toEqual([])
    const becomes = async (deletionPolicy: 'Retain' | 'Delete', wanted: readonly string[]) => {
      await rig.apply(namespace, bucket('retained', 'retained', { deletionPolicy }))
      await until(`the finalizers are ${wanted}`, waitMs, async () =>
        String(await finalizers('retained')) === String(wanted) ? true : null,
      )
    }
    await becomes('Delete', [bucketFinalizer])
    await becomes('Retain', [])
    expect((await remove('retained')).code).toBe(0)
    expect(await bucketStatus('retained')).toBe(200)
    await rig.has(namespace, 'retained', 'BucketOrphaned')
  })

  test('Retain, held by a finalizer of somebody else: its status goes on, and nothing is made or corrected', async () => {
    await made('lingering', 'Retain')
    await setFinalizers('lingering', ['example.com/held'])
    expect((await remove('lingering', '--wait=false')).code).toBe(0)
    await rig.becomes(namespace, 'lingering', {
      Ready: 'False Terminating',
      ObjectLockEnforced: 'True ReadBack',
      DeletionProtected: 'False NoLockedVersions',
    })
    await put('lingering')
    await rig.becomes(namespace, 'lingering', { DeletionProtected: 'True LockedVersions' })
    await setFinalizers('lingering', null)
    await rig.has(namespace, 'lingering', 'BucketOrphaned')
    expect(await rig.lockConfiguration('lingering')).toBe('200 COMPLIANCE 1')
  })

  test('Delete, held by a finalizer of somebody else: its bucket goes and is not made again', async () => {
    await made('waiting', 'Delete')
    await setFinalizers('waiting', [bucketFinalizer, 'example.com/held'])
    expect((await remove('waiting', '--wait=false')).code).toBe(0)
    await rig.becomes(namespace, 'waiting', {
      Ready: 'False Terminating',
      ObjectLockEnforced: 'False BucketMissing',
      DeletionProtected: 'False NoLockedVersions',
    })
    await afterVerifies(operator, 3)
    expect(await bucketStatus('waiting')).toBe(404)
    expect(await finalizers('waiting')).toEqual(['example.com/held'])
    await setFinalizers('waiting', null)
    expect(await rig.eventReasons(namespace, 'waiting')).not.toContain('VolumeReplaced')
  })

  test('Delete overtaken by a write, its finalizer torn off: nothing is lost, and the object finds it again', async () => {
    await made('overtaken', 'Delete')
    const versionId = await put('overtaken')
    expect((await remove('overtaken')).code).toBe(0)
    await rig.has(namespace, 'overtaken', 'BucketOrphaned')
    const get = () => server.client.send({ method: 'GET', path: '/overtaken/key', query: { versionId } })
    expect((await get()).text).toBe('x')
    expect(await rig.lockConfiguration('overtaken')).toBe('200 COMPLIANCE 1')
    await made('overtaken', 'Delete')
    await rig.becomes(namespace, 'overtaken', { DeletionProtected: 'True LockedVersions' })
    const torn = ['patch', '-n', namespace, 'lbk/overtaken', '--type=merge', '-p']
    expect(
      (await cluster.kubectl([...torn, '{"metadata":{"annotations":{"holdfast.dev/paused":"true"}}}'])).code,
    ).toBe(0)
    expect((await remove('overtaken', '--wait=false')).code).toBe(0)
    expect((await cluster.kubectl([...torn, '{"metadata":{"finalizers":null}}'])).code).toBe(0)
    expect((await get()).text).toBe('x')
    expect(await rig.lockConfiguration('overtaken')).toBe('200 COMPLIANCE 1')
  })

  test('Delete under the admission policies: refused while a version is there, locked or not; then both go', async () => {
    const applied = await cluster.kubectl(['apply', '-f', admission])
    expect(applied.code, applied.stderr).toBe(0)
    await made('guarded', 'Delete')
    const versionId = await put('guarded')
    await rig.becomes(namespace, 'guarded', { DeletionProtected: 'True LockedVersions' })
    // A policy takes a moment from its creation until the API server heeds it.
    await until('the deletion is refused', waitMs, async () => {
      const { code, stderr } = await remove('guarded', '--dry-run=server')
      return code === 1 && stderr.includes('status.deletionProtected is true') ? true : null
    })
    // It may patch the finalizer; with the same right it writes no spec.
    const patch = ['patch', '-n', namespace, 'lbk/guarded', '--type=merge', '-p', '{"spec":{"quota":"1Gi"}}']
    const forged = await cluster.kubectl([...patch, `--as=${usernameOf('operator')}`])
    expect(forged).toMatchObject({ code: 1, stderr: expect.stringContaining('the operator writes no spec') })
    // Trusted time alone: the operator signs by the wall clock.
    server.setClock({ uptimeShiftMs: 25 * hourMs })
    await rig.becomes(namespace, 'guarded', { DeletionProtected: 'True VersionsLeft' })
    expect((await remove('guarded', '--dry-run=server')).code).toBe(1)
    const gone = await server.client.send({ method: 'DELETE', path: '/guarded/key', query: { versionId } })
    expect(gone.status).toBe(204)
    await rig.becomes(namespace, 'guarded', { DeletionProtected: 'False NoLockedVersions' })
    const { code, stderr } = await remove('guarded')
    expect(code, stderr).toBe(0)
    expect(await bucketStatus('guarded')).toBe(404)
  })
})
