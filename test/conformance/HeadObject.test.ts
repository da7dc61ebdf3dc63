import { expect, it } from 'vitest'
import { accessKey, conformance } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject'])
const bench = conformance({ accessKeys: [owner, reader] })

function head(bucket: string, more: object = {}) {
  return bench.send({ method: 'HEAD', path: `/${bucket}/key`, key: owner, ...more })
}

it('[HeadObject.1] [Format.8] [Choice.9] HeadObject: the headers of GetObject without the body', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>GOVERNANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner, headers: { 'x-amz-meta-a': 'b' } })
  await bench.hold({ bucket, key: 'key' }, 'OFF', { key: owner })
  const answer = await head(bucket)
  const got = await bench.send({ method: 'GET', path: `/${bucket}/key`, key: owner })
  const comparable = ({ headers }: typeof got) => {
    const { date: _date, 'x-amz-request-id': _id, ...rest } = headers
    return rest
  }
  expect([answer.status, answer.text]).toEqual([200, ''])
  expect(comparable(answer)).toEqual(comparable(got))
  expect(answer.headers).toMatchObject({
    'content-length': '5',
    'x-amz-meta-a': 'b',
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-legal-hold': 'OFF',
  })
})

it('[HeadObject.2] HeadObject: without the permissions no lock headers', async () => {
  const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>GOVERNANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner })
  const answer = await head(bucket, { key: reader })
  expect([answer.status, Object.keys(answer.headers).filter((name) => name.includes('lock'))]).toEqual([
    200,
    [],
  ])
})

it('[HeadObject.3] HeadObject: 404, 405 and 304 without a body', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect([(await head(bucket)).status, (await head(bucket)).text]).toEqual([404, ''])
  await bench.put(bucket, 'key', { key: owner })
  const { etag } = (await head(bucket)).headers
  expect((await head(bucket, { headers: { 'if-none-match': String(etag) } })).status).toBe(304)
  const marker = await bench.send({ method: 'DELETE', path: `/${bucket}/key`, key: owner })
  const byId = await head(bucket, { query: { versionId: String(marker.headers['x-amz-version-id']) } })
  expect([byId.status, byId.headers['x-amz-delete-marker'], byId.text]).toEqual([405, 'true', ''])
  const current = await head(bucket)
  expect([current.status, current.headers['x-amz-delete-marker']]).toEqual([404, 'true'])
})

it('HeadObject: a range is 206 with its length', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await bench.put(bucket, 'key', { key: owner })
  const answer = await head(bucket, { headers: { range: 'bytes=1-2' } })
  expect([answer.status, answer.headers['content-range'], answer.headers['content-length']]).toEqual([
    206,
    'bytes 1-2/5',
    '2',
  ])
})
