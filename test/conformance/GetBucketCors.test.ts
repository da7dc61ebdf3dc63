import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketCORS'])
const other = accessKey('other', ['s3:PutBucketCORS', 's3:ListBucket'])
const bench = conformance({ accessKeys: [owner, reader, other] })

const get = (bucket: string, key = reader) =>
  bench.send({ method: 'GET', path: `/${bucket}`, query: { cors: '' }, key })

it('GetBucketCors: none were put, 404 with the name of the bucket', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const answer = await get(bucket)
  expect(refusal(answer)).toEqual([404, 'NoSuchCORSConfiguration', 'The CORS configuration does not exist'])
  expect(answer.element('BucketName')).toBe(bucket)
})

it('GetBucketCors: the rules in the namespace of S3, also after a restart', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  const rule = '<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>'
  const body = `<CORSConfiguration>${rule}</CORSConfiguration>`
  await bench.document({ method: 'PUT', path: `/${bucket}`, query: { cors: '' }, body, key: owner })
  await bench.server().restart()
  const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
  expect((await get(bucket)).text).toBe(
    `<?xml version="1.0" encoding="UTF-8"?>\n<CORSConfiguration ${namespace}>${rule}</CORSConfiguration>`,
  )
})

it('GetBucketCors: needs its own permission', async () => {
  const bucket = await bench.bucket('enabled', { key: owner })
  expect(refusal(await get(bucket, other))).toEqual(refused.forbidden)
})
