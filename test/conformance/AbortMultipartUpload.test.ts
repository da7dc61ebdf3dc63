import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'
import { addPart, begin, complete, sendPart } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject', 's3:DeleteObject'])
const bench = conformance({ accessKeys: [owner, writer] })

const abort = (bucket: string, uploadId: string, key = owner) =>
  bench.send({ method: 'DELETE', path: `/${bucket}/key`, query: { uploadId }, key })

it('[AbortMultipartUpload.1] AbortMultipartUpload: always allowed, also with a lock at Create; versions stay as they are', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner })
  const locked = await bench.unchanged(bucket, async () => {
    const headers = { 'x-amz-object-lock-legal-hold': 'ON' }
    const upload = await begin(bench, { bucket, signer: owner }, headers)
    const part = await addPart(bench, upload, { partNumber: 1, body: 'part' })
    const answer = await abort(bucket, upload.uploadId)
    expect([answer.status, answer.text]).toEqual([204, ''])
    return { upload, part }
  })
  const completed = await complete(bench, locked.upload, [locked.part])
  expect([completed.status, completed.code]).toEqual([404, 'NoSuchUpload'])
  expect((await sendPart(bench, locked.upload, { partNumber: 2, body: 'x' })).code).toBe('NoSuchUpload')
  expect((await abort(bucket, locked.upload.uploadId)).code).toBe('NoSuchUpload')
})

it('AbortMultipartUpload: needs its own permission, not s3:PutObject nor s3:DeleteObject', async () => {
  const bucket = await bench.bucket('locked', { key: owner })
  const { uploadId } = await begin(bench, { bucket, signer: owner })
  expect(refusal(await bench.unchanged(bucket, () => abort(bucket, uploadId, writer)))).toEqual(
    refused.forbidden,
  )
})

it('AbortMultipartUpload: never removes a version, even with versionId in the query', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const versionId = await bench.put(bucket, 'key', { key: owner })
  const attempt = () =>
    bench.send({
      method: 'DELETE',
      path: `/${bucket}/key`,
      query: { uploadId: 'UNKNOWN', versionId },
      key: owner,
    })
  expect((await bench.unchanged(bucket, attempt)).code).toBe('InvalidArgument')
})
