/** If-Match of DeleteObject and ETag of DeleteObjects: judged on the current version, in the transaction of the delete. */
import { describe, expect, it } from 'vitest'
import {
  accessKey,
  type BucketKind,
  conformance,
  elements,
  md5,
  refusal,
  refused,
} from '../support/conformance.ts'

const owner = accessKey('owner', null)
const deleter = accessKey('deleter', ['s3:DeleteObject'])
const comparer = accessKey('comparer', ['s3:DeleteObject', 's3:GetObject'])
const bench = conformance({ accessKeys: [owner, deleter, comparer] })

const etagOf = (body: string) => `"${Buffer.from(md5(body), 'base64').toString('hex')}"`
const notMet = [412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold']

function remove(bucket: string, ifMatch: string, more: object = {}) {
  const headers = { 'if-match': ifMatch }
  return bench.send({ method: 'DELETE', path: `/${bucket}/key`, headers, key: owner, ...more })
}
const removeAll = (bucket: string, objects: string, more: object = {}) =>
  bench.document({
    method: 'POST',
    path: `/${bucket}`,
    query: { delete: '' },
    body: `<Delete>${objects}</Delete>`,
    key: owner,
    ...more,
  })
const object = (key: string, etag: string, more = '') =>
  `<Object><Key>${key}</Key><ETag>${etag.replaceAll('"', '&quot;')}</ETag>${more}</Object>`
const get = (bucket: string) => bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })

const kinds: readonly BucketKind[] = ['unversioned', 'enabled', 'suspended', 'locked']

describe('DeleteObject: If-Match', () => {
  it.each(kinds)(
    'DeleteObject: in a bucket %s, another ETag is 412, the same one or * deletes',
    async (kind) => {
      for (const given of [etagOf('new'), etagOf('new').replaceAll('"', ''), '*']) {
        const bucket = await bench.bucket(kind, { key: owner })
        await bench.put(bucket, 'key', { key: owner, body: 'old' })
        await bench.put(bucket, 'key', { key: owner, body: 'new' })
        const stale = await bench.unchanged(bucket, () => remove(bucket, etagOf('old')))
        expect([...refusal(stale), stale.element('Condition')]).toEqual([...notMet, 'If-Match'])
        expect((await remove(bucket, given)).status).toBe(204)
        expect((await get(bucket)).status).toBe(404)
      }
    },
  )

  it.each(['*', etagOf('bytes')])('DeleteObject: no object is there, If-Match %s is 404', async (given) => {
    for (const kind of kinds) {
      const bucket = await bench.bucket(kind, { key: owner })
      expect(refusal(await bench.unchanged(bucket, () => remove(bucket, given)))).toEqual(refused.noSuchKey)
      await bench.put(bucket, 'key', { key: owner })
      await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
      expect(refusal(await bench.unchanged(bucket, () => remove(bucket, given)))).toEqual(refused.noSuchKey)
    }
  })

  it('DeleteObject: with a version id, or several ETags, it is NotImplemented', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const byId = await bench.unchanged(bucket, () =>
      remove(bucket, etagOf('bytes'), { query: { versionId } }),
    )
    expect([byId.status, byId.code, byId.element('Header')]).toEqual([501, 'NotImplemented', 'If-Match'])
    const several = await bench.unchanged(bucket, () => remove(bucket, `"0", ${etagOf('bytes')}`))
    expect([several.status, several.code]).toEqual([501, 'NotImplemented'])
  })

  it('DeleteObject: an ETag needs s3:GetObject besides, * does not', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const attempt = () => remove(bucket, etagOf('bytes'), { key: deleter })
    expect(refusal(await bench.unchanged(bucket, attempt))).toEqual(refused.forbidden)
    expect((await remove(bucket, etagOf('bytes'), { key: comparer })).status).toBe(204)
    await bench.put(bucket, 'key', { key: owner })
    expect((await remove(bucket, '*', { key: deleter })).status).toBe(204)
  })

  it('DeleteObject: of many with one ETag at once exactly one succeeds', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    for (let round = 0; round < 10; round += 1) {
      await bench.put(bucket, 'key', { key: owner, body: `round ${round}` })
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => remove(bucket, etagOf(`round ${round}`))),
      )
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404])
    }
  })
})

describe('DeleteObjects: ETag', () => {
  it('DeleteObjects: each entry has its own condition, the others go on', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    for (const key of ['same', 'other', 'any']) await bench.put(bucket, key, { key: owner })
    const answer = await removeAll(
      bucket,
      [
        object('same', etagOf('bytes')),
        object('other', etagOf('x')),
        object('any', '*'),
        object('none', '*'),
        object('none', etagOf('bytes')),
      ].join(''),
    )
    expect([answer.status, elements(answer, 'Code')]).toEqual([
      200,
      ['PreconditionFailed', 'NoSuchKey', 'NoSuchKey'],
    ])
    expect(elements(answer, 'Key')).toEqual(['same', 'other', 'any', 'none', 'none'])
    const listed = await bench.send({
      method: 'GET',
      path: `/${bucket}`,
      query: { 'list-type': '2' },
      key: owner,
    })
    expect(elements(listed, 'Key')).toEqual(['other'])
  })

  it('DeleteObjects: the second of two entries of one key sees what the first did', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const answer = await removeAll(bucket, object('key', '*') + object('key', '*'))
    expect([answer.text.split('<Deleted>').length - 1, elements(answer, 'Code')]).toEqual([1, ['NoSuchKey']])
  })

  it('DeleteObjects: with a version id it is an error of that key', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const answer = await bench.unchanged(bucket, () =>
      removeAll(bucket, object('key', '*', `<VersionId>${versionId}</VersionId>`)),
    )
    expect([answer.status, elements(answer, 'Code')]).toEqual([200, ['NotImplemented']])
  })

  it('DeleteObjects: an ETag needs s3:GetObject besides, * does not', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    for (const key of ['a', 'b']) await bench.put(bucket, key, { key: owner })
    const answer = await removeAll(bucket, object('a', etagOf('bytes')) + object('b', '*'), { key: deleter })
    expect([elements(answer, 'Code'), elements(answer, 'Key')]).toEqual([['AccessDenied'], ['a', 'b']])
    expect(answer.text).toContain('<Deleted><Key>b</Key>')
  })
})
