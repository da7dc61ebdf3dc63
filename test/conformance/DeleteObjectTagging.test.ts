import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const deleter = accessKey('deleter', ['s3:DeleteObject', 's3:PutObjectTagging'])
const bench = conformance({ accessKeys: [owner, deleter] })

const remove = (bucket: string, query: Record<string, string> = {}, key = owner) =>
  bench.send({ method: 'DELETE', path: `/${bucket}/key`, query: { tagging: '', ...query }, key })

it('DeleteObjectTagging: the tags go, the version stays', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  const versionId = await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-tagging': 'a=1' } })
  const answer = await remove(bucket)
  expect([answer.status, answer.headers['x-amz-version-id']]).toEqual([204, versionId])
  const got = await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })
  expect([got.text, got.headers['x-amz-tagging-count']]).toEqual(['bytes', undefined])
})

it('DeleteObjectTagging: other permissions do not stand for it', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-tagging': 'a=1' } })
  expect(refusal(await bench.unchanged(bucket, () => remove(bucket, {}, deleter)))).toEqual(refused.forbidden)
})
