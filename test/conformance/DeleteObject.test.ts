import { describe, expect, it } from 'vitest'
import {
  accessKey,
  conformance,
  dayMs,
  listedVersions,
  refusal,
  refused,
  type Target,
} from '../support/conformance.ts'
import { addPart, begin, complete } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const deleter = accessKey('deleter', ['s3:DeleteObject', 's3:DeleteObjectVersion'])
const onlyCurrent = accessKey('only-current', ['s3:DeleteObject'])
const onlyVersion = accessKey('only-version', ['s3:DeleteObjectVersion'])
const configReader = accessKey('config-reader', [
  's3:DeleteObjectVersion',
  's3:GetBucketObjectLockConfiguration',
])
const bench = conformance({ accessKeys: [owner, deleter, onlyCurrent, onlyVersion, configReader] })

const bypass = { 'x-amz-bypass-governance-retention': 'true' }

function remove({ bucket, key, versionId }: Target, more: object = {}) {
  const query = versionId === undefined ? {} : { versionId }
  return bench.send({ method: 'DELETE', path: `/${bucket}/${key}`, query, key: owner, ...more })
}

async function versions(bucket: string) {
  return listedVersions(await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } }))
}

type Lock = { readonly mode?: string; readonly hold?: string; readonly expired?: boolean }

async function locked({ mode, hold, expired }: Lock) {
  const bucket = await bench.bucket('locked', { key: owner })
  const versionId = await bench.put(bucket, 'key', { key: owner })
  const target = { bucket, key: 'key', versionId }
  if (mode !== undefined) await bench.retain(target, mode, bench.inDays(1), { key: owner })
  if (hold !== undefined) await bench.hold(target, hold, { key: owner })
  if (expired === true) bench.server().advance(2 * dayMs)
  return target
}

describe('DeleteObject without version id', () => {
  it.each([
    ['COMPLIANCE', { mode: 'COMPLIANCE' }],
    ['GOVERNANCE', { mode: 'GOVERNANCE' }],
    ['a legal hold', { hold: 'ON' }],
  ])(
    '[DeleteObject.1] DeleteObject: the current version is locked by %s, a delete marker goes on top',
    async (_name, lock) => {
      const target = await locked(lock)
      const answer = await remove({ bucket: target.bucket, key: 'key' })
      expect([answer.status, answer.headers['x-amz-delete-marker'], answer.text]).toEqual([204, 'true', ''])
      const markerId = String(answer.headers['x-amz-version-id'])
      expect(await versions(target.bucket)).toEqual([
        { kind: 'DeleteMarker', key: 'key', versionId: markerId, isLatest: true },
        { kind: 'Version', key: 'key', versionId: target.versionId, isLatest: false },
      ])
      const got = await bench.send({
        method: 'GET',
        path: `/${target.bucket}/key`,
        query: { versionId: target.versionId },
      })
      expect([got.status, got.text]).toEqual([200, 'bytes'])
    },
  )

  it('DeleteObject: a key that does not exist in a versioned bucket gets a delete marker', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await remove({ bucket, key: 'none' })
    expect([answer.status, answer.headers['x-amz-delete-marker']]).toEqual([204, 'true'])
    expect((await versions(bucket)).map(({ kind }) => kind)).toEqual(['DeleteMarker'])
  })

  it('DeleteObject: an unversioned bucket, the object is gone and no version id is told', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const answer = await remove({ bucket, key: 'key' })
    expect(answer.status).toBe(204)
    expect(answer.headers['x-amz-version-id']).toBeUndefined()
    expect(answer.headers['x-amz-delete-marker']).toBeUndefined()
    expect(await versions(bucket)).toEqual([])
    expect((await remove({ bucket, key: 'key' })).status).toBe(204)
  })

  it('DeleteObject: a suspended bucket, a null delete marker replaces the null version only', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const kept = await bench.put(bucket, 'key', { key: owner })
    const body = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
    await bench.document({ method: 'PUT', path: `/${bucket}`, query: { versioning: '' }, body })
    expect(await bench.put(bucket, 'key', { key: owner, body: 'null bytes' })).toBe('null')
    const answer = await remove({ bucket, key: 'key' })
    expect([answer.headers['x-amz-version-id'], answer.headers['x-amz-delete-marker']]).toEqual([
      'null',
      'true',
    ])
    expect(await versions(bucket)).toEqual([
      { kind: 'DeleteMarker', key: 'key', versionId: 'null', isLatest: true },
      { kind: 'Version', key: 'key', versionId: kept, isLatest: false },
    ])
  })
})

describe('DeleteObject of a version', () => {
  it.each([
    ['never locked', {}],
    ['hold OFF', { hold: 'OFF' }],
    ['expired GOVERNANCE', { mode: 'GOVERNANCE', expired: true }],
    ['expired COMPLIANCE', { mode: 'COMPLIANCE', expired: true }],
  ])('[DeleteObject.2] DeleteObject: %s, the version is gone', async (_name, lock) => {
    const target = await locked(lock)
    const answer = await remove(target)
    expect([answer.status, answer.headers['x-amz-version-id']]).toEqual([204, target.versionId])
    expect(answer.headers['x-amz-delete-marker']).toBeUndefined()
    expect(await versions(target.bucket)).toEqual([])
  })

  const rows: readonly [string, Lock, 'denied' | 'denied unless bypassed'][] = [
    ['[DeleteObject.3] COMPLIANCE', { mode: 'COMPLIANCE' }, 'denied'],
    ['[DeleteObject.3] hold', { hold: 'ON' }, 'denied'],
    ['GOVERNANCE and hold (B-32)', { mode: 'GOVERNANCE', hold: 'ON' }, 'denied'],
    ['COMPLIANCE and hold', { mode: 'COMPLIANCE', hold: 'ON' }, 'denied'],
    [
      '[DeleteObject.3] [Choice.19] hold ON and retention expired',
      { mode: 'GOVERNANCE', hold: 'ON', expired: true },
      'denied',
    ],
    ['[DeleteObject.4] [Choice.8] GOVERNANCE', { mode: 'GOVERNANCE' }, 'denied unless bypassed'],
    ['GOVERNANCE, hold OFF', { mode: 'GOVERNANCE', hold: 'OFF' }, 'denied unless bypassed'],
  ]
  const callers = [
    ['the owner', owner, {}, false],
    ['the owner with the bypass header', owner, bypass, true],
    ['root with the bypass header (B-12)', null, bypass, true],
    ['a deleter with the bypass header', deleter, bypass, false],
    ['a reader of the configuration with the bypass header (B-34)', configReader, bypass, false],
    ['the owner with the header false', owner, { 'x-amz-bypass-governance-retention': 'false' }, false],
    ['the owner with vendor headers (I20)', owner, { 'x-amz-replication-status': 'REPLICA' }, false],
  ] as const
  for (const [name, lock, verdict] of rows) {
    it.each(callers)(`DeleteObject: ${name}, %s`, async (_caller, key, headers, hasBypass) => {
      const target = await locked(lock)
      const attempt = () => remove(target, { headers, key: key ?? undefined })
      if (verdict === 'denied unless bypassed' && hasBypass) {
        expect((await attempt()).status).toBe(204)
        expect(await versions(target.bucket)).toEqual([])
        return
      }
      expect(refusal(await bench.unchanged(target.bucket, attempt))).toEqual(refused.locked)
    })
  }

  it('[Format.12] DeleteObject: locked to the last millisecond and at the very instant, free one later', async () => {
    const target = await locked({ mode: 'COMPLIANCE' })
    bench.server().advance(dayMs - 60_000)
    expect(refusal(await remove(target))).toEqual(refused.locked)
    bench.server().advance(120_000)
    expect((await remove(target)).status).toBe(204)
  })

  it('[DeleteObject.5] B-67 DeleteObject: a delete marker is never protected, and the version below comes back', async () => {
    const target = await locked({ mode: 'COMPLIANCE' })
    const marker = await remove({ bucket: target.bucket, key: 'key' })
    const versionId = String(marker.headers['x-amz-version-id'])
    const answer = await remove({ ...target, versionId })
    expect([
      answer.status,
      answer.headers['x-amz-delete-marker'],
      answer.headers['x-amz-version-id'],
    ]).toEqual([204, 'true', versionId])
    expect((await bench.send({ method: 'GET', path: `/${target.bucket}/key` })).text).toBe('bytes')
  })

  it('[DeleteObject.11] DeleteObject: a locked version below a delete marker stays locked (B-15)', async () => {
    const target = await locked({ mode: 'COMPLIANCE' })
    await remove({ bucket: target.bucket, key: 'key' })
    const answer = await bench.unchanged(target.bucket, () => remove(target, { headers: bypass }))
    expect(refusal(answer)).toEqual(refused.locked)
  })

  it('[DeleteObject.11] B-68 DeleteObject: marker, refusal, marker away, refusal again, then bypass', async () => {
    const target = await locked({ mode: 'GOVERNANCE' })
    const marker = await remove({ bucket: target.bucket, key: 'key' })
    const markerId = String(marker.headers['x-amz-version-id'])
    expect(refusal(await remove(target))).toEqual(refused.locked)
    const gone = await remove({ ...target, versionId: markerId })
    expect([gone.status, gone.headers['x-amz-delete-marker']]).toEqual([204, 'true'])
    expect(refusal(await remove(target))).toEqual(refused.locked)
    expect((await remove(target, { headers: bypass })).status).toBe(204)
    expect(await versions(target.bucket)).toEqual([])
  })

  it.each([
    ['retention', { 'x-amz-object-lock-mode': 'GOVERNANCE' }],
    ['a legal hold', { 'x-amz-object-lock-legal-hold': 'ON' }],
  ])('[DeleteObject.10] DeleteObject: a version made of parts with %s', async (_name, given) => {
    const bucket = await bench.bucket('locked', { key: owner })
    const until =
      'x-amz-object-lock-mode' in given ? { 'x-amz-object-lock-retain-until-date': bench.inDays(1) } : {}
    const upload = await begin(bench, { bucket, signer: owner }, { ...given, ...until })
    const made = await complete(bench, upload, [
      await addPart(bench, upload, { partNumber: 1, body: 'part' }),
    ])
    const target = { bucket, key: 'key', versionId: String(made.headers['x-amz-version-id']) }
    expect(refusal(await bench.unchanged(bucket, () => remove(target)))).toEqual(refused.locked)
    await bench.hold(target, 'OFF', { key: owner })
    expect((await remove(target, { headers: bypass })).status).toBe(204)
  })

  it('[DeleteObject.6] [Choice.5] [Choice.16] DeleteObject: a well-formed id that does not exist is 204, a malformed or empty one 400', async () => {
    const target = await locked({})
    const unknown = await bench.unchanged(target.bucket, () =>
      remove({ ...target, versionId: 'ABCDEF0123456789' }),
    )
    expect([unknown.status, unknown.headers['x-amz-version-id']]).toEqual([204, 'ABCDEF0123456789'])
    const malformed = await remove({ ...target, versionId: 'a.b' })
    expect([...refusal(malformed), malformed.element('ArgumentName')]).toEqual([
      ...refused.badVersionId,
      'versionId',
    ])
    const empty = await bench.unchanged(target.bucket, () => remove({ ...target, versionId: '' }))
    expect(refusal(empty)).toEqual(refused.emptyVersionId)
  })

  it('[DeleteObject.7] [Choice.1] [E18] DeleteObject: the bypass header on a bucket without lock is accepted and ignored', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    expect((await remove({ bucket, key: 'key', versionId }, { headers: bypass })).status).toBe(204)
  })

  it('[DeleteObject.8] DeleteObject: versionId=null is the null version and never the current one (B-18)', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    await bench.put(bucket, 'key', { key: owner, body: 'null bytes' })
    const enable = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await bench.document({ method: 'PUT', path: `/${bucket}`, query: { versioning: '' }, body: enable })
    const lock =
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
    await bench.document({ method: 'PUT', path: `/${bucket}`, query: { 'object-lock': '' }, body: lock })
    const current = await bench.put(bucket, 'key', { key: owner })
    const target = { bucket, key: 'key', versionId: 'null' }
    expect((await bench.retain(target, 'COMPLIANCE', bench.inDays(1), { key: owner })).status).toBe(200)
    expect(refusal(await bench.unchanged(bucket, () => remove(target, { headers: bypass })))).toEqual(
      refused.locked,
    )
    bench.server().advance(2 * dayMs)
    const answer = await remove(target)
    expect([answer.status, answer.headers['x-amz-version-id']]).toEqual([204, 'null'])
    expect((await versions(bucket)).map(({ versionId }) => versionId)).toEqual([current])
    expect((await bench.unchanged(bucket, () => remove(target))).status).toBe(204)
  })

  it.each(['dir/', 'a//b', '../x', 'é', 'sp ace'])(
    'DeleteObject: the key %j obeys the same rules (B-16)',
    async (key) => {
      const bucket = await bench.bucket('locked', { key: owner })
      const versionId = await bench.put(bucket, key, { key: owner, body: '' })
      const target = { bucket, key, versionId }
      await bench.hold(target, 'ON', { key: owner })
      expect(refusal(await bench.unchanged(bucket, () => remove(target, { headers: bypass })))).toEqual(
        refused.locked,
      )
    },
  )

  it('[DeleteObject.9] DeleteObject: s3:DeleteObject and s3:DeleteObjectVersion do not stand for each other', async () => {
    const target = await locked({})
    const { bucket } = target
    const asVersion = await bench.unchanged(bucket, () => remove(target, { key: onlyCurrent }))
    expect(refusal(asVersion)).toEqual(refused.forbidden)
    const asCurrent = await bench.unchanged(bucket, () =>
      remove({ bucket, key: 'key' }, { key: onlyVersion }),
    )
    expect(refusal(asCurrent)).toEqual(refused.forbidden)
    expect((await remove({ bucket, key: 'key' }, { key: onlyCurrent })).status).toBe(204)
    expect((await remove(target, { key: onlyVersion })).status).toBe(204)
  })

  it.each(['retention', 'legal-hold', 'acl', 'versions'])(
    'DeleteObject: ?%s is not a plain delete',
    async (query) => {
      const target = await locked({})
      const attempt = () =>
        bench.send({ method: 'DELETE', path: `/${target.bucket}/key`, query: { [query]: '' }, key: owner })
      expect((await bench.unchanged(target.bucket, attempt)).status).toBe(405)
    },
  )

  it('DeleteObject: a force-delete header is refused where Object Lock is on (B-22)', async () => {
    const target = await locked({})
    const attempt = () =>
      remove({ bucket: target.bucket, key: 'key' }, { headers: { 'x-minio-force-delete': 'true' } })
    expect((await bench.unchanged(target.bucket, attempt)).code).toBe('InvalidRequest')
  })

  it.each([
    'if-none-match',
    'if-unmodified-since',
    'x-amz-if-match-size',
    'x-amz-if-match-last-modified-time',
  ])('DeleteObject: the condition %s is refused, not ignored', async (name) => {
    const target = await locked({})
    const attempt = () => remove({ bucket: target.bucket, key: 'key' }, { headers: { [name]: '1' } })
    expect(refusal(await bench.unchanged(target.bucket, attempt)).slice(0, 2)).toEqual([
      501,
      'NotImplemented',
    ])
  })
})
