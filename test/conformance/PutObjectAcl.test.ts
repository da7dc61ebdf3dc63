import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutObjectAcl', 's3:ListBucket'])
const bench = conformance({ accessKeys: [owner, writer] })

const put = (bucket: string, acl: string, query: Record<string, string> = {}, key = owner) =>
  bench.send({
    method: 'PUT',
    path: `/${bucket}/key`,
    query: { acl: '', ...query },
    headers: { 'x-amz-acl': acl },
    key,
  })

it('[PutObjectAcl.1] PutObjectAcl: what holds anyway is 200 on a locked version, anything else is refused', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  const versionId = await bench.put(bucket, 'key', { key: owner })
  await bench.unchanged(bucket, async () => {
    const taken = await put(bucket, 'bucket-owner-full-control')
    expect([taken.status, taken.headers['x-amz-version-id']]).toEqual([200, versionId])
    const open = await put(bucket, 'public-read', { versionId })
    expect([open.status, open.code]).toEqual([400, 'AccessControlListNotSupported'])
  })
})

it('PutObjectAcl: missing key, delete marker, and the permission of a version', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect(refusal(await put(bucket, 'private'))).toEqual(refused.noSuchKey)
  const versionId = await bench.put(bucket, 'key', { key: owner })
  expect((await put(bucket, 'private', {}, writer)).status).toBe(200)
  expect(refusal(await put(bucket, 'private', { versionId }, writer))).toEqual(refused.forbidden)
  const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
  const markerId = String(marker.headers['x-amz-version-id'])
  expect(refusal(await put(bucket, 'private', { versionId: markerId }))).toEqual(refused.deleteMarker)
  expect(refusal(await put(bucket, 'private', { versionId: 'x-y' }))).toEqual(refused.badVersionId)
})
