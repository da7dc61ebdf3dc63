import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'
import { begin, complete, mebibyte, type Upload } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject'])
const bench = conformance({ accessKeys: [owner, writer] })

type Copy = {
  readonly partNumber: number
  readonly source: string
  readonly headers?: Record<string, string>
}

function copyPart({ bucket, uploadId }: Upload, { partNumber, source, headers = {} }: Copy, key = owner) {
  return bench.send({
    method: 'PUT',
    path: `/${bucket}/key`,
    query: { partNumber: String(partNumber), uploadId },
    headers: { 'x-amz-copy-source': source, ...headers },
    key,
  })
}
const range = (value: string) => ({ 'x-amz-copy-source-range': value })

it('[UploadPartCopy.1] UploadPartCopy: ranges of a locked version, whose lock is neither changed nor copied', async () => {
  const bucket = await bench.bucket('locked', { key: owner })
  const body = randomBytes(6 * mebibyte)
  const versionId = await bench.put(bucket, 'source', { key: owner, body })
  const target = { bucket, key: 'source', versionId }
  await bench.retain(target, 'COMPLIANCE', bench.inDays(1), { key: owner })
  const lock = { method: 'GET', path: `/${bucket}/source`, query: { retention: '', versionId }, key: owner }
  const before = (await bench.send(lock)).text
  const upload = await begin(bench, { bucket, signer: owner })
  const source = `${bucket}/source?versionId=${versionId}`
  const first = await copyPart(upload, { partNumber: 1, source, headers: range('bytes=0-5242879') })
  const second = await copyPart(upload, { partNumber: 2, source, headers: range('bytes=5242880-6291455') })
  expect([first.status, first.headers['x-amz-copy-source-version-id']]).toEqual([200, versionId])
  const parts = [first, second].map((answer, index) => ({
    partNumber: index + 1,
    etag: answer.element('ETag') ?? '',
  }))
  expect((await complete(bench, upload, parts)).status).toBe(200)
  const got = await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })
  expect([got.body.equals(body), got.headers['x-amz-object-lock-mode']]).toEqual([true, undefined])
  expect((await bench.send(lock)).text).toBe(before)
})

it('UploadPartCopy: the whole source, with the checksum of the upload', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await bench.put(bucket, 'source', { key: owner, body: '123456789' })
  const upload = await begin(bench, { bucket, signer: owner }, { 'x-amz-checksum-algorithm': 'CRC32' })
  const answer = await copyPart(upload, { partNumber: 1, source: `${bucket}/source` })
  expect([answer.status, answer.element('ChecksumCRC32')]).toEqual([200, 'y/Q5Jg=='])
})

it.each(['bytes=0-', 'bytes=-1', 'bytes=3-1', 'bytes=0-9', '0-1', 'bytes=0-1,3-4'])(
  'UploadPartCopy: the range %s of five bytes is InvalidArgument',
  async (value) => {
    const bucket = await bench.bucket('enabled', { key: owner })
    await bench.put(bucket, 'source', { key: owner })
    const upload = await begin(bench, { bucket, signer: owner })
    const copy = { partNumber: 1, source: `${bucket}/source`, headers: range(value) }
    const answer = await bench.unchanged(bucket, () => copyPart(upload, copy))
    expect([answer.status, answer.code]).toEqual([400, 'InvalidArgument'])
  },
)

it('[UploadPartCopy.1] UploadPartCopy: missing source, missing upload, missing right to read', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await bench.put(bucket, 'source', { key: owner })
  const upload = await begin(bench, { bucket, signer: owner })
  const source = `${bucket}/source`
  expect((await copyPart(upload, { partNumber: 1, source: `${bucket}/none` })).code).toBe('NoSuchKey')
  expect((await copyPart({ ...upload, uploadId: 'UNKNOWN' }, { partNumber: 1, source })).code).toBe(
    'NoSuchUpload',
  )
  expect(refusal(await copyPart(upload, { partNumber: 1, source }, writer))).toEqual(refused.forbidden)
})
