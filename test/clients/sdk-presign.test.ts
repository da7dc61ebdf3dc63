import { createHash } from 'node:crypto'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { describe, expect, it } from 'vitest'
import { bytesOf, sdkClient } from '../support/clients/sdk.ts'
import { conformance } from '../support/conformance.ts'

const bench = conformance()
const { s3 } = sdkClient(bench.server)
const until = new Date('2031-01-01T00:00:00Z')

type Refusal = { readonly status: number; readonly code: string; readonly text: string }

async function refusalOf(answer: Response): Promise<Refusal> {
  const text = await answer.text()
  return { status: answer.status, code: /<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? '', text }
}

async function object(body = 'bytes') {
  const target = { Bucket: await bench.bucket('locked'), Key: 'a key/é+1' }
  await s3().putObject({ ...target, Body: body })
  return target
}

describe('AWS SDK for JavaScript: presigned', () => {
  it('GetObject: the link alone reads the object, with ranges and the file name of the link', async () => {
    const target = await object()
    const named = { ...target, ResponseContentDisposition: 'attachment; filename="x.txt"' }
    const link = await getSignedUrl(s3(), new GetObjectCommand(named), { expiresIn: 60 })
    const got = await fetch(link)
    expect([got.status, await got.text(), got.headers.get('content-disposition')]).toEqual([
      200,
      'bytes',
      'attachment; filename="x.txt"',
    ])
    const part = await fetch(link, { headers: { range: 'bytes=1-2' } })
    expect([part.status, await part.text()]).toEqual([206, 'yt'])
    const other = await refusalOf(await fetch(link.replace('x.txt', 'y.txt')))
    expect([other.status, other.code]).toEqual([403, 'SignatureDoesNotMatch'])
    const put = await refusalOf(await fetch(link, { method: 'PUT', body: 'other' }))
    expect([put.status, put.code]).toEqual([403, 'SignatureDoesNotMatch'])
  })

  it('HeadObject: a link for HEAD', async () => {
    const link = await getSignedUrl(s3(), new HeadObjectCommand(await object()), { expiresIn: 60 })
    const head = await fetch(link, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '5'])
  })

  it('PutObject: the lock that the link was signed with is the lock of the version', async () => {
    const target = { Bucket: await bench.bucket('locked'), Key: 'key' }
    const body = 'sent by a browser'
    const command = new PutObjectCommand({
      ...target,
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: until,
      ContentMD5: createHash('md5').update(body).digest('base64'),
    })
    const unhoistableHeaders = new Set(['content-md5'])
    const link = await getSignedUrl(s3(), command, { expiresIn: 60, unhoistableHeaders })
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
    const answer = await fetch(link, { method: 'PUT', body, headers })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    const got = await s3().getObject(target)
    expect((await bytesOf(got)).toString()).toBe(body)
    expect(got).toMatchObject({ ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until })
  })

  it.each([
    ['x-amz-object-lock-legal-hold', 'ON'],
    ['x-amz-meta-added', 'later'],
    ['x-amz-tagging', 'a=b'],
  ])('PutObject: an unsigned header %s is refused by name, nothing is stored', async (name, value) => {
    const target = { Bucket: await bench.bucket('locked'), Key: 'key' }
    const link = await getSignedUrl(s3(), new PutObjectCommand(target), { expiresIn: 60 })
    await bench.unchanged(target.Bucket, async () => {
      const sent = { method: 'PUT', body: 'bytes', headers: { [name]: value } }
      const answer = await refusalOf(await fetch(link, sent))
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
      expect(answer.text).toContain('There were headers present in the request which were not signed')
      expect(answer.text).toContain(`<HeadersNotSigned>${name}</HeadersNotSigned>`)
    })
  })

  it('PutObject: a link cannot be given a bypass for deleting', async () => {
    const target = await object()
    const link = await getSignedUrl(s3(), new GetObjectCommand(target), { expiresIn: 60 })
    const headers = { 'x-amz-bypass-governance-retention': 'true' }
    await bench.unchanged(target.Bucket, async () => {
      const answer = await refusalOf(await fetch(link, { method: 'DELETE', headers }))
      expect(answer.status).toBe(403)
    })
  })

  it('UploadPart: links for parts, completed by the owner of the key', async () => {
    const target = { Bucket: await bench.bucket('locked'), Key: 'key' }
    const { UploadId } = await s3().createMultipartUpload(target)
    const upload = { ...target, UploadId: String(UploadId), PartNumber: 1 }
    const link = await getSignedUrl(s3(), new UploadPartCommand(upload), { expiresIn: 60 })
    const sent = await fetch(link, { method: 'PUT', body: 'the only part' })
    expect(sent.status).toBe(200)
    const Parts = [{ PartNumber: 1, ETag: String(sent.headers.get('etag')) }]
    await s3().completeMultipartUpload({ ...target, UploadId, MultipartUpload: { Parts } })
    expect((await bytesOf(await s3().getObject(target))).toString()).toBe('the only part')
  })

  it('expiry: the link works in its last second and not a second after', async () => {
    const target = await object()
    const signingDate = new Date(Math.floor(bench.server().nowMs() / 1000) * 1000)
    const link = await getSignedUrl(s3(), new GetObjectCommand(target), { expiresIn: 600, signingDate })
    bench.server().advance(590_000)
    expect((await fetch(link)).status).toBe(200)
    bench.server().advance(11_000)
    const late = await refusalOf(await fetch(link))
    expect([late.status, late.code]).toEqual([403, 'AccessDenied'])
    expect(late.text).toContain('<Message>Request has expired</Message>')
    const longer = getSignedUrl(s3(), new GetObjectCommand(target), { expiresIn: 604_801 })
    await expect(longer).rejects.toThrow(/week/)
  })
})
