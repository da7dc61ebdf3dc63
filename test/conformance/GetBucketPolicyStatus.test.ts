import { expect, it } from 'vitest'
import { policyWriterOf } from '../support/bucket-policy.ts'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketPolicyStatus'])
const other = accessKey('other', ['s3:GetBucketPolicy'])
const bench = conformance({ accessKeys: [owner, reader, other] })
const { putPolicy } = policyWriterOf(bench, owner)
const status = (bucket: string, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { policyStatus: '' }, key })

it('GetBucketPolicyStatus: a policy is not public, as public ones are not taken', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:GetObject' })
  for (const key of [owner, reader]) {
    const answer = await status(bucket, key)
    expect([answer.status, answer.element('IsPublic')]).toEqual([200, 'false'])
  }
})

it('GetBucketPolicyStatus: no policy, and no permission', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect((await status(bucket)).code).toBe('NoSuchBucketPolicy')
  expect(refusal(await status(bucket, other))).toEqual(refused.forbidden)
})
