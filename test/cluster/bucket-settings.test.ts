import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Cluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import type { RunningOperator } from '../support/operator.ts'
import { bucket, contentMd5, type OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { endSuite, startSuite } from '../support/operator-suite.ts'
import type { TestServer } from '../support/server.ts'

const address = inject('cluster')
const ready = { Ready: 'True Enforced', Drifted: 'False InSync' }
const lifecycle = { rules: [{ id: 'tmp', filter: { prefix: 'tmp/' }, expiration: { days: 3 } }] }

describe.runIf(address !== null)('settings of a LockedBucket', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig
  let namespace: string

  beforeAll(async () => {
    ;({ cluster, server, operator, rig } = await startSuite(address, { verifyInterval: '1s' }))
    namespace = await cluster.createNamespace('settings')
  })

  afterAll(() => endSuite({ operator, server }))

  const get = (name: string, query: string) =>
    server.client.send({ method: 'GET', path: `/${name}`, query: { [query]: '' } })
  const put = (name: string, query: string, body: string) =>
    server.client.send({
      method: 'PUT',
      path: `/${name}`,
      query: { [query]: '' },
      headers: contentMd5(body),
      body,
    })
  const putObject = (name: string, key: string, body: string, headers: Record<string, string> = {}) =>
    server.client.send({ method: 'PUT', path: `/${name}/${key}`, headers, body })

  test('operator: quota, profile, lifecycle and tags of a manifest, enforced by the server and in status', async () => {
    const settings = { profile: 'minio', quota: '1Ki', lifecycle, tags: [{ key: 'team', value: 'ledger' }] }
    await rig.apply(
      namespace,
      policy('keep', { mode: 'GOVERNANCE', days: 1 }),
      bucket('all', 'settings-all', settings),
    )
    await rig.becomes(namespace, 'all', ready)
    const { text } = await get('settings-all', 'lifecycle')
    expect(text).toContain('<ID>tmp</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status>')
    expect((await get('settings-all', 'tagging')).text).toContain('<Key>team</Key><Value>ledger</Value>')
    // MinIO demands no checksum.
    expect((await putObject('settings-all', 'small', 'x')).status).toBe(200)
    const refused = await putObject('settings-all', 'large', 'x'.repeat(1024))
    expect([refused.status, refused.text]).toEqual([
      403,
      expect.stringContaining('<Code>QuotaExceeded</Code>'),
    ])
    expect((await rig.read(namespace, 'all')).status).toMatchObject({
      quotaBytes: 1024,
      profile: 'minio',
      requireChecksum: false,
    })
  })

  test('operator: lifecycle and tags changed by an S3 client, put back with an event', async () => {
    const tags = '<Tagging><TagSet><Tag><Key>team</Key><Value>other</Value></Tag></TagSet></Tagging>'
    expect((await put('settings-all', 'tagging', tags)).status).toBe(204)
    const gone = await server.client.send({
      method: 'DELETE',
      path: '/settings-all',
      query: { lifecycle: '' },
    })
    expect(gone.status).toBe(204)
    await until('tags and lifecycle are back', waitMs, async () => {
      const both = [await get('settings-all', 'tagging'), await get('settings-all', 'lifecycle')]
      return both[0]?.text.includes('ledger') === true && both[1]?.status === 200 ? true : null
    })
    await rig.has(namespace, 'all', 'DriftCorrected')
    await rig.becomes(namespace, 'all', ready)
  })

  test('operator: a manifest without lifecycle and tags, what S3 clients put stays', async () => {
    await rig.apply(namespace, bucket('free', 'settings-free'))
    await rig.becomes(namespace, 'free', ready)
    const tags = '<Tagging><TagSet><Tag><Key>mine</Key><Value>1</Value></Tag></TagSet></Tagging>'
    expect((await put('settings-free', 'tagging', tags)).status).toBe(204)
    await rig.apply(namespace, bucket('free', 'settings-free', { quota: '1Mi' }))
    await until('the quota arrived', waitMs, async () =>
      (await rig.read(namespace, 'free')).status?.quotaBytes === 2 ** 20 ? true : null,
    )
    expect((await get('settings-free', 'tagging')).text).toContain('<Key>mine</Key>')
  })

  test('operator: the quota and the lifecycle are taken out or emptied, the server has none', async () => {
    await rig.apply(namespace, bucket('all', 'settings-all', { lifecycle: { rules: [] }, tags: [] }))
    await until('nothing of it is left', waitMs, async () => {
      const { status } = await rig.read(namespace, 'all')
      return status?.observedGeneration === 2 && status.quotaBytes === undefined ? true : null
    })
    expect((await get('settings-all', 'lifecycle')).status).toBe(404)
    expect((await get('settings-all', 'tagging')).status).toBe(404)
  })

  test('operator: applyToExisting, versions that were there are locked and the status shows the end', async () => {
    const created = await server.client.send({
      method: 'PUT',
      path: '/settings-old',
      headers: { 'x-amz-bucket-object-lock-enabled': 'true' },
    })
    expect(created.status).toBe(200)
    expect((await putObject('settings-old', 'before', 'x', contentMd5('x'))).status).toBe(200)
    const keep = policy('extend', { mode: 'COMPLIANCE', days: 2 }) as { spec: object }
    const old = bucket('old', 'settings-old', {
      adoptionPolicy: 'IfUnowned',
      retentionPolicyRef: { name: 'extend' },
    })
    await rig.apply(namespace, { ...keep, spec: { ...keep.spec, applyToExisting: 'ExtendOnly' } }, old)
    await rig.becomes(namespace, 'old', ready)
    await until('the walk is done at the server', waitMs, async () => {
      const { text } = await server.client.send({
        method: 'GET',
        path: '/settings-old/before',
        query: { retention: '' },
      })
      return text.includes('<Mode>COMPLIANCE</Mode>') ? true : null
    })
    await until('the status shows it', waitMs, async () => {
      const walk = (await rig.read(namespace, 'old')).status?.applyToExisting
      return walk?.completionTime !== undefined && walk.extended === 1 ? true : null
    })
  })

  test.each([
    ['lockedbucket.spec.quota', 'Writes beyond it get 403 QuotaExceeded'],
    [
      'lockedbucket.spec.lifecycle.rules.noncurrentVersionExpiration',
      'A locked one stays until its lock ends',
    ],
    ['lockedbucket.status.applyToExisting.extended', 'locked longer'],
    ['retentionpolicy.spec.applyToExisting', 'Once done it cannot be undone'],
  ])('kubectl explain %s: worth reading', async (field, sentence) => {
    const { code, stdout } = await cluster.kubectl(['explain', field])
    expect(code).toBe(0)
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(sentence)
  })
})
