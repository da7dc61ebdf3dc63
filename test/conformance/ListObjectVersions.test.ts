import { describe, expect, it } from 'vitest'
import {
  accessKey,
  conformance,
  elements,
  type ListedVersion,
  listedVersions,
  refusal,
  refused,
} from '../support/conformance.ts'

const owner = accessKey('owner', null)
const lister = accessKey('lister', ['s3:ListBucket', 's3:GetObjectVersion'])
const bench = conformance({ accessKeys: [owner, lister] })

function list(bucket: string, query: Record<string, string> = {}, more: object = {}) {
  return bench.send({
    method: 'GET',
    path: `/${bucket}`,
    query: { versions: '', ...query },
    key: owner,
    ...more,
  })
}

/** Three keys: a with two versions, b/1 with a marker on top, c with one version. */
async function history(): Promise<string> {
  const bucket = await bench.bucket('locked', { key: owner })
  await bench.put(bucket, 'a', { key: owner, body: '1' })
  await bench.put(bucket, 'a', { key: owner, body: '22' })
  await bench.put(bucket, 'b/1', { key: owner })
  await bench.send({ method: 'DELETE', path: `/${bucket}/b/1`, key: owner })
  await bench.put(bucket, 'c', { key: owner })
  return bucket
}
const shape = (versions: readonly ListedVersion[]) =>
  versions.map(({ kind, key, isLatest }) => `${kind} ${key}${isLatest ? ' latest' : ''}`)

describe('ListObjectVersions', () => {
  it('ListObjectVersions: keys in byte order, newest first, one latest each', async () => {
    const bucket = await history()
    const answer = await list(bucket)
    expect([answer.status, shape(listedVersions(answer))]).toEqual([
      200,
      ['Version a latest', 'Version a', 'DeleteMarker b/1 latest', 'Version b/1', 'Version c latest'],
    ])
    expect(elements(answer, 'Size')).toEqual(['2', '1', '5', '5'])
    expect(answer.element('IsTruncated')).toBe('false')
  })

  it('ListObjectVersions: two versions written in the same moment keep their order', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const written = []
    for (let index = 0; index < 20; index += 1) written.push(await bench.put(bucket, 'key', { key: owner }))
    const listed = listedVersions(await list(bucket)).map(({ versionId }) => versionId)
    expect(listed).toEqual(written.toReversed())
  })

  it.each([1, 2, 3, 4])('ListObjectVersions: pages of %i join to the whole listing', async (size) => {
    const bucket = await history()
    const whole = listedVersions(await list(bucket))
    const seen: ListedVersion[] = []
    let query: Record<string, string> = {}
    for (;;) {
      const answer = await list(bucket, { 'max-keys': String(size), ...query })
      seen.push(...listedVersions(answer))
      if (answer.element('IsTruncated') === 'false') break
      query = {
        'key-marker': answer.element('NextKeyMarker') ?? '',
        'version-id-marker': answer.element('NextVersionIdMarker') ?? '',
      }
    }
    expect(seen).toEqual(whole)
  })

  it('ListObjectVersions: prefix, delimiter and key-marker', async () => {
    const bucket = await history()
    expect(shape(listedVersions(await list(bucket, { prefix: 'b/' })))).toEqual([
      'DeleteMarker b/1 latest',
      'Version b/1',
    ])
    const grouped = await list(bucket, { delimiter: '/' })
    expect([
      shape(listedVersions(grouped)),
      grouped.text.includes('<CommonPrefixes><Prefix>b/</Prefix>'),
    ]).toEqual([['Version a latest', 'Version a', 'Version c latest'], true])
    expect(shape(listedVersions(await list(bucket, { 'key-marker': 'a' })))).toEqual([
      'DeleteMarker b/1 latest',
      'Version b/1',
      'Version c latest',
    ])
  })

  it('ListObjectVersions: versions from before versioning are null', async () => {
    const bucket = await bench.bucket('unversioned', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    expect(elements(await list(bucket), 'VersionId')).toEqual(['null'])
  })

  it('ListObjectVersions: max-keys 0 is an empty page that is not truncated', async () => {
    const answer = await list(await history(), { 'max-keys': '0' })
    expect([listedVersions(answer), answer.element('IsTruncated')]).toEqual([[], 'false'])
  })

  it.each([
    [{ 'version-id-marker': 'ABC' }, 'A version-id marker cannot be specified without a key marker.'],
    [{ 'key-marker': 'a', 'version-id-marker': '' }, 'A version-id marker cannot be empty.'],
    [{ 'key-marker': 'a', 'version-id-marker': 'a-b' }, 'Invalid version id specified'],
  ])('ListObjectVersions: %j is InvalidArgument', async (query, message) => {
    const answer = await list(await history(), query)
    expect(refusal(answer)).toEqual([400, 'InvalidArgument', message])
  })

  it('[ListObjectVersions.1] ListObjectVersions: shows no locks, and needs s3:ListBucketVersions (B-61)', async () => {
    const bucket = await history()
    await bench.retain({ bucket, key: 'c' }, 'COMPLIANCE', bench.inDays(1), { key: owner })
    expect((await list(bucket)).text).not.toMatch(/lock|retain|COMPLIANCE/i)
    expect(refusal(await list(bucket, {}, { key: lister }))).toEqual(refused.forbidden)
  })
})
