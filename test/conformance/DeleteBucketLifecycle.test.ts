import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutLifecycleConfiguration'])
const other = accessKey('other', ['s3:GetLifecycleConfiguration', 's3:DeleteBucket', 's3:DeleteObject'])
const bench = conformance({ accessKeys: [owner, writer, other] })

const body =
  '<LifecycleConfiguration><Rule><Filter></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>'
const target = (bucket: string) => ({ path: `/${bucket}`, query: { lifecycle: '' } })
const put = (bucket: string) => bench.document({ method: 'PUT', ...target(bucket), body, key: owner })
const get = (bucket: string) => bench.send({ method: 'GET', ...target(bucket), key: owner })

it('DeleteBucketLifecycle: 204, and there is none any more; again 204', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect((await put(bucket)).status).toBeLessThan(300)
  for (let round = 0; round < 2; round += 1) {
    const answer = await bench.send({ method: 'DELETE', ...target(bucket), key: writer })
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect((await get(bucket)).code).toBe('NoSuchLifecycleConfiguration')
  }
})

it('[DeleteBucketLifecycle.1] DeleteBucketLifecycle: a bucket with Object Lock, 204 and its locks stay', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner })
  await put(bucket)
  await bench.unchanged(bucket, async () => {
    const answer = await bench.send({ method: 'DELETE', ...target(bucket), key: writer })
    expect([answer.status, answer.text]).toEqual([204, ''])
  })
  expect((await get(bucket)).code).toBe('NoSuchLifecycleConfiguration')
})

it('DeleteBucketLifecycle: needs the permission of the PUT and no other', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await put(bucket)
  const answer = await bench.send({ method: 'DELETE', ...target(bucket), key: other })
  expect(refusal(answer)).toEqual(refused.forbidden)
  expect((await get(bucket)).status).toBe(200)
})

it('DeleteBucketLifecycle: a bucket of the same name that is made later has none', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await put(bucket)
  await bench.send({ method: 'DELETE', path: `/${bucket}`, key: owner })
  await bench.send({ method: 'PUT', path: `/${bucket}`, key: owner })
  expect((await get(bucket)).code).toBe('NoSuchLifecycleConfiguration')
})
