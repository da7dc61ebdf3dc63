import { describe, expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObject'])
const bench = conformance({ accessKeys: [owner, writer] })

const mode = 'x-amz-object-lock-mode'
const date = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'
const future = '2099-01-01T00:00:00Z'

function create(bucket: string, headers: Record<string, string> = {}, more: object = {}) {
  return bench.send({
    method: 'POST',
    path: `/${bucket}/key`,
    query: { uploads: '' },
    headers,
    key: owner,
    ...more,
  })
}

describe('CreateMultipartUpload', () => {
  it('CreateMultipartUpload: bucket, key and an upload id; no version yet', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const answer = await create(bucket)
    expect([answer.status, answer.element('Bucket'), answer.element('Key')]).toEqual([200, bucket, 'key'])
    expect(answer.element('UploadId')).toMatch(/^[A-Za-z0-9._-]+$/)
    expect(refusal(await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner }))).toEqual(
      refused.noSuchKey,
    )
  })

  it('[Choice.12] CreateMultipartUpload: lock headers need no checksum here', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    expect((await create(bucket, { [mode]: 'COMPLIANCE', [date]: future, [hold]: 'ON' })).status).toBe(200)
  })

  const both = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
  it.each([
    ['mode alone', { [mode]: 'GOVERNANCE' }, both],
    ['unknown mode', { [mode]: 'X', [date]: future }, 'Unknown wormMode directive.'],
    [
      'no date',
      { [mode]: 'GOVERNANCE', [date]: 'x' },
      'The retain until date must be provided in ISO 8601 format',
    ],
    [
      'a past date',
      { [mode]: 'GOVERNANCE', [date]: '2020-01-01T00:00:00Z' },
      'The retain until date must be in the future!',
    ],
    ['a bad hold', { [hold]: 'x' }, "Legal Hold must be either of 'ON' or 'OFF'"],
  ])(
    '[CreateMultipartUpload.1] CreateMultipartUpload: %s is InvalidArgument and no upload begins',
    async (_name, headers, message) => {
      const bucket = await bench.bucket('locked', { key: owner })
      const answer = await bench.unchanged(bucket, () => create(bucket, headers))
      expect(refusal(answer)).toEqual([400, 'InvalidArgument', message])
    },
  )

  it('[CreateMultipartUpload.2] CreateMultipartUpload: lock headers into a bucket without lock are E5', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    const answer = await bench.unchanged(bucket, () => create(bucket, { [hold]: 'OFF' }))
    expect(refusal(answer)).toEqual(refused.bucketLockMissingForHeaders)
  })

  it.each([
    ['retention', { [mode]: 'GOVERNANCE', [date]: future }],
    ['hold', { [hold]: 'ON' }],
  ])(
    '[CreateMultipartUpload.3] CreateMultipartUpload: a %s header needs its own permission (B-36)',
    async (_name, headers) => {
      const bucket = await bench.bucket('locked', { key: owner })
      const answer = await bench.unchanged(bucket, () => create(bucket, headers, { key: writer }))
      expect(refusal(answer)).toEqual(refused.forbidden)
      expect((await create(bucket, {}, { key: writer })).status).toBe(200)
    },
  )

  it.each([
    [{ 'x-amz-checksum-algorithm': 'CRC32' }, 'COMPOSITE'],
    [{ 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' }, 'FULL_OBJECT'],
    [{ 'x-amz-checksum-algorithm': 'CRC64NVME' }, 'FULL_OBJECT'],
    [{ 'x-amz-checksum-algorithm': 'SHA256' }, 'COMPOSITE'],
  ])('CreateMultipartUpload: %j is answered with type %s', async (headers: Record<string, string>, type) => {
    const answer = await create(await bench.bucket('enabled', { key: owner }), headers)
    expect([answer.status, answer.headers['x-amz-checksum-type']]).toEqual([200, type])
  })

  it.each([
    { 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-type': 'FULL_OBJECT' },
    { 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' },
    { 'x-amz-checksum-algorithm': 'MD5' },
    { 'x-amz-checksum-type': 'COMPOSITE' },
  ])('CreateMultipartUpload: %j is InvalidRequest', async (headers: Record<string, string>) => {
    const answer = await create(await bench.bucket('enabled', { key: owner }), headers)
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })
})
