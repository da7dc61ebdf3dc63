import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Cluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import type { RunningOperator } from '../support/operator.ts'
import { bucket, type OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { endSuite, startSuite } from '../support/operator-suite.ts'
import type { TestServer } from '../support/server.ts'

const address = inject('cluster')

/** The verify interval is long: what happens here happens because somebody asked for it. */
describe.runIf(address !== null)('people who speak to the operator by annotations', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    ;({ cluster, server, operator, rig } = await startSuite(address, { verifyInterval: '1h' }))
  })

  afterAll(() => endSuite({ operator, server }))

  /** `kubectl annotate`, as people do it; a text that ends in a minus takes it away. */
  async function annotate(namespace: string, object: string, text: string): Promise<void> {
    const args = ['annotate', object, '-n', namespace, '--overwrite', `holdfast.dev/${text}`]
    const { code, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
  }

  async function made(name: string): Promise<string> {
    const namespace = await cluster.createNamespace(name)
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 5 }), bucket(name, namespace))
    await rig.becomes(namespace, name, { Ready: 'True Enforced' })
    return namespace
  }

  test('operator: a paused bucket, a change of its policy is held back and explained; then it is carried out', async () => {
    const namespace = await made('paused')
    await annotate(namespace, 'lbk/paused', 'paused=true')
    await rig.becomes(namespace, 'paused', { Ready: 'True Enforced', Paused: 'True Paused' })
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 6 }))
    await rig.becomes(namespace, 'paused', {
      Ready: 'False Paused',
      Stalled: 'True Paused',
      Paused: 'True Paused',
    })
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 5')
    await annotate(namespace, 'lbk/paused', 'paused-')
    await rig.becomes(namespace, 'paused', { Ready: 'True Enforced', Stalled: 'absent', Paused: 'absent' })
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 6')
  })

  test('operator: a paused policy, its buckets wait and say whose pause it is', async () => {
    const namespace = await made('held')
    await annotate(namespace, 'retpol/keep', 'paused=true')
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 7 }))
    await rig.becomes(namespace, 'held', { Ready: 'False Paused', Paused: 'absent' })
    const ready = (await rig.read(namespace, 'held')).status?.conditions?.find(({ type }) => type === 'Ready')
    expect(ready?.message).toContain('RetentionPolicy keep is paused')
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 5')
    await annotate(namespace, 'retpol/keep', 'paused-')
    await rig.becomes(namespace, 'held', { Ready: 'True Enforced' })
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 7')
  })

  test('operator: root changed the bucket and the next verify is an hour away, verify-now corrects it at once', async () => {
    const namespace = await made('asked')
    expect(await rig.putLockConfiguration(namespace, { mode: 'GOVERNANCE', days: 1 })).toBe(200)
    await annotate(namespace, 'lbk/asked', 'verify-now=first')
    await rig.has(namespace, 'asked', 'DriftCorrected')
    await until('the request is handled', waitMs, async () =>
      (await rig.read(namespace, 'asked')).status?.lastHandledVerifyAt === 'first' ? true : null,
    )
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 5')
  })

  test('operator: a bucket that was given up, reconcile-now tries it once more and echoes the value', async () => {
    const namespace = await cluster.createNamespace('again')
    expect((await server.client.send({ method: 'PUT', path: `/${namespace}` })).status).toBe(200)
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 5 }), bucket('again', namespace))
    await rig.becomes(namespace, 'again', { Stalled: 'True AdoptionRefused' })
    const removed = await server.client.send({ method: 'DELETE', path: `/${namespace}` })
    expect(removed.status).toBe(204)
    await annotate(namespace, 'lbk/again', 'reconcile-now=monday')
    await rig.becomes(namespace, 'again', { Ready: 'True Enforced', Stalled: 'absent' })
    const { status } = await rig.read(namespace, 'again')
    expect(status?.lastHandledReconcileAt).toBe('monday')
    const before = (await rig.read(namespace, 'again')).metadata.resourceVersion
    await annotate(namespace, 'lbk/again', 'reconcile-now=monday')
    expect((await rig.read(namespace, 'again')).metadata.resourceVersion).toBe(before)
  })
})
