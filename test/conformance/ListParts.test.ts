import { expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'
import { addPart, begin } from '../support/multipart.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject', 's3:ListBucket'])
const bench = conformance({ accessKeys: [owner, writer] })

async function upload() {
  const bucket = await bench.bucket('enabled', { key: owner })
  const target = await begin(bench, { bucket, signer: owner }, { 'x-amz-checksum-algorithm': 'CRC32' })
  for (const partNumber of [10, 2, 7])
    await addPart(bench, target, { partNumber, body: 'x'.repeat(partNumber) })
  return target
}
function list({ bucket, uploadId }: { bucket: string; uploadId: string }, query: object = {}, key = owner) {
  return bench.send({ method: 'GET', path: `/${bucket}/key`, query: { uploadId, ...query }, key })
}

it('ListParts: in the order of their numbers, with sizes, checksums and owner', async () => {
  const target = await upload()
  const answer = await list(target)
  expect([answer.status, elements(answer, 'PartNumber'), elements(answer, 'Size')]).toEqual([
    200,
    ['2', '7', '10'],
    ['2', '7', '10'],
  ])
  expect([
    answer.element('UploadId'),
    answer.element('IsTruncated'),
    answer.element('ChecksumAlgorithm'),
  ]).toEqual([target.uploadId, 'false', 'CRC32'])
  expect(elements(answer, 'ChecksumCRC32').length).toBe(3)
  expect(elements(answer, 'ID')).toEqual([owner.accountId, owner.accountId])
})

it('ListParts: pages by max-parts and part-number-marker', async () => {
  const target = await upload()
  const first = await list(target, { 'max-parts': '2' })
  expect([
    elements(first, 'PartNumber'),
    first.element('IsTruncated'),
    first.element('NextPartNumberMarker'),
  ]).toEqual([['2', '7'], 'true', '7'])
  const second = await list(target, { 'max-parts': '2', 'part-number-marker': '7' })
  expect([elements(second, 'PartNumber'), second.element('IsTruncated')]).toEqual([['10'], 'false'])
})

it('ListParts: an unknown upload is NoSuchUpload, a bad page size InvalidArgument', async () => {
  const target = await upload()
  expect((await list({ ...target, uploadId: 'UNKNOWN' })).code).toBe('NoSuchUpload')
  expect((await list(target, { 'max-parts': 'x' })).code).toBe('InvalidArgument')
})

it('ListParts: needs its own permission', async () => {
  expect(refusal(await list(await upload(), {}, writer))).toEqual(refused.forbidden)
})
