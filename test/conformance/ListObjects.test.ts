import { expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject'])
const bench = conformance({ accessKeys: [owner, reader] })

const list = (bucket: string, query: Record<string, string> = {}, key = owner) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query, key })

async function filled() {
  const bucket = await bench.bucket('enabled', { key: owner })
  for (const key of ['a', 'b/1', 'b/2', 'c']) await bench.put(bucket, key, { key: owner })
  return bucket
}

it('ListObjects: keys in byte order with their owner', async () => {
  const answer = await list(await filled())
  expect([answer.status, elements(answer, 'Key'), answer.element('Marker')]).toEqual([
    200,
    ['a', 'b/1', 'b/2', 'c'],
    '',
  ])
  expect(elements(answer, 'ID')).toEqual(Array(4).fill(owner.accountId))
  expect(answer.text).not.toContain('NextMarker')
})

it('[ListObjects.1] ListObjects: a locked version, no word of the lock', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-object-lock-legal-hold': 'ON' } })
  const answer = await list(bucket)
  expect(elements(answer, 'Key')).toEqual(['key'])
  expect(answer.text).not.toMatch(/lock|hold|retain|COMPLIANCE/i)
})

it('ListObjects: with a delimiter NextMarker leads on, over a common prefix as well', async () => {
  const bucket = await filled()
  const first = await list(bucket, { delimiter: '/', 'max-keys': '2' })
  expect([elements(first, 'Key'), first.element('IsTruncated'), first.element('NextMarker')]).toEqual([
    ['a'],
    'true',
    'b/',
  ])
  const second = await list(bucket, { delimiter: '/', 'max-keys': '2', marker: 'b/' })
  expect([elements(second, 'Key'), second.element('IsTruncated')]).toEqual([['c'], 'false'])
})

it('ListObjects: without a delimiter the last key is the marker', async () => {
  const bucket = await filled()
  const first = await list(bucket, { 'max-keys': '2' })
  expect([first.element('IsTruncated'), first.element('NextMarker')]).toEqual(['true', null])
  expect(elements(await list(bucket, { marker: 'b/1' }), 'Key')).toEqual(['b/2', 'c'])
})

it.each(['1', '3', ''])('ListObjects: list-type=%s is InvalidArgument', async (value) => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const answer = await bench.send({
    method: 'GET',
    path: `/${bucket}`,
    query: { 'list-type': value },
    key: owner,
  })
  expect([...refusal(answer), answer.element('ArgumentName')]).toEqual([
    400,
    'InvalidArgument',
    'Invalid List Type specified in Request',
    'list-type',
  ])
})

it('ListObjects: other permissions do not stand for s3:ListBucket', async () => {
  expect(refusal(await list(await filled(), {}, reader))).toEqual(refused.forbidden)
})
