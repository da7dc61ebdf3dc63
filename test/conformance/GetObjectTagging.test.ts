import { expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject', 's3:GetObjectTagging', 's3:ListBucket'])
const bench = conformance({ accessKeys: [owner, reader] })

const get = (bucket: string, query: Record<string, string> = {}, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}/key`, query: { tagging: '', ...query }, key })

it('GetObjectTagging: the tags, or an empty set', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await bench.put(bucket, 'key', { key: owner })
  const empty = await get(bucket)
  expect([empty.status, empty.text.includes('<TagSet></TagSet>')]).toEqual([200, true])
  await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-tagging': 'a=1' } })
  expect(elements(await get(bucket), 'Key')).toEqual(['a'])
})

it('GetObjectTagging: missing key, delete marker, and the permission of a version', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.noSuchKey)
  const versionId = await bench.put(bucket, 'key', { key: owner })
  expect((await get(bucket, {}, reader)).status).toBe(200)
  expect(refusal(await get(bucket, { versionId }, reader))).toEqual(refused.forbidden)
  const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.noSuchKey)
  const markerId = String(marker.headers['x-amz-version-id'])
  expect(refusal(await get(bucket, { versionId: markerId }))).toEqual(refused.deleteMarker)
})

it('[GetObjectTagging.1] GetObjectTagging: a locked version, its tags and no word of the lock', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-tagging': 'a=1' } })
  const answer = await get(bucket)
  expect([answer.status, elements(answer, 'Key')]).toEqual([200, ['a']])
  expect(answer.text).not.toMatch(/lock|retain|COMPLIANCE/i)
  expect(Object.keys(answer.headers).filter((name) => name.includes('lock'))).toEqual([])
})
