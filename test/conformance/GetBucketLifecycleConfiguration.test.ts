import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetLifecycleConfiguration'])
const writer = accessKey('writer', ['s3:PutLifecycleConfiguration'])
const bench = conformance({ accessKeys: [owner, reader, writer] })

const body =
  '<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>a</ID><Filter></Filter>' +
  '<Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>'

it('GetBucketLifecycleConfiguration: none was put, 404 with the name of the bucket', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const answer = await bench.send({
    method: 'GET',
    path: `/${bucket}`,
    query: { lifecycle: '' },
    key: reader,
  })
  expect(refusal(answer)).toEqual([
    404,
    'NoSuchLifecycleConfiguration',
    'The lifecycle configuration does not exist',
  ])
  expect(answer.element('BucketName')).toBe(bucket)
})

it('GetBucketLifecycleConfiguration: the same on both workers and after a restart, in the namespace of S3', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  await bench.document({ method: 'PUT', path: `/${bucket}`, query: { lifecycle: '' }, body, key: owner })
  const get = () => bench.send({ method: 'GET', path: `/${bucket}`, query: { lifecycle: '' }, key: reader })
  const expected = `<?xml version="1.0" encoding="UTF-8"?>\n${body}`
  for (let round = 0; round < 4; round += 1) expect((await get()).text).toBe(expected)
  await bench.server().restart()
  expect((await get()).text).toBe(expected)
})

it('GetBucketLifecycleConfiguration: needs its own permission', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const request = { method: 'GET', path: `/${bucket}`, query: { lifecycle: '' }, key: writer }
  expect(refusal(await bench.send(request))).toEqual(refused.forbidden)
})
