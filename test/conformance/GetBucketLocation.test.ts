import { describe, expect, it } from 'vitest'
import { conformance, refusal, refused } from '../support/conformance.ts'

const location = (name: string) => ({ method: 'GET', path: `/${name}`, query: { location: '' } })

describe('in us-east-1', () => {
  const bench = conformance()

  it('GetBucketLocation: us-east-1 is an empty element', async () => {
    const answer = await bench.send(location(await bench.bucket('unversioned')))
    expect([answer.status, answer.headers['content-type'], answer.element('LocationConstraint')]).toEqual([
      200,
      'application/xml',
      '',
    ])
  })

  it('GetBucketLocation: a missing bucket is NoSuchBucket', async () => {
    const answer = await bench.send(location('no-such-bucket'))
    expect([...refusal(answer), answer.element('BucketName')]).toEqual([
      ...refused.noSuchBucket,
      'no-such-bucket',
    ])
  })
})

describe('in another region', () => {
  const bench = conformance({ region: 'eu-central-1' })

  it('GetBucketLocation: the region by name', async () => {
    const answer = await bench.send(location(await bench.bucket('unversioned')))
    expect(answer.element('LocationConstraint')).toBe('eu-central-1')
  })
})
