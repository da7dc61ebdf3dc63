import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketOwnershipControls'])
const writer = accessKey('writer', ['s3:PutBucketOwnershipControls'])
const bench = conformance({ accessKeys: [owner, reader, writer] })
const get = (bucket: string, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { ownershipControls: '' }, key })

it('GetBucketOwnershipControls: BucketOwnerEnforced, for a new bucket too', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  for (const key of [owner, reader]) {
    const answer = await get(bucket, key)
    expect([answer.status, answer.text]).toEqual([
      200,
      '<?xml version="1.0" encoding="UTF-8"?>\n<OwnershipControls xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        '<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>',
    ])
  }
  expect(refusal(await get(bucket, writer))).toEqual(refused.forbidden)
})
