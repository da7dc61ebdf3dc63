import { expect, it } from 'vitest'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const writer = accessKey('writer', ['s3:PutBucketPublicAccessBlock'])
const reader = accessKey('reader', ['s3:GetBucketPublicAccessBlock'])
const bench = conformance({ accessKeys: [owner, writer, reader] })

const names = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']
const document = (values: readonly string[]) =>
  `<PublicAccessBlockConfiguration>${names.map((name, index) => `<${name}>${values[index]}</${name}>`).join('')}` +
  '</PublicAccessBlockConfiguration>'
const send = (method: string, bucket: string, body = '', key = owner) =>
  bench.send({ method, path: `/${bucket}`, query: { publicAccessBlock: '' }, body, key })

const stays = [
  403,
  'AccessDenied',
  'Access Denied because this server always blocks public access: the settings cannot be turned off.',
]

it('GetPublicAccessBlock: all four settings are on', async () => {
  const answer = await send('GET', await bench.bucket('unversioned', { key: owner }), '', reader)
  expect(answer.status).toBe(200)
  expect(names.map((name) => answer.element(name))).toEqual(['true', 'true', 'true', 'true'])
  expect(elements(answer, 'PublicAccessBlockConfiguration')).toHaveLength(0)
})

it('PutPublicAccessBlock: all on is 200, anything less is refused', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect((await send('PUT', bucket, document(['true', 'TRUE', 'true', 'true']), writer)).status).toBe(200)
  for (const off of [0, 1, 2, 3]) {
    const values = names.map((_name, index) => (index === off ? 'false' : 'true'))
    expect(refusal(await send('PUT', bucket, document(values)))).toEqual(stays)
  }
  expect(refusal(await send('PUT', bucket, '<PublicAccessBlockConfiguration/>'))).toEqual(stays)
  for (const body of ['', '<x/>', document(['on', 'true', 'true', 'true'])]) {
    expect(refusal(await send('PUT', bucket, body))).toEqual(refused.malformed)
  }
})

it('DeletePublicAccessBlock: refused, and the settings are on after it', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect(refusal(await send('DELETE', bucket))).toEqual(stays)
  expect((await send('GET', bucket)).element('BlockPublicPolicy')).toBe('true')
})

it('PublicAccessBlock: each needs its permission', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  expect(refusal(await send('GET', bucket, '', writer))).toEqual(refused.forbidden)
  expect(refusal(await send('PUT', bucket, document(['true', 'true', 'true', 'true']), reader))).toEqual(
    refused.forbidden,
  )
  expect(refusal(await send('DELETE', bucket, '', reader))).toEqual(refused.forbidden)
})
