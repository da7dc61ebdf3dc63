import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetBucketPublicAccessBlock'])
const bench = conformance({ accessKeys: [owner, reader] })
const send = (method: string, bucket: string, key = owner) =>
  bench.send({ method, path: `/${bucket}`, query: { publicAccessBlock: '' }, key })

it('DeletePublicAccessBlock: refused, and the settings are on after it', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect(refusal(await send('DELETE', bucket))).toEqual([
    403,
    'AccessDenied',
    'Access Denied because this server always blocks public access: the settings cannot be turned off.',
  ])
  expect((await send('GET', bucket)).element('BlockPublicPolicy')).toBe('true')
  expect(refusal(await send('DELETE', bucket, reader))).toEqual(refused.forbidden)
})
