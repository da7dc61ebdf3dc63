import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketPublicAccessBlock'])
const writer = accessKey('writer', ['s3:PutBucketPublicAccessBlock'])
const bench = conformance({ accessKeys: [owner, reader, writer] })
const get = (bucket: string, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { publicAccessBlock: '' }, key })

it('GetPublicAccessBlock: all four settings are on, for a new bucket too', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  for (const key of [owner, reader]) {
    const answer = await get(bucket, key)
    const on = (name: string) => `<${name}>true</${name}>`
    expect([answer.status, answer.text]).toEqual([
      200,
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        `${on('BlockPublicAcls')}${on('IgnorePublicAcls')}${on('BlockPublicPolicy')}${on('RestrictPublicBuckets')}` +
        '</PublicAccessBlockConfiguration>',
    ])
  }
  expect(refusal(await get(bucket, writer))).toEqual(refused.forbidden)
})

it('GetPublicAccessBlock: a request without signature reads nothing, whatever the bucket says', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  await bench.put(bucket, 'key', { key: owner })
  for (const path of [`/${bucket}`, `/${bucket}/key`]) {
    expect(refusal(await bench.send({ method: 'GET', path, sign: 'none' }))).toEqual(refused.forbidden)
  }
})
