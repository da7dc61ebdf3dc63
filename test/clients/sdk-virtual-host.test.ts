import { Agent } from 'node:http'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { afterAll, describe, expect, it } from 'vitest'
import { bytesOf, idOf, refusedBy, sdkClient } from '../support/clients/sdk.ts'
import { conformance, refused } from '../support/conformance.ts'

const domain = 's3.holdfast.example'
const bench = conformance({ domain })
/** Every name is this machine: no resolver knows the buckets. */
const httpAgent = new Agent({
  keepAlive: true,
  lookup: (_name, options, found) => {
    if (options.all === true) found(null, [{ address: '127.0.0.1', family: 4 }])
    else found(null, '127.0.0.1', 4)
  },
})
const port = () => new URL(bench.server().endpoint).port
const { s3, sent } = sdkClient(bench.server, () => ({
  endpoint: `http://${domain}:${port()}`,
  forcePathStyle: false,
  requestHandler: { httpAgent },
}))
afterAll(() => httpAgent.destroy())

describe('AWS SDK for JavaScript: virtual-host style', () => {
  it('a bucket by its host name: created, written, read, listed, refused', async () => {
    const target = { Bucket: 'virtual-host', Key: 'folder/a key é' }
    await s3().createBucket({ Bucket: target.Bucket, ObjectLockEnabledForBucket: true })
    const put = { ...target, Body: 'bytes', ObjectLockLegalHoldStatus: 'ON' } as const
    const version = { ...target, VersionId: idOf(await s3().putObject(put)) }
    expect([sent().hostname, sent().path]).toEqual([`virtual-host.${domain}`, '/folder/a%20key%20%C3%A9'])
    expect((await bytesOf(await s3().getObject(target))).toString()).toBe('bytes')
    const { Contents } = await s3().listObjectsV2({ Bucket: target.Bucket })
    expect(Contents?.map(({ Key }) => Key)).toEqual([target.Key])
    expect(await refusedBy(s3().deleteObject(version))).toEqual(refused.locked)
    const { Errors } = await s3().deleteObjects({
      Bucket: target.Bucket,
      Delete: { Objects: [{ Key: target.Key, VersionId: version.VersionId }] },
    })
    expect(Errors?.map(({ Code }) => Code)).toEqual(['AccessDenied'])
  })

  it('a key that begins with the name of another bucket stays in its own', async () => {
    for (const Bucket of ['virtual-one', 'virtual-two']) await s3().createBucket({ Bucket })
    await s3().putObject({ Bucket: 'virtual-one', Key: 'virtual-two/key', Body: 'of one' })
    expect(await refusedBy(s3().getObject({ Bucket: 'virtual-two', Key: 'key' }))).toEqual(refused.noSuchKey)
    const raw = await bench.send({ method: 'GET', path: '/virtual-one/virtual-two/key' })
    expect(raw.text).toBe('of one')
  })

  it('ListBuckets: the domain itself is the service', async () => {
    await s3().createBucket({ Bucket: 'virtual-listed' })
    const { Buckets } = await s3().listBuckets({})
    expect(Buckets?.map(({ Name }) => Name)).toContain('virtual-listed')
  })

  it('a dotted bucket name is a host name too', async () => {
    const target = { Bucket: 'dotted.bucket.name', Key: 'key' }
    await bench.send({ method: 'PUT', path: '/dotted.bucket.name' })
    const host = `dotted.bucket.name.${domain}:${port()}`
    const put = await bench.send({ method: 'PUT', path: '/key', body: 'dotted', host })
    expect([put.status, put.text]).toEqual([200, ''])
    expect((await bytesOf(await s3().getObject(target))).toString()).toBe('dotted')
  })

  it('a presigned link names the bucket in its host', async () => {
    const target = { Bucket: 'virtual-link', Key: 'key' }
    await s3().createBucket({ Bucket: target.Bucket })
    await s3().putObject({ ...target, Body: 'bytes' })
    const link = new URL(await getSignedUrl(s3(), new GetObjectCommand(target), { expiresIn: 60 }))
    expect(link.hostname).toBe(`virtual-link.${domain}`)
    const query = Object.fromEntries(link.searchParams)
    const get = (host: string) => bench.send({ method: 'GET', path: '/key', query, host, sign: 'none' })
    expect((await get(link.host)).text).toBe('bytes')
    expect((await get(`virtual-other.${domain}:${port()}`)).code).toBe('SignatureDoesNotMatch')
  })
})
