import { describe, expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject', 's3:ListBucketVersions'])
const bench = conformance({ accessKeys: [owner, reader] })

function list(bucket: string, query: Record<string, string> = {}, more: object = {}) {
  return bench.send({
    method: 'GET',
    path: `/${bucket}`,
    query: { 'list-type': '2', ...query },
    key: owner,
    ...more,
  })
}

async function filled(keys: readonly string[]): Promise<string> {
  const bucket = await bench.bucket('enabled', { key: owner })
  for (const key of keys) await bench.put(bucket, key, { key: owner })
  return bucket
}
const prefixes = (text: string) =>
  [...text.matchAll(/<CommonPrefixes><Prefix>(.*?)<\/Prefix><\/CommonPrefixes>/g)].map((found) => found[1])

describe('ListObjectsV2', () => {
  it('ListObjectsV2: LastModified is the second that the Last-Modified header says', async () => {
    const bucket = await bench.bucket('enabled')
    await bench.put(bucket, 'key')
    const listed = await bench.send({ method: 'GET', path: `/${bucket}`, query: { 'list-type': '2' } })
    const versions = await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } })
    const head = await bench.send({ method: 'HEAD', path: `/${bucket}/key` })
    const modified = new Date(String(head.headers['last-modified'])).toISOString()
    expect([listed.element('LastModified'), versions.element('LastModified')]).toEqual([modified, modified])
  })

  it('ListObjectsV2: byte order of UTF-8, with size, ETag and date', async () => {
    const keys = ['b', 'a/2', 'a', 'a-', 'é', 'z', '\u{1F600}', 'ﬀ', 'B']
    const bucket = await filled(keys)
    const answer = await list(bucket)
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect([answer.status, elements(answer, 'Key')]).toEqual([200, sorted])
    expect([answer.element('Name'), answer.element('KeyCount'), answer.element('IsTruncated')]).toEqual([
      bucket,
      String(keys.length),
      'false',
    ])
    expect([answer.element('Size'), answer.element('ETag'), answer.element('StorageClass')]).toEqual([
      '5',
      '"4b3a6218bb3e3a7303e8a171a60fcf92"',
      'STANDARD',
    ])
    expect(answer.text).not.toContain('Owner')
    expect((await list(bucket, { 'fetch-owner': 'true' })).element('ID')).toBe(owner.accountId)
  })

  it('ListObjectsV2: delete markers hide their keys', async () => {
    const bucket = await filled(['a', 'b'])
    await bench.send({ method: 'DELETE', path: `/${bucket}/a`, key: owner })
    expect(elements(await list(bucket), 'Key')).toEqual(['b'])
  })

  it.each([
    ['prefix', { prefix: 'dir/' }, ['dir/', 'dir/a', 'dir/sub/b'], []],
    ['delimiter', { delimiter: '/' }, ['a', 'z'], ['dir/', 'x/']],
    ['prefix and delimiter', { prefix: 'dir/', delimiter: '/' }, ['dir/', 'dir/a'], ['dir/sub/']],
    ['a delimiter of several characters', { delimiter: 'ir/' }, ['a', 'x/y', 'z'], ['dir/']],
    ['start-after', { 'start-after': 'dir/sub/b' }, ['x/y', 'z'], []],
    ['start-after between keys', { 'start-after': 'dir/b' }, ['dir/sub/b', 'x/y', 'z'], []],
  ])('ListObjectsV2: %s', async (_name, query, keys, groups) => {
    const bucket = await filled(['a', 'dir/', 'dir/a', 'dir/sub/b', 'x/y', 'z'])
    const answer = await list(bucket, query)
    expect([elements(answer, 'Key'), prefixes(answer.text)]).toEqual([keys, groups])
    expect(answer.element('KeyCount')).toBe(String(keys.length + groups.length))
  })

  it.each([1, 2, 3, 1000])('ListObjectsV2: pages of %i join to the whole listing', async (size) => {
    const bucket = await filled(['a', 'b/1', 'b/2', 'c', 'd/1', 'e'])
    const seen: (string | undefined)[] = []
    let token: string | null = null
    do {
      const query: Record<string, string> = { 'max-keys': String(size), delimiter: '/' }
      if (token !== null) query['continuation-token'] = token
      const answer = await list(bucket, query)
      seen.push(...elements(answer, 'Key'), ...prefixes(answer.text))
      token = answer.element('NextContinuationToken')
      expect(answer.element('IsTruncated')).toBe(String(token !== null))
    } while (token !== null)
    expect(seen.toSorted()).toEqual(['a', 'b/', 'c', 'd/', 'e'])
  })

  it('ListObjectsV2: max-keys 0 is an empty page that is not truncated', async () => {
    const answer = await list(await filled(['a']), { 'max-keys': '0' })
    expect([elements(answer, 'Key'), answer.element('IsTruncated'), answer.element('MaxKeys')]).toEqual([
      [],
      'false',
      '0',
    ])
  })

  it('ListObjectsV2: encoding-type=url encodes keys, prefixes and the delimiter', async () => {
    const bucket = await filled(['a b/c', 'x+y', '\u0001'])
    const answer = await list(bucket, { 'encoding-type': 'url', delimiter: '/' })
    expect([answer.element('EncodingType'), elements(answer, 'Key'), prefixes(answer.text)]).toEqual([
      'url',
      ['%01', 'x%2By'],
      ['a+b/'],
    ])
  })

  it.each([
    ['max-keys', '-1', 'Provided max-keys not an integer or within integer range'],
    ['max-keys', 'x', 'Provided max-keys not an integer or within integer range'],
    ['encoding-type', 'base64', 'Invalid Encoding Method specified in Request'],
    ['continuation-token', '', 'The continuation token provided is incorrect'],
    ['continuation-token', 'forged', 'The continuation token provided is incorrect'],
  ])('ListObjectsV2: %s=%s is InvalidArgument', async (name, value, message) => {
    const answer = await list(await bench.bucket('enabled', { key: owner }), { [name]: value })
    expect([...refusal(answer), answer.element('ArgumentName')]).toEqual([
      400,
      'InvalidArgument',
      message,
      name,
    ])
  })

  it('ListObjectsV2: other permissions do not stand for s3:ListBucket', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await list(bucket, {}, { key: reader }))).toEqual(refused.forbidden)
    expect(refusal(await list('no-such-bucket'))).toEqual(refused.noSuchBucket)
  })

  it('[ListObjectsV2.1] ListObjectsV2: shows no locks', async () => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    await bench.put(bucket, 'key', { key: owner })
    expect((await list(bucket)).text).not.toMatch(/lock|retain|COMPLIANCE/i)
  })
})
