import { describe, expect, it } from 'vitest'
import { continuationToken } from '../../src/s3/continuation-token.ts'
import { accessKey, conformance, elements, refusal, refused } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const other = accessKey('other', null, '222222222222')
const reader = accessKey('reader', ['s3:ListBucket'])
const bench = conformance({ accessKeys: [owner, other, reader] })

const list = (query: Record<string, string> = {}, key: typeof owner | null = owner) =>
  bench.send({ method: 'GET', path: '/', query, ...(key === null ? {} : { key }) })

describe('ListBuckets', () => {
  it('ListBuckets: the buckets of the account in byte order; root sees all', async () => {
    for (const [name, key] of [
      ['list-b', owner],
      ['list-a', owner],
      ['list-c', other],
    ] as const) {
      await bench.send({ method: 'PUT', path: `/${name}`, key })
    }
    const mine = await list()
    expect([mine.status, elements(mine, 'Name'), mine.element('ID')]).toEqual([
      200,
      ['list-a', 'list-b'],
      owner.accountId,
    ])
    expect(mine.element('CreationDate')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(elements(await list({}, other), 'Name')).toEqual(['list-c'])
    expect(elements(await list({}, null), 'Name')).toEqual(['list-a', 'list-b', 'list-c'])
  })

  it('ListBuckets: pages by max-buckets and continuation-token join to the whole', async () => {
    const first = await list({ 'max-buckets': '1', prefix: 'list-' })
    expect(elements(first, 'Name')).toEqual(['list-a'])
    expect(first.element('BucketRegion')).toBe('us-east-1')
    const token = first.element('ContinuationToken') ?? ''
    const second = await list({ 'max-buckets': '1', prefix: 'list-', 'continuation-token': token })
    expect([elements(second, 'Name'), second.element('ContinuationToken')]).toEqual([['list-b'], null])
  })

  it('ListBuckets: a prefix, and a foreign region', async () => {
    expect(elements(await list({ prefix: 'list-b' }), 'Name')).toEqual(['list-b'])
    expect(elements(await list({ 'bucket-region': 'eu-west-1' }), 'Name')).toEqual([])
  })

  it.each([
    ['max-buckets', '0'],
    ['max-buckets', 'x'],
    ['continuation-token', 'x'],
  ])('ListBuckets: %s=%s is InvalidArgument', async (name, value) => {
    expect((await list({ [name]: value })).code).toBe('InvalidArgument')
  })

  it.each(['\0'.repeat(1024), 'a'.repeat(64)])(
    'ListBuckets: a token after %j, which no bucket is called, is InvalidArgument',
    async (name) => {
      expect((await list({ 'continuation-token': continuationToken(name) })).code).toBe('InvalidArgument')
    },
  )

  it('ListBuckets: needs s3:ListAllMyBuckets', async () => {
    expect(refusal(await list({}, reader))).toEqual(refused.forbidden)
  })
})
