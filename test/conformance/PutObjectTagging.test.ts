import { describe, expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject', 's3:PutObjectTagging'])
const plainWriter = accessKey('plain-writer', ['s3:PutObject'])
const bench = conformance({ accessKeys: [owner, writer, plainWriter] })

const xml = (tags: readonly (readonly [string, string])[]) =>
  `<Tagging><TagSet>${tags.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join('')}</TagSet></Tagging>`

function tag(bucket: string, body: string, more: object = {}) {
  return bench.document({
    method: 'PUT',
    path: `/${bucket}/key`,
    query: { tagging: '' },
    body,
    key: owner,
    ...more,
  })
}
async function tags(bucket: string, query: Record<string, string> = {}) {
  const answer = await bench.send({
    method: 'GET',
    path: `/${bucket}/key`,
    query: { tagging: '', ...query },
    key: owner,
  })
  return elements(answer, 'Key').map((key, index) => [key, elements(answer, 'Value')[index]])
}

describe('PutObjectTagging', () => {
  it('[PutObjectTagging.1] PutObjectTagging: replaces the tags of that version, also of a locked one, and nothing else', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const head = { method: 'HEAD', path: `/${bucket}/key`, query: { versionId }, key: owner }
    const before = (await bench.send(head)).headers
    const answer = await tag(
      bucket,
      xml([
        ['a', '1'],
        ['b', ''],
      ]),
      { query: { tagging: '', versionId } },
    )
    expect([answer.status, answer.headers['x-amz-version-id']]).toEqual([200, versionId])
    expect(await tags(bucket, { versionId })).toEqual([
      ['a', '1'],
      ['b', ''],
    ])
    expect(await tags(bucket)).toEqual([])
    const after = (await bench.send(head)).headers
    expect(after['x-amz-tagging-count']).toBe('2')
    for (const name of [
      'etag',
      'x-amz-object-lock-mode',
      'x-amz-object-lock-retain-until-date',
      'last-modified',
    ]) {
      expect([name, after[name]]).toEqual([name, before[name]])
    }
  })

  it.each([
    [
      'eleven tags',
      xml(Array.from({ length: 11 }, (_none, index) => [`k${index}`, 'v'] as const)),
      'BadRequest',
    ],
    [
      'a key twice',
      xml([
        ['a', '1'],
        ['a', '2'],
      ]),
      'InvalidTag',
    ],
    ['an empty key', xml([['', '1']]), 'InvalidTag'],
    ['a long key', xml([['k'.repeat(129), '1']]), 'InvalidTag'],
    ['a long value', xml([['k', 'v'.repeat(257)]]), 'InvalidTag'],
    ['a reserved key', xml([['aws:x', '1']]), 'InvalidTag'],
    ['foreign characters', xml([['k', '?']]), 'InvalidTag'],
    ['no TagSet', '<Tagging/>', 'MalformedXML'],
    ['no body', '', 'MalformedXML'],
  ])('PutObjectTagging: %s is refused and changes nothing', async (_name, body, code) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-tagging': 'kept=1' } })
    const answer = await tag(bucket, body)
    expect([answer.status, answer.code]).toEqual([400, code])
    expect(await tags(bucket)).toEqual([['kept', '1']])
  })

  it('PutObjectTagging: missing key 404, delete marker 405', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await tag(bucket, xml([])))).toEqual(refused.noSuchKey)
    await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
    expect(refusal(await tag(bucket, xml([])))).toEqual(refused.deleteMarker)
  })

  it('PutObjectTagging: x-amz-tagging on PutObject needs the permission to tag', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const headers = { 'x-amz-tagging': 'a=1&b=%20' }
    const request = { method: 'PUT', path: `/${bucket}/key`, body: 'x', headers }
    const denied = await bench.unchanged(bucket, () => bench.send({ ...request, key: plainWriter }))
    expect(refusal(denied)).toEqual(refused.forbidden)
    expect((await bench.send({ ...request, key: writer })).status).toBe(200)
    expect(await tags(bucket)).toEqual([
      ['a', '1'],
      ['b', ' '],
    ])
  })

  it('PutObjectTagging: a version needs s3:PutObjectVersionTagging', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    const answer = await tag(bucket, xml([]), { key: writer, query: { tagging: '', versionId } })
    expect(refusal(answer)).toEqual(refused.forbidden)
    expect((await tag(bucket, xml([]), { key: writer })).status).toBe(200)
  })
})
