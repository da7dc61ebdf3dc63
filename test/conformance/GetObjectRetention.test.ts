import { describe, expect, it } from 'vitest'
import { accessKey, conformance, dayMs, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', [
  's3:GetObject',
  's3:GetObjectVersion',
  's3:GetObjectLegalHold',
  's3:ListBucket',
])
const bench = conformance({ accessKeys: [owner, reader] })

function get(bucket: string, more: object = {}, key = 'key') {
  return bench.send({
    method: 'GET',
    path: `/${bucket}/${key}`,
    query: { retention: '' },
    key: owner,
    ...more,
  })
}
const version = (versionId: string) => ({ query: { retention: '', versionId } })

describe('GetObjectRetention', () => {
  it('[GetObjectRetention.1] [Format.9] GetObjectRetention: mode and date as they were set, to the millisecond', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    const versionId = await bench.put(bucket, 'key', { key: owner })
    await bench.retain({ bucket, key: 'key' }, 'GOVERNANCE', '2099-01-01T00:00:00.0010001Z', { key: owner })
    const answer = await get(bucket, version(versionId))
    expect([answer.status, answer.element('Mode'), answer.element('RetainUntilDate')]).toEqual([
      200,
      'GOVERNANCE',
      '2099-01-01T00:00:00.002Z',
    ])
  })

  it('[GetObjectRetention.2] [GetObjectRetention.5] [Choice.2] GetObjectRetention: never set is 404 E3; after expiry it is still shown', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    expect(refusal(await get(bucket))).toEqual(refused.noObjectLock)
    await bench.retain({ bucket, key: 'key' }, 'COMPLIANCE', bench.inDays(1), { key: owner })
    const before = await get(bucket)
    bench.server().advance(2 * dayMs)
    expect((await get(bucket)).text).toBe(before.text)
  })

  it('[GetObjectRetention.7] GetObjectRetention: after an empty Retention with bypass it is 404 E3', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    await bench.retain({ bucket, key: 'key' }, 'GOVERNANCE', bench.inDays(1), { key: owner })
    const removed = await bench.document({
      method: 'PUT',
      path: `/${bucket}/key`,
      query: { retention: '' },
      body: '<Retention/>',
      headers: { 'x-amz-bypass-governance-retention': 'true' },
      key: owner,
    })
    expect(removed.status).toBe(200)
    expect(refusal(await get(bucket))).toEqual(refused.noObjectLock)
    const { headers } = await bench.send({ method: 'HEAD', path: `/${bucket}/key`, key: owner })
    expect(headers['x-amz-object-lock-mode']).toBeUndefined()
  })

  it('[GetObjectRetention.3] [Choice.7] GetObjectRetention: a bucket without lock is 400 E4, but a missing object comes first', async () => {
    const bucket = await bench.bucket('enabled', { key: owner })
    expect(refusal(await get(bucket))).toEqual(refused.noSuchKey)
    await bench.put(bucket, 'key', { key: owner })
    expect(refusal(await get(bucket))).toEqual(refused.bucketLockMissing)
    expect(refusal(await get(bucket, version('ABC')))).toEqual(refused.noSuchVersion)
  })

  it('[GetObjectRetention.4] [Choice.6] GetObjectRetention: a delete marker is 404 as current version and 405 by its id', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
    expect(refusal(await get(bucket))).toEqual(refused.noSuchKey)
    const byId = await get(bucket, version(String(marker.headers['x-amz-version-id'])))
    expect([...refusal(byId), byId.element('ResourceType')]).toEqual([
      ...refused.deleteMarker,
      'DeleteMarker',
    ])
  })

  it('[Choice.16] GetObjectRetention: malformed and empty version ids are 400', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    expect(refusal(await get(bucket, version('a-b')))).toEqual(refused.badVersionId)
    expect(refusal(await get(bucket, version('')))).toEqual(refused.emptyVersionId)
  })

  it('[GetObjectRetention.6] GetObjectRetention: other permissions do not stand for it', async () => {
    const bucket = await bench.bucket('locked', { key: owner })
    await bench.put(bucket, 'key', { key: owner })
    expect(refusal(await get(bucket, { key: reader }))).toEqual(refused.forbidden)
  })
})
