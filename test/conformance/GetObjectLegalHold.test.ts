import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject', 's3:GetObjectRetention', 's3:PutObjectLegalHold'])
const bench = conformance({ accessKeys: [owner, reader] })

function get(bucket: string, more: object = {}) {
  return bench.send({
    method: 'GET',
    path: `/${bucket}/key`,
    query: { 'legal-hold': '' },
    key: owner,
    ...more,
  })
}

it('[GetObjectLegalHold.1] [Choice.2] GetObjectLegalHold: never set is 404 E3, after ON is ON, after OFF is OFF', async () => {
  const bucket = await bench.bucket('locked', { key: owner })
  await bench.put(bucket, 'key', { key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.noObjectLock)
  for (const status of ['ON', 'OFF']) {
    await bench.hold({ bucket, key: 'key' }, status, { key: owner })
    const answer = await get(bucket)
    expect([answer.status, answer.element('Status')]).toEqual([200, status])
  }
})

it('[GetObjectLegalHold.1] GetObjectLegalHold: a retention alone is no hold', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.noObjectLock)
})

it('[GetObjectLegalHold.3] [Choice.7] GetObjectLegalHold: the object comes before the lock of the bucket', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.noSuchKey)
  await bench.put(bucket, 'key', { key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.bucketLockMissing)
})

it('[GetObjectLegalHold.4] GetObjectLegalHold: a delete marker is 404 as current version and 405 by its id', async () => {
  const bucket = await bench.bucket('locked', { key: owner })
  const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.noSuchKey)
  const query = { 'legal-hold': '', versionId: String(marker.headers['x-amz-version-id']) }
  expect(refusal(await get(bucket, { query }))).toEqual(refused.deleteMarker)
})

it('[GetObjectLegalHold.2] GetObjectLegalHold: other permissions do not stand for it', async () => {
  const bucket = await bench.bucket('locked', { key: owner })
  await bench.put(bucket, 'key', { key: owner })
  expect(refusal(await get(bucket, { key: reader }))).toEqual(refused.forbidden)
})
