/** A profile is the bucket's: it holds at every entrance that writes a lock, and for everybody but the operator. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openVolumeOwner } from '../../src/server/open-volume.ts'
import { applyDocument, owner, sendAdmin } from '../support/admin.ts'
import { conformance, elements, md5, refusal, type Target } from '../support/conformance.ts'
import type { Answer } from '../support/s3-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { addressed, body, createWorld, lockHeaders, statusAndCode, subresource } from './matrix/world.ts'

type World = ReturnType<typeof createWorld>
const timeToLive = { 'x-amz-meta-object-expires': '+2h' }
const compliance = (world: World) => lockHeaders({ mode: 'COMPLIANCE' }, world.inDays)

async function begin(world: World, bucket: string, headers: Record<string, string>): Promise<Answer> {
  return world.send({ method: 'POST', path: `/${bucket}/key`, query: { uploads: '' }, headers })
}

/** Uploads one part and completes; the headers go with each of the two. */
async function finish(
  world: World,
  bucket: string,
  uploadId: string,
  headers: { readonly part?: Record<string, string>; readonly complete?: Record<string, string> },
): Promise<{ readonly part: Answer; readonly complete: Answer }> {
  const part = await world.send({
    method: 'PUT',
    path: `/${bucket}/key`,
    query: { partNumber: '1', uploadId },
    body,
    headers: { 'content-md5': md5(body), ...headers.part },
  })
  const etag = String(part.headers['etag'])
  const complete = await world.send({
    method: 'POST',
    path: `/${bucket}/key`,
    query: { uploadId },
    body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`,
    headers: headers.complete ?? {},
  })
  return { part, complete }
}

const setRule = (world: World, bucket: string) =>
  world.bench.document({
    method: 'PUT',
    path: `/${bucket}`,
    query: { 'object-lock': '' },
    body:
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>' +
      '<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
  })

describe('profile storj: a time to live or a lock', () => {
  const world = createWorld(conformance({ defaultProfile: 'storj' }), 'storj')
  const refused = [400, 'InvalidRequest']

  it('CreateMultipartUpload: both, by header or by the rule of the bucket, 400 InvalidRequest', async () => {
    const locked = await world.bucket('locked')
    expect(statusAndCode(await begin(world, locked, { ...timeToLive, ...compliance(world) }))).toEqual(
      refused,
    )
    expect(
      statusAndCode(await begin(world, locked, { ...timeToLive, 'x-amz-object-lock-legal-hold': 'ON' })),
    ).toEqual(refused)
    const ruled = await world.bucket('rule')
    expect(statusAndCode(await begin(world, ruled, timeToLive))).toEqual(refused)
    expect(
      (await begin(world, locked, { ...timeToLive, 'x-amz-object-lock-legal-hold': 'OFF' })).status,
    ).toBe(200)
  })

  it('CompleteMultipartUpload: a rule that came since, 400 InvalidRequest and no version', async () => {
    const bucket = await world.bucket('locked')
    const uploadId = (await begin(world, bucket, timeToLive)).element('UploadId') ?? ''
    expect((await setRule(world, bucket)).status).toBe(200)
    const { part, complete } = await finish(world, bucket, uploadId, {})
    expect([part.status, ...statusAndCode(complete)]).toEqual([200, ...refused])
    const listed = await world.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } })
    expect(elements(listed, 'VersionId')).toEqual([])
  })

  it("CopyObject: the source's time to live into a lock, 400 InvalidRequest; replaced metadata pass", async () => {
    const bucket = await world.bucket('locked')
    await world.bench.put(bucket, 'source', { body, headers: timeToLive })
    const copy = (headers: Record<string, string>) =>
      world.send({
        method: 'PUT',
        path: `/${bucket}/copy`,
        headers: { 'x-amz-copy-source': `/${bucket}/source`, ...compliance(world), ...headers },
      })
    expect(statusAndCode(await copy({}))).toEqual(refused)
    const copied = await copy({ 'x-amz-metadata-directive': 'REPLACE' })
    expect(copied.status).toBe(200)
    const versionId = String(copied.headers['x-amz-version-id'])
    await world.proveLocked({ bucket, key: 'copy', versionId })
  })

  it('PutObjectLegalHold: ON of a version with a time to live, 400 InvalidRequest; OFF is nothing', async () => {
    const bucket = await world.bucket('locked')
    const versionId = await world.bench.put(bucket, 'key', { body, headers: timeToLive })
    const target = { bucket, key: 'key', versionId }
    expect(statusAndCode(await world.bench.hold(target, 'ON'))).toEqual(refused)
    expect((await world.bench.hold(target, 'OFF')).status).toBe(200)
  })
})

describe('profile storj-preview: no legal holds', () => {
  const world = createWorld(conformance({ defaultProfile: 'storj-preview' }), 'storj-preview')

  it('GetObjectLegalHold, PutObjectLegalHold and the header: 501 NotImplemented, and nothing is held', async () => {
    const target = await world.version(await world.bucket('locked'), { mode: 'COMPLIANCE' })
    const get = await world.send(subresource('GET', target, 'legal-hold'))
    expect(statusAndCode(get)).toEqual([501, 'NotImplemented'])
    expect(statusAndCode(await world.bench.hold(target, 'OFF'))).toEqual([501, 'NotImplemented'])
    const header = { 'x-amz-object-lock-legal-hold': 'OFF' }
    expect(statusAndCode(await begin(world, target.bucket, header))).toEqual([501, 'NotImplemented'])
    expect(await world.lockOf(target)).toBe('COMPLIANCE 5')
  })
})

describe('profile obs: parts are never locked', () => {
  const world = createWorld(conformance({ defaultProfile: 'obs' }), 'obs')

  it('UploadPart, UploadPartCopy, CompleteMultipartUpload: lock headers are 400 InvalidRequest', async () => {
    const bucket = await world.bucket('locked')
    const source = await world.version(bucket)
    const uploadId = (await begin(world, bucket, {})).element('UploadId') ?? ''
    const obsHeader = { 'x-obs-object-lock-mode': 'COMPLIANCE' }
    const { part } = await finish(world, bucket, uploadId, { part: compliance(world) })
    expect(statusAndCode(part)).toEqual([400, 'InvalidRequest'])
    const copied = await world.send({
      method: 'PUT',
      path: `/${bucket}/key`,
      query: { partNumber: '1', uploadId },
      headers: { 'x-amz-copy-source': `/${bucket}/${source.key}`, ...obsHeader },
    })
    expect(statusAndCode(copied)).toEqual([400, 'InvalidRequest'])
    const refused = await finish(world, bucket, uploadId, { complete: obsHeader })
    expect([refused.part.status, ...statusAndCode(refused.complete)]).toEqual([200, 400, 'InvalidRequest'])
    const { complete } = await finish(world, bucket, uploadId, {})
    const target = { bucket, key: 'key', versionId: String(complete.headers['x-amz-version-id']) }
    expect([complete.status, await world.lockOf(target)]).toEqual([200, 'none'])
  })

  it('CreateMultipartUpload: lock headers of either family are those of the assembled version', async () => {
    const bucket = await world.bucket('locked')
    const headers = Object.entries(compliance(world)).map(([name, value]) => [
      name.replace('x-amz-', 'x-obs-'),
      value,
    ])
    const uploadId = (await begin(world, bucket, Object.fromEntries(headers))).element('UploadId') ?? ''
    const { complete } = await finish(world, bucket, uploadId, {})
    const target = { bucket, key: 'key', versionId: String(complete.headers['x-amz-version-id']) }
    expect(await world.lockOf(target)).toBe('COMPLIANCE 5')
    await world.proveLocked(target)
  })

  it('Delete markers: not covered, they go, and the version below stays', async () => {
    const target = await world.version(await world.bucket('locked'), { mode: 'COMPLIANCE' })
    const marked = await world.send(addressed('DELETE', { bucket: target.bucket, key: target.key }))
    const marker: Target = { ...target, versionId: String(marked.headers['x-amz-version-id']) }
    expect((await world.send(addressed('DELETE', marker))).status).toBe(204)
    await world.proveLocked(target)
  })

  it('An error before the bucket is known is answered in the default profile', async () => {
    const answer = await world.send({ method: 'GET', path: '/no-such-bucket' })
    expect([...statusAndCode(answer), answer.headers['server']]).toEqual([404, 'NoSuchBucket', 'OBS'])
  })
})

describe('the operator and the stamp of a new bucket', () => {
  const world = createWorld(conformance({ defaultProfile: 'obs' }), 'obs')
  const operator = () => ({ key: world.bench.server().operator })

  it("The operator is answered in S3's words, whatever the bucket's profile", async () => {
    const bucket = await world.bucket('enabled')
    const configuration = { method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } }
    const answer = await world.send({ ...configuration, ...operator() })
    expect([...refusal(answer), answer.headers['server']]).toEqual([
      404,
      'ObjectLockConfigurationNotFoundError',
      'Object Lock configuration does not exist for this bucket',
      'Holdfast',
    ])
    expect(statusAndCode(await world.send(configuration))).toEqual([400, 'InvalidRequest'])
    const ruled = await world.bucket('rule')
    const printed = await world.send({ ...configuration, path: `/${ruled}`, ...operator() })
    expect([printed.status, printed.text.includes('Years'), printed.text.includes('amazonaws')]).toEqual([
      200,
      false,
      true,
    ])
  })
})

describe('profile yandex: what changes GOVERNANCE', () => {
  const world = createWorld(conformance({ defaultProfile: 'yandex' }), 'yandex')
  const bypass = { 'x-amz-bypass-governance-retention': 'true' }
  const remove = (target: Target, headers: Record<string, string>) => {
    const text = '<Retention/>'
    return world.send({
      ...subresource('PUT', target, 'retention'),
      body: text,
      headers: { 'content-md5': md5(text), ...headers },
    })
  }

  it('PutObjectRetention: empty, removes GOVERNANCE with the bypass, and not where a default rule is', async () => {
    const free = await world.version(await world.bucket('locked'), { mode: 'GOVERNANCE' })
    expect(statusAndCode(await remove(free, {}))).toEqual([403, 'AccessDenied'])
    expect((await remove(free, bypass)).status).toBe(200)
    expect(await world.lockOf(free)).toBe('none')
    const ruled = await world.version(await world.bucket('rule'), { mode: 'GOVERNANCE' })
    expect(statusAndCode(await remove(ruled, bypass))).toEqual([403, 'AccessDenied'])
    expect(await world.lockOf(ruled)).toBe('GOVERNANCE 5')
    await world.proveLocked(ruled)
  })

  it('PutObjectRetention: what only the profile refuses is in the audit log like any denial', async () => {
    const target = await world.version(await world.bucket('locked'), { mode: 'GOVERNANCE' })
    const later = await world.bench.retain(target, 'GOVERNANCE', world.inDays(9))
    expect(refusal(later)).toEqual([
      403,
      'AccessDenied',
      'Access Denied because object protected by object lock.',
    ])
    expect(await world.lockOf(target)).toBe('GOVERNANCE 5')
    const server = world.bench.server()
    await server.terminate()
    const records = await auditOf(server)
    await server.start()
    const denied = records.filter(({ bucket, verdict }) => bucket === target.bucket && verdict === 'deny')
    expect(denied).toMatchObject([
      { key: 'key', rule: 'ProfileGovernanceChangeNeedsBypass', actor: { operation: 'PutObjectRetention' } },
    ])
  })
})

async function auditOf(server: TestServer): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const owner = await openVolumeOwner({
    directory: server.dataDirectory,
    clock: systemClock(),
    log: silentLog,
  })
  try {
    const entries = await owner.store.audit.list({ afterSequence: 0, limit: 500 })
    return entries.map(({ record }) => record)
  } finally {
    await owner.close()
  }
}

describe('a bucket that a LockedBucket manages', () => {
  const world = createWorld(conformance(), 'aws')
  const apply = async (name: string, profile: string, policy: object = {}) => {
    const server = world.bench.server()
    const leader = await sendAdmin(server, {
      method: 'POST',
      path: '/v1/leadership',
      document: { holder: 't' },
    })
    const document = applyDocument({ profile, owner: { ...owner, name } }, { ...policy })
    const epoch = Number(leader.document['epoch'])
    const answer = await sendAdmin(server, { method: 'PUT', path: `/v1/buckets/${name}`, epoch, document })
    expect([answer.status, JSON.stringify(answer.document)]).toEqual([200, expect.any(String)])
  }
  const emptied = (bucket: string) =>
    world.bench.document({
      method: 'PUT',
      path: `/${bucket}`,
      query: { 'object-lock': '' },
      body: '<ObjectLockConfiguration/>',
    })

  it.each([
    ['yandex', 'a freeze'],
    ['obs', 'the removal of the rule'],
    ['lenient', 'the removal of the rule'],
  ])('PutObjectLockConfiguration: in %s, %s is below the floor, 403, and the rule stays', async (profile) => {
    const name = `managed-${profile}`
    await apply(name, profile)
    const target = await world.version(name)
    const answer = await emptied(name)
    expect(refusal(answer)).toEqual([
      403,
      'AccessDenied',
      'Access Denied because the default retention would fall below RetentionPolicy default/policy.',
    ])
    expect(await world.storedRule(name)).toBe('Enabled COMPLIANCE 1 DAYS')
    await world.proveLocked(target)
  })

  it('ApplyBucket: another profile is another dialect at once, and the locks are the same', async () => {
    await apply('turned', 'aws')
    const target = await world.version('turned')
    const again = async () => {
      const head = await world.send(addressed('HEAD', target))
      const date = String(head.headers['x-amz-object-lock-retain-until-date'])
      return [head.headers['server'], ...statusAndCode(await world.bench.retain(target, 'COMPLIANCE', date))]
    }
    expect(await again()).toEqual(['Holdfast', 200, null])
    await apply('turned', 'obs')
    expect(await again()).toEqual(['OBS', 400, 'InvalidRequest'])
    await world.proveLocked(target)
    await apply('turned', 'minio')
    expect(await again()).toEqual(['Holdfast', 200, null])
    await world.proveLocked(target)
  })
})

describe('--default-profile', () => {
  it('CreateBucket: stamped on new buckets; one that is there keeps its own under another default', async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'holdfast-profile-'))
    const of = async (server: TestServer, bucket: string) =>
      (await server.client.send({ method: 'HEAD', path: `/${bucket}` })).headers['server']
    const first = await startTestServer({ dataDirectory, defaultProfile: 'obs' })
    await first.client.send({ method: 'PUT', path: '/older' })
    expect(await of(first, 'older')).toBe('OBS')
    await first.stop()
    const second = await startTestServer({ dataDirectory })
    await second.client.send({ method: 'PUT', path: '/newer' })
    expect([await of(second, 'older'), await of(second, 'newer')]).toEqual(['OBS', 'Holdfast'])
    await second.stop()
    rmSync(dataDirectory, { recursive: true })
  })
})
