import { expect, it } from 'vitest'
import { accessKey, accountId, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObjectAcl', 's3:ListBucket'])
const bench = conformance({ accessKeys: [owner, reader] })

const get = (bucket: string, query: Record<string, string> = {}, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}/key`, query: { acl: '', ...query }, key })

it('GetObjectAcl: the owner with FULL_CONTROL and nobody else', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const versionId = await bench.put(bucket, 'key', { key: owner })
  const answer = await get(bucket, {}, reader)
  expect([answer.status, answer.headers['x-amz-version-id']]).toEqual([200, versionId])
  expect([answer.element('ID'), answer.element('Permission')]).toEqual([accountId, 'FULL_CONTROL'])
  expect(answer.text.match(/<Grant>/g)).toHaveLength(1)
  expect(refusal(await get(bucket, { versionId }, reader))).toEqual(refused.forbidden)
})

it('[GetObjectAcl.1] GetObjectAcl: a locked version, no word of the lock', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-object-lock-legal-hold': 'ON' } })
  const answer = await get(bucket)
  expect(answer.status).toBe(200)
  expect(`${answer.text}${Object.keys(answer.headers)}`).not.toMatch(/lock|hold|retain|COMPLIANCE/i)
})

it('GetObjectAcl: a missing key and a missing version', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect(refusal(await get(bucket))).toEqual(refused.noSuchKey)
  await bench.put(bucket, 'key', { key: owner })
  expect(refusal(await get(bucket, { versionId: 'abcdef' }))).toEqual(refused.noSuchVersion)
})
