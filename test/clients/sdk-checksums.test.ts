import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { bytesOf, refusedBy, sdkClient } from '../support/clients/sdk.ts'
import { conformance } from '../support/conformance.ts'

const bench = conformance()
const { s3, sent } = sdkClient(bench.server)
const rule = '<Mode>GOVERNANCE</Mode><Days>1</Days>'

/** The check value of every CRC catalogue is that of these nine bytes. */
const digits = '123456789'
const hex = (text: string) => Buffer.from(text, 'hex').toString('base64')
const sha = (algorithm: string) => createHash(algorithm).update(digits).digest('base64')
const algorithms = [
  ['CRC32', hex('cbf43926')],
  ['CRC32C', hex('e3069283')],
  ['CRC64NVME', hex('ae8b14860a799888')],
  ['SHA1', sha('sha1')],
  ['SHA256', sha('sha256')],
] as const

/** In pieces that are not the blocks of anything. */
function streamOf(body: Buffer): Readable {
  const pieces = []
  for (let offset = 0; offset < body.length; offset += 40_009)
    pieces.push(body.subarray(offset, offset + 40_009))
  return Readable.from(pieces)
}

describe('AWS SDK for JavaScript: checksums', () => {
  it('PutObject: a buffer gets CRC32 by default, sent as a header, kept and told', async () => {
    const Bucket = await bench.bucket('locked', { rule })
    const answer = await s3().putObject({ Bucket, Key: 'key', Body: digits })
    expect(sent().headers).toMatchObject({ 'x-amz-checksum-crc32': hex('cbf43926') })
    expect([answer.ChecksumCRC32, answer.ChecksumType]).toEqual([hex('cbf43926'), 'FULL_OBJECT'])
  })

  it('PutObject: a stream goes as unsigned chunks with a CRC32 trailer', async () => {
    const Bucket = await bench.bucket('locked', { rule })
    const body = randomBytes(300_001)
    const put = { Bucket, Key: 'key', Body: streamOf(body), ContentLength: body.length }
    const answer = await s3().putObject(put)
    expect(sent().headers).toMatchObject({
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'content-encoding': 'aws-chunked',
    })
    expect(answer.ChecksumCRC32).toBe(hex(crc32(body).toString(16).padStart(8, '0')))
    const got = await s3().getObject({ Bucket, Key: 'key', ChecksumMode: 'ENABLED' })
    expect([got.ContentEncoding, got.ChecksumCRC32]).toEqual([undefined, answer.ChecksumCRC32])
    expect((await bytesOf(got)).equals(body)).toBe(true)
  })

  it.each(algorithms)(
    'PutObject: %s of a buffer and of a stream is the value of the catalogue',
    async (name, value) => {
      const Bucket = await bench.bucket('locked', { rule })
      const put = { Bucket, Key: 'key', ChecksumAlgorithm: name }
      for (const more of [{ Body: digits }, { Body: streamOf(Buffer.from(digits)), ContentLength: 9 }]) {
        const answer = await s3().putObject({ ...put, ...more })
        expect(answer[`Checksum${name}`]).toBe(value)
        const head = await s3().headObject({ Bucket, Key: 'key', ChecksumMode: 'ENABLED' })
        expect([head[`Checksum${name}`], head.ChecksumType]).toEqual([value, 'FULL_OBJECT'])
      }
      const large = randomBytes(200_003)
      await s3().putObject({ ...put, Body: streamOf(large), ContentLength: large.length })
      // The SDK compares the checksum itself and throws where it differs.
      const got = await s3().getObject({ Bucket, Key: 'key', ChecksumMode: 'ENABLED' })
      expect(got[`Checksum${name}`]).toBeDefined()
      expect((await bytesOf(got)).equals(large)).toBe(true)
    },
  )

  it.each(algorithms)('PutObject: a wrong %s is BadDigest and leaves nothing', async (name, value) => {
    const Bucket = await bench.bucket('locked', { rule })
    const put = { Bucket, Key: 'key', Body: 'other bytes', [`Checksum${name}`]: value }
    await bench.unchanged(Bucket, async () => {
      expect((await refusedBy(s3().putObject(put))).slice(0, 2)).toEqual([400, 'BadDigest'])
    })
  })

  it('multipart: SHA256 is composite, CRC64NVME is of the full object, both are told', async () => {
    const Bucket = await bench.bucket('locked', { rule })
    const first = Buffer.alloc(5 * 1024 ** 2, 'first')
    const last = Buffer.from('last')
    const whole = Buffer.concat([first, last])
    const digest = (body: Buffer) => createHash('sha256').update(body).digest()
    const composite = digest(Buffer.concat([digest(first), digest(last)])).toString('base64')
    for (const [ChecksumAlgorithm, type] of [
      ['SHA256', 'COMPOSITE'],
      ['CRC64NVME', 'FULL_OBJECT'],
    ] as const) {
      const create = { Bucket, Key: 'key', ChecksumAlgorithm, ChecksumType: type }
      const upload = {
        Bucket,
        Key: 'key',
        UploadId: String((await s3().createMultipartUpload(create)).UploadId),
      }
      const Parts = []
      for (const [index, Body] of [first, last].entries()) {
        const PartNumber = index + 1
        const part = await s3().uploadPart({ ...upload, PartNumber, Body, ChecksumAlgorithm })
        Parts.push({
          PartNumber,
          ETag: part.ETag,
          [`Checksum${ChecksumAlgorithm}`]: part[`Checksum${ChecksumAlgorithm}`],
        })
      }
      await s3().completeMultipartUpload({ ...upload, MultipartUpload: { Parts } })
      const got = await s3().getObject({ Bucket, Key: 'key', ChecksumMode: 'ENABLED' })
      expect((await bytesOf(got)).equals(whole)).toBe(true)
      expect(got.ChecksumType).toBe(type)
      if (ChecksumAlgorithm === 'SHA256') expect(got.ChecksumSHA256).toBe(`${composite}-2`)
      else expect(got.ChecksumCRC64NVME).toMatch(/^[A-Za-z0-9+/]{11}=$/)
    }
  })

  it('multipart: a full-object checksum that is not that of the parts refuses Complete', async () => {
    const Bucket = await bench.bucket('locked', { rule })
    const create = { Bucket, Key: 'key', ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const
    const upload = {
      Bucket,
      Key: 'key',
      UploadId: String((await s3().createMultipartUpload(create)).UploadId),
    }
    const part = await s3().uploadPart({ ...upload, PartNumber: 1, Body: 'bytes' })
    const complete = {
      ...upload,
      ChecksumType: 'FULL_OBJECT' as const,
      ChecksumCRC32: hex('cbf43926'),
      MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 }] },
    }
    await bench.unchanged(Bucket, async () => {
      expect((await refusedBy(s3().completeMultipartUpload(complete))).slice(0, 2)).toEqual([
        400,
        'BadDigest',
      ])
    })
  })
})
