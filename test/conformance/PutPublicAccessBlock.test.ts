import { expect, it } from 'vitest'
import { accessKey, conformance, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutBucketPublicAccessBlock'])
const reader = accessKey('reader', ['s3:GetBucketPublicAccessBlock'])
const bench = conformance({ accessKeys: [owner, writer, reader] })

const names = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']
const document = (values: readonly string[]) =>
  `<PublicAccessBlockConfiguration>${names.map((name, index) => `<${name}>${values[index]}</${name}>`).join('')}` +
  '</PublicAccessBlockConfiguration>'
const put = (bucket: string, body: string, key = owner) =>
  bench.send({ method: 'PUT', path: `/${bucket}`, query: { publicAccessBlock: '' }, body, key })

const stays = [
  403,
  'AccessDenied',
  'Access Denied because this server always blocks public access: the settings cannot be turned off.',
]

it('PutPublicAccessBlock: all on is 200, anything less is refused', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect((await put(bucket, document(['true', 'TRUE', 'true', 'true']), writer)).status).toBe(200)
  for (const off of [0, 1, 2, 3]) {
    const values = names.map((_name, index) => (index === off ? 'false' : 'true'))
    expect(refusal(await put(bucket, document(values)))).toEqual(stays)
  }
  expect(refusal(await put(bucket, '<PublicAccessBlockConfiguration/>'))).toEqual(stays)
  for (const body of ['', '<x/>', document(['on', 'true', 'true', 'true'])]) {
    expect(refusal(await put(bucket, body))).toEqual(refused.malformed)
  }
})

it('PutPublicAccessBlock: without the permission', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  const on = document(['true', 'true', 'true', 'true'])
  expect(refusal(await put(bucket, on, reader))).toEqual(refused.forbidden)
})
