import { expect, it } from 'vitest'
import { policyWriterOf, userPrincipal } from '../support/bucket-policy.ts'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const remover = accessKey('remover', ['s3:DeleteBucketPolicy'])
const writer = accessKey('writer', ['s3:PutBucketPolicy', 's3:GetBucketPolicy'])
const bench = conformance({ accessKeys: [owner, remover, writer] })
const { putPolicy } = policyWriterOf(bench, owner)
const remove = (bucket: string, key = owner) =>
  bench.send({ method: 'DELETE', path: `/${bucket}`, query: { policy: '' }, key })

it('DeleteBucketPolicy: the policy is gone and with it what it allowed; again is 204', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  await bench.put(bucket, 'key', { key: owner })
  const read = () => bench.send({ method: 'GET', path: `/${bucket}/key`, key: writer })
  await putPolicy(bucket, { Principal: userPrincipal(writer), Action: 's3:GetObject' })
  expect((await read()).text).toBe('bytes')
  expect(refusal(await remove(bucket, writer))).toEqual(refused.forbidden)
  expect((await read()).text).toBe('bytes')
  for (let turn = 0; turn < 2; turn += 1) {
    const answer = await remove(bucket, remover)
    expect([answer.status, answer.text]).toEqual([204, ''])
  }
  expect(refusal(await read())).toEqual(refused.forbidden)
  const stored = await bench.send({ method: 'GET', path: `/${bucket}`, query: { policy: '' }, key: owner })
  expect(stored.code).toBe('NoSuchBucketPolicy')
})

it('DeleteBucketPolicy: a bucket of the same name made anew has no policy', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  await putPolicy(bucket, { Effect: 'Deny', Principal: '*', Action: 's3:GetObject' })
  expect((await bench.send({ method: 'DELETE', path: `/${bucket}`, key: owner })).status).toBe(204)
  expect((await bench.send({ method: 'PUT', path: `/${bucket}`, key: owner })).status).toBe(200)
  await bench.put(bucket, 'key', { key: owner })
  expect((await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })).text).toBe('bytes')
})
