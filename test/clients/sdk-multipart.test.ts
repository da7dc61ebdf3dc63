import { randomBytes } from 'node:crypto'
import { type ListMultipartUploadsCommandOutput, paginateListParts } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, idOf, refusedBy, sdkClient } from '../support/clients/sdk.ts'
import { conformance, refused } from '../support/conformance.ts'

const bench = conformance()
const { s3 } = sdkClient(bench.server)
const rule = '<Mode>GOVERNANCE</Mode><Days>1</Days>'
const mebibyte = 1024 ** 2
const partBytes = 5 * mebibyte
const until = new Date('2031-01-01T00:00:00Z')
const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until } as const

type Upload = { readonly Bucket: string; readonly Key: string; readonly UploadId: string }

async function create(Bucket: string, Key: string, more: object = {}): Promise<Upload> {
  const { UploadId } = await s3().createMultipartUpload({ Bucket, Key, ...more })
  return { Bucket, Key, UploadId: String(UploadId) }
}

async function put(upload: Upload, PartNumber: number, Body: string | Uint8Array) {
  const { ETag, ChecksumCRC32 } = await s3().uploadPart({ ...upload, PartNumber, Body })
  return { PartNumber, ETag, ChecksumCRC32 }
}

/** A producer that does not know how much it will produce. */
async function* produced(body: Buffer) {
  for (let offset = 0; offset < body.length; offset += 777_777) yield body.subarray(offset, offset + 777_777)
}

/** Collects pieces to parts and sends a part while the next one is collected. */
async function uploadInParts(upload: Upload, pieces: AsyncIterable<Buffer>) {
  const sending: Promise<Awaited<ReturnType<typeof put>>>[] = []
  let held = Buffer.alloc(0)
  const send = (body: Buffer) => sending.push(put(upload, sending.length + 1, body))
  for await (const piece of pieces) {
    held = Buffer.concat([held, piece])
    if (held.length < partBytes) continue
    send(held.subarray(0, partBytes))
    held = held.subarray(partBytes)
  }
  if (held.length > 0) send(held)
  return Promise.all(sending)
}

describe('AWS SDK for JavaScript: multipart', () => {
  it('a stream of unknown length goes in as parts under the lock of CreateMultipartUpload', async () => {
    const Bucket = await bench.bucket('locked', { rule })
    const body = randomBytes(17 * mebibyte + 3)
    const upload = await create(Bucket, 'stream', { ...lock, Metadata: { a: 'b' }, Tagging: 'c=d' })
    const Parts = await uploadInParts(upload, produced(body))
    expect(Parts.length).toBe(4)
    const completed = await s3().completeMultipartUpload({ ...upload, MultipartUpload: { Parts } })
    expect(completed.ETag).toMatch(/^"[0-9a-f]{32}-4"$/)
    const target = { Bucket, Key: 'stream', VersionId: idOf(completed) }
    const got = await s3().getObject({ ...target, ChecksumMode: 'ENABLED' })
    expect((await bytesOf(got)).equals(body)).toBe(true)
    expect(got).toMatchObject({ ...lock, Metadata: { a: 'b' }, TagCount: 1, ContentLength: body.length })
    const second = await s3().getObject({ ...target, PartNumber: 2 })
    expect([second.PartsCount, second.ContentRange]).toEqual([
      4,
      `bytes ${partBytes}-${2 * partBytes - 1}/${body.length}`,
    ])
    expect((await bytesOf(second)).equals(body.subarray(partBytes, 2 * partBytes))).toBe(true)
    expect(await refusedBy(s3().deleteObject({ ...target, BypassGovernanceRetention: true }))).toEqual(
      refused.locked,
    )
  })

  it('Complete over a locked key: a new version, the old one stays as it was', async () => {
    const Bucket = await bench.bucket('locked')
    const old = idOf(await s3().putObject({ Bucket, Key: 'key', Body: 'old', ...lock }))
    const upload = await create(Bucket, 'key')
    const Parts = [await put(upload, 1, 'new')]
    await s3().completeMultipartUpload({ ...upload, MultipartUpload: { Parts } })
    expect((await bytesOf(await s3().getObject({ Bucket, Key: 'key' }))).toString()).toBe('new')
    const kept = await s3().getObject({ Bucket, Key: 'key', VersionId: old })
    expect([(await bytesOf(kept)).toString(), kept.ObjectLockMode]).toEqual(['old', 'COMPLIANCE'])
  })

  it('ListParts and ListMultipartUploads: page by page, each once; a part sent again is the last one', async () => {
    const Bucket = await bench.bucket('locked')
    const uploads = [await create(Bucket, 'a'), await create(Bucket, 'a'), await create(Bucket, 'é/b')]
    const [upload] = uploads
    if (upload === undefined) throw new Error('an upload was made')
    for (const number of [10_000, 3, 1, 2, 7]) await put(upload, number, `part ${number}`)
    const again = await put(upload, 3, 'part 3 again')
    const parts = []
    // S3 names a next marker on the last page too; without this setting the SDK's paginator never ends.
    const paging = { client: s3(), pageSize: 2, stopOnSameToken: true }
    for await (const page of paginateListParts(paging, { ...upload })) parts.push(...(page.Parts ?? []))
    expect(parts.map(({ PartNumber }) => PartNumber)).toEqual([1, 2, 3, 7, 10_000])
    expect([parts[2]?.ETag, parts[2]?.Size]).toEqual([again.ETag, 12])
    const found = []
    let next: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | null = {}
    while (next !== null) {
      const page: ListMultipartUploadsCommandOutput = await s3().listMultipartUploads({
        ...{ Bucket, MaxUploads: 1 },
        ...next,
      })
      found.push(...(page.Uploads ?? []))
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page
      next = IsTruncated ? { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker } : null
    }
    expect(found.map(({ Key, UploadId }) => `${Key} ${UploadId}`).sort()).toEqual(
      uploads.map(({ Key, UploadId }) => `${Key} ${UploadId}`).sort(),
    )
  })

  it('Complete: parts out of order, missing, too small, all refused and nothing made', async () => {
    const Bucket = await bench.bucket('locked')
    const upload = await create(Bucket, 'key')
    const first = await put(upload, 1, 'small')
    const second = await put(upload, 2, 'last')
    const complete = (Parts: readonly object[]) =>
      refusedBy(s3().completeMultipartUpload({ ...upload, MultipartUpload: { Parts: [...Parts] } }))
    await bench.unchanged(Bucket, async () => {
      expect((await complete([second, first])).slice(0, 2)).toEqual([400, 'InvalidPartOrder'])
      expect((await complete([{ ...first, PartNumber: 3 }])).slice(0, 2)).toEqual([400, 'InvalidPart'])
      expect((await complete([{ ...first, ETag: second.ETag }])).slice(0, 2)).toEqual([400, 'InvalidPart'])
      expect((await complete([first, second])).slice(0, 2)).toEqual([400, 'EntityTooSmall'])
    })
    await s3().completeMultipartUpload({ ...upload, MultipartUpload: { Parts: [second] } })
    expect((await bytesOf(await s3().getObject({ Bucket, Key: 'key' }))).toString()).toBe('last')
  })

  it('Complete twice: the same version is told again, an aborted upload is NoSuchUpload', async () => {
    const Bucket = await bench.bucket('locked')
    const upload = await create(Bucket, 'key')
    const complete = { ...upload, MultipartUpload: { Parts: [await put(upload, 1, 'bytes')] } }
    const first = await s3().completeMultipartUpload(complete)
    const second = await s3().completeMultipartUpload(complete)
    expect([second.ETag, second.VersionId]).toEqual([first.ETag, first.VersionId])
    const aborted = await create(Bucket, 'other')
    await put(aborted, 1, 'bytes')
    await s3().abortMultipartUpload(aborted)
    expect((await refusedBy(put(aborted, 2, 'more'))).slice(0, 2)).toEqual([404, 'NoSuchUpload'])
    expect((await refusedBy(s3().listParts(aborted))).slice(0, 2)).toEqual([404, 'NoSuchUpload'])
  })

  it('UploadPartCopy: ranges of a locked source become parts, its lock is not inherited', async () => {
    const Bucket = await bench.bucket('locked')
    const body = randomBytes(6 * mebibyte)
    const source = idOf(await s3().putObject({ Bucket, Key: 'source é', Body: body, ...lock }))
    const upload = await create(Bucket, 'target')
    const CopySource = `${Bucket}/${encodeURIComponent('source é')}?versionId=${source}`
    const copy = async (PartNumber: number, CopySourceRange: string) => {
      const part = await s3().uploadPartCopy({ ...upload, PartNumber, CopySource, CopySourceRange })
      expect(part.CopySourceVersionId).toBe(source)
      return { PartNumber, ETag: part.CopyPartResult?.ETag }
    }
    const Parts = [await copy(1, `bytes=1-${partBytes}`), await copy(2, 'bytes=0-99')]
    await s3().completeMultipartUpload({ ...upload, MultipartUpload: { Parts } })
    const got = await s3().getObject({ Bucket, Key: 'target' })
    expect(got.ObjectLockMode).toBeUndefined()
    const expected = Buffer.concat([body.subarray(1, partBytes + 1), body.subarray(0, 100)])
    expect((await bytesOf(got)).equals(expected)).toBe(true)
  })
})
