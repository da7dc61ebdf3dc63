import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketOwnershipControls'])
const bench = conformance({ accessKeys: [owner, reader] })

const document = (ownership: string) =>
  `<OwnershipControls><Rule><ObjectOwnership>${ownership}</ObjectOwnership></Rule></OwnershipControls>`
const send = (method: string, bucket: string, body = '', key = owner) =>
  bench.send({ method, path: `/${bucket}`, query: { ownershipControls: '' }, body, key })

it('PutBucketOwnershipControls: BucketOwnerEnforced is taken, and stays whatever is asked for', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect((await send('PUT', bucket, document('BucketOwnerEnforced'))).status).toBe(200)
  const refusals = [
    await send('PUT', bucket, document('ObjectWriter')),
    await send('PUT', bucket, document('BucketOwnerPreferred')),
  ]
  for (const answer of refusals) {
    expect(refusal(answer)).toEqual([
      501,
      'NotImplemented',
      'The object ownership of every bucket of this server is BucketOwnerEnforced, and no other is implemented.',
    ])
  }
  const answer = await send('GET', bucket, '', reader)
  expect([answer.status, answer.element('ObjectOwnership')]).toEqual([200, 'BucketOwnerEnforced'])
})

it('PutBucketOwnershipControls: documents that are none, and keys without the permission', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  for (const body of ['', '<OwnershipControls/>', document('Mine')]) {
    expect(refusal(await send('PUT', bucket, body))).toEqual(refused.malformed)
  }
  expect(refusal(await send('PUT', bucket, document('BucketOwnerEnforced'), reader))).toEqual(
    refused.forbidden,
  )
})
