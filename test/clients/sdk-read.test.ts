import { type ListObjectVersionsCommandOutput, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, idOf, refusedBy, sdkClient } from '../support/clients/sdk.ts'
import { conformance, refused } from '../support/conformance.ts'

const bench = conformance()
const { s3 } = sdkClient(bench.server)
const failed = [412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold']

async function object(Body = '0123456789') {
  const target = { Bucket: await bench.bucket('locked'), Key: 'key' }
  const { ETag } = await s3().putObject({ ...target, Body })
  return { target, ETag: String(ETag) }
}

describe('AWS SDK for JavaScript: reads', () => {
  it.each([
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=5-500', '56789', 'bytes 5-9/10'],
  ])('GetObject: Range %s is %s', async (Range, expected, ContentRange) => {
    const { target } = await object()
    const got = await s3().getObject({ ...target, Range })
    expect([(await bytesOf(got)).toString(), got.ContentRange]).toEqual([expected, ContentRange])
  })

  it('GetObject: a range across the blocks of a large body', async () => {
    const { target } = await object('0123456789abcdef'.repeat(20_000))
    const got = await s3().getObject({ ...target, Range: 'bytes=65530-131090' })
    expect((await bytesOf(got)).toString()).toBe('0123456789abcdef'.repeat(20_000).slice(65_530, 131_091))
  })

  it('GetObject: conditions by tag and by date', async () => {
    const { target, ETag } = await object()
    const head = await s3().headObject(target)
    const lastModified = head.LastModified ?? new Date(0)
    const before = new Date(lastModified.getTime() - 60_000)
    expect((await s3().getObject({ ...target, IfMatch: ETag })).ETag).toBe(ETag)
    expect(await refusedBy(s3().getObject({ ...target, IfMatch: '"other"' }))).toEqual(failed)
    expect((await refusedBy(s3().getObject({ ...target, IfNoneMatch: ETag })))[0]).toBe(304)
    expect((await refusedBy(s3().getObject({ ...target, IfModifiedSince: lastModified })))[0]).toBe(304)
    expect(await refusedBy(s3().getObject({ ...target, IfUnmodifiedSince: before }))).toEqual(failed)
    expect((await s3().getObject({ ...target, IfModifiedSince: before })).ETag).toBe(ETag)
  })

  it('PutObject: If-None-Match * makes a key once, If-Match replaces only what was read', async () => {
    const { target, ETag } = await object()
    const put = (more: object) => s3().putObject({ ...target, Body: 'next', ...more })
    await bench.unchanged(target.Bucket, async () => {
      expect(await refusedBy(put({ IfNoneMatch: '*' }))).toEqual(failed)
      expect(await refusedBy(put({ IfMatch: '"other"' }))).toEqual(failed)
    })
    await put({ IfMatch: ETag })
    await s3().putObject({ Bucket: target.Bucket, Key: 'other', Body: 'x', IfNoneMatch: '*' })
    const both = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        s3().putObject({ Bucket: target.Bucket, Key: 'raced', Body: 'x', IfNoneMatch: '*' }),
      ),
    )
    expect(both.filter(({ status }) => status === 'fulfilled').length).toBe(1)
  })

  it('ListObjectsV2 and ListObjectVersions: page by page, every key and version once and in order', async () => {
    const Bucket = await bench.bucket('locked')
    const keys = ['a b+%25&', 'a//b', 'dir/1', 'dir/2', 'dir/sub/3', 'é/☃', '\u{1F512}', '<&>"\'']
    const ids: string[] = []
    for (const Key of keys)
      for (const Body of ['old', 'new'])
        ids.push(`${Key} ${idOf(await s3().putObject({ Bucket, Key, Body }))}`)
    await s3().deleteObject({ Bucket, Key: 'dir/2' })
    const listed: string[] = []
    for await (const page of paginateListObjectsV2(
      { client: s3(), pageSize: 3 },
      { Bucket, EncodingType: 'url' },
    ))
      listed.push(
        ...(page.Contents ?? []).map(({ Key = '' }) => decodeURIComponent(Key.replaceAll('+', ' '))),
      )
    const byBytes = (left: string, right: string) => Buffer.compare(Buffer.from(left), Buffer.from(right))
    expect(listed).toEqual(keys.filter((key) => key !== 'dir/2').sort(byBytes))
    const versions: string[] = []
    let next: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } | null = {}
    while (next !== null) {
      const page: ListObjectVersionsCommandOutput = await s3().listObjectVersions({
        ...{ Bucket, MaxKeys: 3 },
        ...next,
      })
      versions.push(...(page.Versions ?? []).map(({ Key, VersionId }) => `${Key} ${VersionId}`))
      const { IsTruncated, NextKeyMarker, NextVersionIdMarker } = page
      next = IsTruncated ? { KeyMarker: NextKeyMarker, VersionIdMarker: NextVersionIdMarker } : null
    }
    expect([...versions].sort()).toEqual([...ids].sort())
    const prefixes: string[] = []
    const grouped = { Bucket, Delimiter: '/' }
    for await (const page of paginateListObjectsV2({ client: s3(), pageSize: 1 }, grouped))
      prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix))
    expect(prefixes).toEqual(['a/', 'dir/', 'é/'])
    for (const Key of keys.filter((key) => key !== 'dir/2'))
      expect((await bytesOf(await s3().getObject({ Bucket, Key }))).toString()).toBe('new')
  })

  it('GetObject: metadata and headers come back as they were, response parameters win', async () => {
    const Bucket = await bench.bucket('enabled')
    const given = {
      ContentType: 'text/plain; charset=utf-8',
      CacheControl: 'no-store',
      ContentLanguage: 'de',
      ContentEncoding: 'identity',
      Metadata: { 'with-dash': 'a  b', other: '=?UTF-8?B?w6k=?=' },
      Expires: new Date('2030-01-01T00:00:00Z'),
    }
    await s3().putObject({ Bucket, Key: 'key', Body: 'bytes', ...given })
    const { Expires: _expires, ...plain } = given
    expect(await s3().headObject({ Bucket, Key: 'key' })).toMatchObject({
      ...plain,
      ExpiresString: 'Tue, 01 Jan 2030 00:00:00 GMT',
    })
    const got = await s3().getObject({ Bucket, Key: 'key', ResponseContentType: 'application/x-other' })
    expect(got.ContentType).toBe('application/x-other')
  })

  it('errors: have the names and sentences of S3', async () => {
    const { target } = await object()
    const none = { Bucket: target.Bucket, Key: 'none' }
    expect(await refusedBy(s3().getObject(none))).toEqual(refused.noSuchKey)
    expect((await refusedBy(s3().headObject(none))).slice(0, 2)).toEqual([404, 'NotFound'])
    expect(await refusedBy(s3().listObjectsV2({ Bucket: 'sdk-none' }))).toEqual(refused.noSuchBucket)
    expect(await refusedBy(s3().getObject({ ...target, VersionId: 'not-an-id' }))).toEqual(
      refused.badVersionId,
    )
    await s3().deleteObject(target)
    const { DeleteMarkers } = await s3().listObjectVersions({ Bucket: target.Bucket })
    const marker = { ...target, VersionId: idOf(DeleteMarkers?.[0] ?? {}) }
    expect(await refusedBy(s3().getObject(marker))).toEqual(refused.deleteMarker)
    expect((await refusedBy(s3().headObject(marker)))[0]).toBe(405)
  })
})
