import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketOwnershipControls'])
const bench = conformance({ accessKeys: [owner, reader] })
const send = (method: string, bucket: string, key = owner) =>
  bench.send({ method, path: `/${bucket}`, query: { ownershipControls: '' }, key })

it('DeleteBucketOwnershipControls: refused, and BucketOwnerEnforced holds after it', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect(refusal(await send('DELETE', bucket))).toEqual([
    501,
    'NotImplemented',
    'The object ownership of every bucket of this server is BucketOwnerEnforced, and no other is implemented.',
  ])
  expect((await send('GET', bucket)).element('ObjectOwnership')).toBe('BucketOwnerEnforced')
  expect(refusal(await send('DELETE', bucket, reader))).toEqual(refused.forbidden)
})
