import { expect, it } from 'vitest'
import { conformance, elements, refusal, refused } from '../support/conformance.ts'

const bench = conformance()
const get = (name: string) => bench.send({ method: 'GET', path: `/${name}`, query: { versioning: '' } })

it.each([
  ['unversioned', []],
  ['enabled', ['Enabled']],
  ['suspended', ['Suspended']],
  ['locked', ['Enabled']],
] as const)('GetBucketVersioning: a bucket %s says %j', async (kind, status) => {
  const answer = await get(await bench.bucket(kind))
  expect([answer.status, elements(answer, 'Status')]).toEqual([200, status])
})

it('GetBucketVersioning: a missing bucket is NoSuchBucket', async () => {
  expect(refusal(await get('no-such-bucket'))).toEqual(refused.noSuchBucket)
})
