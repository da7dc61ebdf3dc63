import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetEncryptionConfiguration'])
const other = accessKey('other', ['s3:GetObject'])
const bench = conformance({ accessKeys: [owner, reader, other] })
const get = (bucket: string, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { encryption: '' }, key })

it('GetBucketEncryption: there is none, and none is pretended', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  for (const key of [owner, reader]) {
    const answer = await get(bucket, key)
    expect([...refusal(answer), answer.element('BucketName')]).toEqual([
      404,
      'ServerSideEncryptionConfigurationNotFoundError',
      'The server side encryption configuration was not found',
      bucket,
    ])
  }
  expect(refusal(await get(bucket, other))).toEqual(refused.forbidden)
})

it('GetBucketEncryption: setting it is refused by name', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  const body =
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>' +
    '</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'
  const answer = await bench.send({
    method: 'PUT',
    path: `/${bucket}`,
    query: { encryption: '' },
    body,
    key: owner,
  })
  expect(refusal(answer)).toEqual([
    501,
    'NotImplemented',
    'PutBucketEncryption is not implemented by this server.',
  ])
})
