import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Cluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
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
const root = join(import.meta.dirname, '../..')

describe.runIf(address !== null)('the operator between a real API server and a real lock server', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    ;({ cluster, server, operator, rig } = await startSuite(address, { verifyInterval: '1s' }))
  })

  afterAll(() => endSuite({ operator, server }))

  test('operator: the quickstart is applied, both buckets are Ready within 5 s and kubectl shows what is enforced', async () => {
    const applied = await cluster.kubectl([
      'apply',
      '-f',
      join(root, 'crds'),
      '-f',
      join(root, 'examples/quickstart'),
    ])
    expect(applied.code, applied.stderr).toBe(0)
    const waited = await cluster.kubectl([
      'wait',
      '--for=condition=Ready',
      'lockedbucket/ledger',
      'lockedbucket/backups',
      '--timeout=5s',
    ])
    expect(waited.code, waited.stderr + operator.logs()).toBe(0)
    const { stdout } = await cluster.kubectl(['get', 'lbk', '-n', 'default'])
    expect(stdout).toMatch(/NAME +READY +BUCKET +MODE +RETENTION +LOCKED-UNTIL +AGE/)
    expect(stdout).toMatch(/backups +True +backups +GOVERNANCE +7 days, 1 rule/)
    expect(stdout).toMatch(/ledger +True +ledger +COMPLIANCE +1 day/)
    expect(await rig.lockConfiguration('ledger')).toBe('200 COMPLIANCE 1')
    expect(await rig.lockConfiguration('backups')).toBe('200 GOVERNANCE 7')
    const { status } = await rig.read('default', 'ledger')
    expect(status).toMatchObject({
      observedGeneration: 1,
      bucket: { name: 'ledger', endpoint: server.endpoint, region: 'us-east-1' },
      objectLock: { mode: 'COMPLIANCE', days: 1 },
      floor: { mode: 'COMPLIANCE', days: 1 },
      policy: { name: 'compliance', generation: 1 },
      deletionProtected: false,
    })
    // The count follows its buckets a moment later: many new ones are one write.
    await until('the policy shows its bucket', waitMs, async () => {
      const { stdout: policies } = await cluster.kubectl(['get', 'retpol', '-n', 'default'])
      return /compliance +True +COMPLIANCE +1 day +1/.test(policies) ? true : null
    })
  })

  test('operator: after the reconcile, kubectl diff of the same files finds nothing', async () => {
    const diff = await cluster.kubectl(['diff', '-f', join(root, 'examples/quickstart')])
    expect(diff).toMatchObject({ code: 0, stdout: '' })
  })

  test('operator: the COMPLIANCE policy is weakened, kubectl is told 422 with the reason and the bucket stays', async () => {
    const stdin = JSON.stringify(policy('compliance', { mode: 'GOVERNANCE', days: 1 }))
    const refused = await cluster.kubectl(['apply', '-n', 'default', '-f', '-'], { stdin })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('a COMPLIANCE policy stays COMPLIANCE')
    expect(await rig.lockConfiguration('ledger')).toBe('200 COMPLIANCE 1')
  })

  test('operator: a client writes into the bucket, the version is locked and the status says that deleting is refused', async () => {
    const put = await server.client.send({
      method: 'PUT',
      path: '/ledger/entry',
      body: 'x',
      headers: contentMd5('x'),
    })
    expect(put.status).toBe(200)
    const versionId = String(put.headers['x-amz-version-id'])
    const removed = await server.client.send({
      method: 'DELETE',
      path: '/ledger/entry',
      query: { versionId },
    })
    expect(removed.status).toBe(403)
    await rig.becomes('default', 'ledger', { DeletionProtected: 'True LockedVersions' })
    const { status } = await rig.read('default', 'ledger')
    expect(status).toMatchObject({ lockedVersions: 1, deletionProtected: true })
    expect(Date.parse(status?.lockedUntil ?? '')).toBeGreaterThan(server.nowMs() + 23 * 3_600_000)
    const shown = await cluster.kubectl(['get', 'lbk', 'ledger', '-n', 'default'])
    expect(shown.stdout).toContain(status?.lockedUntil)
  })

  test('operator: the policy comes after the bucket, PolicyNotFound until then', async () => {
    const namespace = await cluster.createNamespace('late')
    await rig.apply(namespace, bucket('late', namespace))
    await rig.becomes(namespace, 'late', {
      Ready: 'False PolicyNotFound',
      Reconciling: 'True PolicyNotFound',
      Stalled: 'absent',
    })
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 3 }))
    await rig.becomes(namespace, 'late', { Ready: 'True Enforced', Reconciling: 'absent' })
    await rig.has(namespace, 'late', 'PolicyNotFound')
    await rig.has(namespace, 'late', 'BucketCreated')
  })

  test('operator: the policy gets longer, the bucket and its status follow', async () => {
    const namespace = await cluster.createNamespace('longer')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 3 }), bucket('longer', namespace))
    await rig.becomes(namespace, 'longer', { Ready: 'True Enforced' })
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 5 }))
    await until('the status says 5 days', waitMs, async () =>
      (await rig.read(namespace, 'longer')).status?.objectLock?.days === 5 ? true : null,
    )
    expect(await rig.lockConfiguration(namespace)).toBe('200 COMPLIANCE 5')
    await rig.has(namespace, 'longer', 'RetentionApplied')
  })

  test('operator: root shortens the GOVERNANCE default by S3, it is put back within one verify', async () => {
    const namespace = await cluster.createNamespace('drift')
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 7 }), bucket('drift', namespace))
    await rig.becomes(namespace, 'drift', { Ready: 'True Enforced' })
    expect(await rig.putLockConfiguration(namespace, { mode: 'GOVERNANCE', days: 1 })).toBe(200)
    await rig.has(namespace, 'drift', 'DriftCorrected')
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 7')
    await rig.becomes(namespace, 'drift', { Ready: 'True Enforced', Drifted: 'False InSync' })
  })

  test('operator: root lengthens the GOVERNANCE default by S3, it stays and the status says what is enforced', async () => {
    const namespace = await cluster.createNamespace('stronger')
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 7 }), bucket('stronger', namespace))
    await rig.becomes(namespace, 'stronger', { Ready: 'True Enforced' })
    expect(await rig.putLockConfiguration(namespace, { mode: 'GOVERNANCE', days: 30 })).toBe(200)
    await rig.becomes(namespace, 'stronger', { Drifted: 'True ServerStronger', Ready: 'True Enforced' })
    expect((await rig.read(namespace, 'stronger')).status?.objectLock).toMatchObject({
      mode: 'GOVERNANCE',
      days: 30,
    })
    await rig.has(namespace, 'stronger', 'DriftDetected')
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 30')
  })

  test('operator: a COMPLIANCE policy is deleted and made again weaker, the server keeps its floor and the bucket is Stalled', async () => {
    const namespace = await cluster.createNamespace('shorten')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 9 }), bucket('shorten', namespace))
    await rig.becomes(namespace, 'shorten', { Ready: 'True Enforced' })
    await cluster.kubectl(['delete', 'retpol', 'keep', '-n', namespace])
    await rig.becomes(namespace, 'shorten', { Ready: 'False PolicyNotFound' })
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 2 }))
    await rig.becomes(namespace, 'shorten', {
      Ready: 'False RetentionWouldShorten',
      Stalled: 'True RetentionWouldShorten',
      Drifted: 'True ServerStronger',
    })
    expect(await rig.lockConfiguration(namespace)).toBe('200 COMPLIANCE 9')
    const before = await rig.read(namespace, 'shorten')
    expect(before.status?.objectLock).toMatchObject({ mode: 'COMPLIANCE', days: 9 })
    await afterVerifies(operator, 30)
    const after = await rig.read(namespace, 'shorten')
    expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion)
    expect(
      (await rig.eventReasons(namespace, 'shorten')).filter((reason) => reason === 'RetentionWouldShorten'),
    ).toHaveLength(1)
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 10 }))
    await rig.becomes(namespace, 'shorten', {
      Ready: 'True Enforced',
      Stalled: 'absent',
      Drifted: 'False InSync',
    })
  })

  test('operator: one bucket name in two namespaces, the second is Stalled and changes nothing of the first', async () => {
    const first = await cluster.createNamespace('first')
    const second = await cluster.createNamespace('second')
    await rig.apply(first, policy('keep', { mode: 'GOVERNANCE', days: 4 }), bucket('shared', first))
    await rig.becomes(first, 'shared', { Ready: 'True Enforced' })
    await rig.apply(
      second,
      policy('keep', { mode: 'GOVERNANCE', days: 1 }),
      bucket('shared', first, { adoptionPolicy: 'IfUnowned' }),
    )
    await rig.becomes(second, 'shared', { Ready: 'False NameConflict', Stalled: 'True NameConflict' })
    expect((await rig.read(second, 'shared')).status?.bucket).toBeUndefined()
    expect(await rig.lockConfiguration(first)).toBe('200 GOVERNANCE 4')
    expect(await rig.condition(first, 'shared', 'Ready')).toBe('True Enforced')
  })

  test('operator: the bucket exists and nobody owns it, Never refuses and IfUnowned takes it over with the lock', async () => {
    const namespace = await cluster.createNamespace('adopt')
    expect((await server.client.send({ method: 'PUT', path: `/${namespace}` })).status).toBe(200)
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 6 }), bucket('adopt', namespace))
    await rig.becomes(namespace, 'adopt', { Ready: 'False AdoptionRefused', Stalled: 'True AdoptionRefused' })
    await rig.apply(namespace, bucket('adopt', namespace, { adoptionPolicy: 'IfUnowned' }))
    await rig.becomes(namespace, 'adopt', { Ready: 'True Enforced', Stalled: 'absent' })
    expect(await rig.lockConfiguration(namespace)).toBe('200 GOVERNANCE 6')
    await rig.has(namespace, 'adopt', 'BucketAdopted')
  })

  test('operator: the LockedBucket is deleted, bucket and floor stay; made again it is the owner as before', async () => {
    const namespace = await cluster.createNamespace('orphan')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 2 }), bucket('orphan', namespace))
    await rig.becomes(namespace, 'orphan', { Ready: 'True Enforced' })
    const { stderr, code } = await cluster.kubectl([
      'delete',
      'lbk',
      'orphan',
      '-n',
      namespace,
      '--timeout=20s',
    ])
    expect(code, stderr).toBe(0)
    await rig.has(namespace, 'orphan', 'BucketOrphaned')
    expect(await rig.lockConfiguration(namespace)).toBe('200 COMPLIANCE 2')
    expect(await rig.putLockConfiguration(namespace, { mode: 'GOVERNANCE', days: 1 })).toBe(403)
    await rig.apply(namespace, bucket('orphan', namespace))
    await rig.becomes(namespace, 'orphan', { Ready: 'True Enforced' })
  })

  test('operator: nothing changes over many verifies, no object is written', async () => {
    const versions = async () => {
      const path = '/apis/holdfast.dev/v1'
      const lists = ['lockedbuckets', 'retentionpolicies'].map((plural) =>
        cluster.request({ method: 'GET', path: `${path}/${plural}` }),
      )
      const documents = (await Promise.all(lists)).map(
        (list) => list.json() as { items: { metadata: object }[] },
      )
      return documents.flatMap(({ items }) => items.map(({ metadata }) => metadata))
    }
    await afterVerifies(operator, 40)
    const before = await versions()
    await afterVerifies(operator, 40)
    expect(await versions()).toEqual(before)
    expect(
      await operator.metric('controller_runtime_reconcile_panics_total{controller="lockedbucket"}'),
    ).toBe(0)
  })
})
