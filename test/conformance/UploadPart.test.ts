import { describe, expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal } from '../support/conformance.ts'
import { addPart, begin, sendPart } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const bench = conformance({ accessKeys: [owner] })

async function upload(headers: Record<string, string> = {}, rule?: string) {
  const bucket = await bench.bucket('locked', { key: owner, ...(rule === undefined ? {} : { rule }) })
  return begin(bench, { bucket, signer: owner }, headers)
}
const partTexts = async ({ bucket, uploadId }: Awaited<ReturnType<typeof upload>>) =>
  (await bench.send({ method: 'GET', path: `/${bucket}/key`, query: { uploadId }, key: owner })).text

describe('UploadPart', () => {
  it('UploadPart: the ETag is the MD5; the same number again replaces the part', async () => {
    const target = await upload()
    await addPart(bench, target, { partNumber: 1, body: 'first' })
    const part = await addPart(bench, target, { partNumber: 1, body: 'second' })
    expect(part.etag).toBe('"a9f0e61a137d86aa9db53465e0801612"')
    const text = await partTexts(target)
    expect([...text.matchAll(/<ETag>(.*?)<\/ETag>/g)].map((found) => found[1])).toEqual([
      '&quot;a9f0e61a137d86aa9db53465e0801612&quot;',
    ])
  })

  it.each(['0', '10001', 'x', '-1', '1.5', ''])(
    'UploadPart: partNumber %j is InvalidArgument',
    async (partNumber) => {
      const { bucket, uploadId } = await upload()
      const answer = await bench.send({
        method: 'PUT',
        path: `/${bucket}/key`,
        query: { partNumber, uploadId },
        body: 'x',
        key: owner,
      })
      expect(refusal(answer)).toEqual([
        400,
        'InvalidArgument',
        'Part number must be an integer between 1 and 10000, inclusive',
      ])
    },
  )

  it('UploadPart: an unknown upload, or one of another key, is NoSuchUpload', async () => {
    const target = await upload()
    for (const wrong of [{ uploadId: 'UNKNOWN' }, { key: 'other' }]) {
      const answer = await sendPart(bench, { ...target, ...wrong }, { partNumber: 1, body: 'x' })
      expect([answer.status, answer.code]).toEqual([404, 'NoSuchUpload'])
    }
  })

  it('UploadPart: a partNumber or an uploadId alone is no operation', async () => {
    const { bucket, uploadId } = await upload()
    for (const query of [{ partNumber: '1' }, { uploadId }]) {
      const request = { method: 'PUT', path: `/${bucket}/key`, query, body: 'x', key: owner }
      expect((await bench.unchanged(bucket, () => bench.send(request))).status).toBe(405)
    }
  })

  it('[Choice.13] UploadPart: a wrong Content-MD5 or checksum is BadDigest and the part is not there', async () => {
    const target = await upload({ 'x-amz-checksum-algorithm': 'CRC32' })
    const before = await partTexts(target)
    for (const headers of [
      { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' },
      { 'x-amz-checksum-crc32': 'AAAAAA==' },
    ]) {
      const answer = await sendPart(bench, target, { partNumber: 1, body: 'x', headers })
      expect([answer.status, answer.code]).toEqual([400, 'BadDigest'])
    }
    const other = await sendPart(bench, target, {
      partNumber: 1,
      body: 'x',
      headers: { 'x-amz-checksum-crc32c': 'AAAAAA==' },
    })
    expect([other.status, other.code]).toEqual([400, 'InvalidRequest'])
    expect(await partTexts(target)).toBe(before)
  })

  it('UploadPart: the checksum of the upload is counted where the part brings none', async () => {
    const target = await upload({ 'x-amz-checksum-algorithm': 'CRC32' })
    await addPart(bench, target, { partNumber: 1, body: '123456789' })
    const listed = await bench.send({
      method: 'GET',
      path: `/${target.bucket}/key`,
      query: { uploadId: target.uploadId },
      key: owner,
    })
    expect(elements(listed, 'ChecksumCRC32')).toEqual(['y/Q5Jg=='])
  })

  const message =
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters'
  it.each([
    [
      'retention',
      {
        'x-amz-object-lock-mode': 'GOVERNANCE',
        'x-amz-object-lock-retain-until-date': '2099-01-01T00:00:00Z',
      },
      undefined,
    ],
    ['a hold', { 'x-amz-object-lock-legal-hold': 'ON' }, undefined],
    ['a default rule', {}, '<Mode>GOVERNANCE</Mode><Days>1</Days>'],
  ])(
    '[UploadPart.1] [Choice.12] UploadPart: %s, a part without any checksum is refused',
    async (_name, headers, rule) => {
      const { bucket, uploadId } = await upload(headers, rule)
      const request = {
        method: 'PUT',
        path: `/${bucket}/key`,
        query: { partNumber: '1', uploadId },
        body: 'x',
        key: owner,
      }
      expect(refusal(await bench.unchanged(bucket, () => bench.send(request)))).toEqual([
        400,
        'InvalidRequest',
        message,
      ])
    },
  )
})
