import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketTagging'])
const other = accessKey('other', ['s3:GetObjectTagging', 's3:PutBucketTagging'])
const bench = conformance({ accessKeys: [owner, reader, other] })

const get = (bucket: string, key = reader) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { tagging: '' }, key })

it('GetBucketTagging: none was put, 404 with the name of the bucket', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const answer = await get(bucket)
  expect(refusal(answer)).toEqual([404, 'NoSuchTagSet', 'The TagSet does not exist'])
  expect(answer.element('BucketName')).toBe(bucket)
})

it('GetBucketTagging: the tags in the namespace of S3, also after a restart', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const tags = '<TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>'
  const body = `<Tagging>${tags}`
  await bench.document({ method: 'PUT', path: `/${bucket}`, query: { tagging: '' }, body, key: owner })
  await bench.server().restart()
  expect((await get(bucket)).text).toBe(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${tags}`,
  )
})

it('GetBucketTagging: needs its own permission', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect(refusal(await get(bucket, other))).toEqual(refused.forbidden)
})
