import { describe, expect, it } from 'vitest'
import { accessKey, conformance, dayMs, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:ListBucket', 's3:DeleteObjectVersion'])
const bench = conformance({ accessKeys: [owner, reader] })

function remove(name: string, more: object = {}) {
  return bench.send({ method: 'DELETE', path: `/${name}`, key: owner, ...more })
}

const notEmpty = [
  409,
  'BucketNotEmpty',
  'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
]

describe('DeleteBucket', () => {
  it('DeleteBucket: an empty bucket goes, also one with Object Lock and a COMPLIANCE rule', async () => {
    const plain = await bench.bucket('unversioned', { key: owner })
    const ruled = await bench.bucket('locked', {
      key: owner,
      rule: '<Mode>COMPLIANCE</Mode><Years>1</Years>',
    })
    for (const name of [plain, ruled]) {
      const answer = await remove(name)
      expect([answer.status, answer.text]).toEqual([204, ''])
      expect(refusal(await remove(name))).toEqual(refused.noSuchBucket)
    }
  })

  it('[DeleteBucket.2] DeleteBucket: a locked version keeps the bucket, whoever asks (I18, B-24)', async () => {
    const name = await bench.bucket('locked', { key: owner })
    await bench.put(name, 'key', { key: owner })
    await bench.retain({ bucket: name, key: 'key' }, 'COMPLIANCE', bench.inDays(1), { key: owner })
    for (const key of [owner, undefined]) {
      expect(refusal(await bench.unchanged(name, () => remove(name, { key })))).toEqual(notEmpty)
    }
  })

  it('[DeleteBucket.1] DeleteBucket: a delete marker alone keeps the bucket', async () => {
    const name = await bench.bucket('enabled', { key: owner })
    const marker = await bench.send({ method: 'DELETE', path: `/${name}/key`, key: owner })
    expect(refusal(await remove(name))).toEqual(notEmpty)
    const versionId = String(marker.headers['x-amz-version-id'])
    await bench.send({ method: 'DELETE', path: `/${name}/key`, query: { versionId }, key: owner })
    expect((await remove(name)).status).toBe(204)
  })

  it('DeleteBucket: an upload in progress keeps the bucket', async () => {
    const name = await bench.bucket('locked', { key: owner })
    const created = await bench.send({
      method: 'POST',
      path: `/${name}/key`,
      query: { uploads: '' },
      key: owner,
    })
    expect((await bench.unchanged(name, () => remove(name))).code).toBe('BucketNotEmpty')
    const uploadId = created.element('UploadId') ?? ''
    await bench.send({ method: 'DELETE', path: `/${name}/key`, query: { uploadId }, key: owner })
    expect((await remove(name)).status).toBe(204)
  })

  it('DeleteBucket: a bucket made again under the name inherits nothing', async () => {
    const name = await bench.bucket('locked', { key: owner, rule: '<Mode>GOVERNANCE</Mode><Days>1</Days>' })
    const versionId = await bench.put(name, 'key', { key: owner })
    bench.server().advance(2 * dayMs)
    await bench.send({ method: 'DELETE', path: `/${name}/key`, query: { versionId }, key: owner })
    expect((await remove(name)).status).toBe(204)
    await bench.send({ method: 'PUT', path: `/${name}`, key: owner })
    expect((await bench.send({ method: 'GET', path: `/${name}`, query: { 'object-lock': '' } })).status).toBe(
      404,
    )
    const old = await bench.send({ method: 'GET', path: `/${name}/key`, query: { versionId } })
    expect(old.status).toBe(404)
  })

  it.each([
    ['x-minio-force-delete', { headers: { 'x-minio-force-delete': 'true' } }],
    ['?force_delete=true', { query: { force_delete: 'true' } }],
    ['?force_delete', { query: { force_delete: '' } }],
  ])(
    'DeleteBucket: %s is refused on a bucket with Object Lock, ignored elsewhere (B-21)',
    async (_name, more) => {
      const locked = await bench.bucket('locked', { key: owner })
      await bench.put(locked, 'key', { key: owner })
      const answer = await bench.unchanged(locked, () => remove(locked, more))
      expect([answer.status, answer.code]).toEqual([405, 'MethodNotAllowed'])
      const plain = await bench.bucket('unversioned', { key: owner })
      await bench.put(plain, 'key', { key: owner })
      const ignored = await bench.unchanged(plain, () => remove(plain, more))
      expect(refusal(ignored)).toEqual([409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty'])
    },
  )

  it.each(['object-lock', 'versioning', 'retention'])(
    'DeleteBucket: ?%s is not DeleteBucket',
    async (query) => {
      const name = await bench.bucket('locked', { key: owner })
      const answer = await bench.unchanged(name, () => remove(name, { query: { [query]: '' } }))
      expect(answer.status).toBe(405)
    },
  )

  it('DeleteBucket: a version id is refused: the DELETE of a version has lost its key', async () => {
    for (const versionId of ['ABC', 'null', '']) {
      const name = await bench.bucket('locked', { key: owner })
      const request = { method: 'DELETE', path: `/${name}`, query: { versionId }, key: owner }
      const answer = await bench.unchanged(name, () => bench.send(request))
      expect([...refusal(answer), answer.element('ArgumentName'), answer.element('ArgumentValue')]).toEqual([
        400,
        'InvalidArgument',
        'This operation does not accept a version-id.',
        'versionId',
        versionId,
      ])
    }
  })

  it('DeleteBucket: other permissions do not stand for s3:DeleteBucket', async () => {
    const name = await bench.bucket('unversioned', { key: owner })
    expect(refusal(await remove(name, { key: reader }))).toEqual(refused.forbidden)
  })
})
