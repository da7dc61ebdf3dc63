import { expect, it } from 'vitest'
import { policyDocument, policyWriterOf, userPrincipal } from '../support/bucket-policy.ts'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketPolicy'])
const writer = accessKey('writer', ['s3:PutBucketPolicy', 's3:GetBucketPolicyStatus'])
const bench = conformance({ accessKeys: [owner, reader, writer] })
const { put } = policyWriterOf(bench, owner)
const get = (bucket: string, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { policy: '' }, key })

it('GetBucketPolicy: the policy byte for byte, as JSON', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  const written = policyDocument(bucket, {
    Principal: userPrincipal(reader),
    Action: 's3:GetObject',
    Sid: 'é 1',
  })
  const text = `${written.slice(0, -1)} \n}`
  expect((await put(bucket, text)).status).toBe(204)
  for (const key of [owner, reader]) {
    const answer = await get(bucket, key)
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([
      200,
      'application/json',
      text,
    ])
  }
})

it('GetBucketPolicy: no policy, no bucket, no permission', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  const answer = await get(bucket)
  expect([...refusal(answer), answer.element('BucketName')]).toEqual([
    404,
    'NoSuchBucketPolicy',
    'The bucket policy does not exist',
    bucket,
  ])
  expect(refusal(await get('no-such-bucket'))).toEqual(refused.noSuchBucket)
  expect(refusal(await get(bucket, writer))).toEqual(refused.forbidden)
})
