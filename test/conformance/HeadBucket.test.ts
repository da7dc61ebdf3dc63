import { expect, it } from 'vitest'
import { accessKey, conformance } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const foreigner = accessKey('foreigner', null, '222222222222')
const bench = conformance({ accessKeys: [owner, foreigner] })

it('HeadBucket: 200 with the region and no body', async () => {
  const name = await bench.bucket('unversioned', { key: owner })
  const answer = await bench.send({ method: 'HEAD', path: `/${name}`, key: owner })
  expect([answer.status, answer.headers['x-amz-bucket-region'], answer.text]).toEqual([200, 'us-east-1', ''])
})

it('HeadBucket: a missing bucket is 404, a foreign one 403, both without a body', async () => {
  const missing = await bench.send({ method: 'HEAD', path: '/no-such-bucket', key: owner })
  expect([missing.status, missing.text]).toEqual([404, ''])
  const name = await bench.bucket('unversioned', { key: owner })
  const foreign = await bench.send({ method: 'HEAD', path: `/${name}`, key: foreigner })
  expect([foreign.status, foreign.text]).toEqual([403, ''])
})

it('HeadBucket: x-amz-expected-bucket-owner of somebody else is 403', async () => {
  const name = await bench.bucket('unversioned', { key: owner })
  const head = (account: string) =>
    bench.send({
      method: 'HEAD',
      path: `/${name}`,
      key: owner,
      headers: { 'x-amz-expected-bucket-owner': account },
    })
  expect((await head('222222222222')).status).toBe(403)
  expect((await head(owner.accountId)).status).toBe(200)
})
