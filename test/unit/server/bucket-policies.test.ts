/** The policies of buckets between a store that changes, loses and damages them, and a request that has read its bucket. */
import { beforeEach, describe, expect, it } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { type BucketPolicies, createBucketPolicies } from '../../../src/server/bucket-policies.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { StoreFailedError } from '../../../src/store/kv/contract.ts'
import type { BucketRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import { bucketRecord } from '../../support/records.ts'

const withPolicy = (revision: number, more: Partial<BucketRecord> = {}): BucketRecord => ({
  ...bucketRecord({}),
  documents: ['policy'],
  revision,
  ...more,
})
const text = (effect: string, bucket: BucketRecord = withPolicy(1)) =>
  JSON.stringify({
    Statement: {
      Effect: effect,
      Principal: { AWS: '111111111111' },
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${bucket.name}/*`,
    },
  })

/** What the store answers, one after another; the last goes on. An error is thrown. */
let rows: (string | null | Error)[]
let bucketNow: BucketRecord | null
let readCount: number
let policies: BucketPolicies

beforeEach(() => {
  rows = []
  bucketNow = withPolicy(1)
  readCount = 0
  const store = {
    documents: {
      read: async (bucket: BucketRecord) => {
        if (!bucket.documents.includes('policy')) return null
        const row = rows[Math.min(readCount, rows.length - 1)]
        readCount += 1
        if (row instanceof Error) throw row
        return row
      },
    },
    buckets: { read: async () => bucketNow },
  }
  policies = createBucketPolicies(store as object as Store, silentLog)
})

/** The effect of the only statement, or what it is instead. */
async function effect(bucket: BucketRecord): Promise<string> {
  const stored = await policies.of(bucket)
  return stored.kind === 'policy' ? (stored.policy.statements[0]?.effect ?? '') : stored.kind
}
const damaged = new CorruptRecordError('document.policy: a text was expected')

describe('createBucketPolicies', () => {
  it('Policies: a bucket without one, nothing is read', async () => {
    expect(await effect({ ...withPolicy(1), documents: ['tagging'] })).toBe('none')
    expect(readCount).toBe(0)
  })

  it('Policies: one revision, read once; the next revision, read again', async () => {
    rows = [text('Allow'), text('Deny')]
    expect([await effect(withPolicy(1)), await effect(withPolicy(1)), readCount]).toEqual([
      'Allow',
      'Allow',
      1,
    ])
    expect([await effect(withPolicy(2)), await effect(withPolicy(2)), readCount]).toEqual(['Deny', 'Deny', 2])
  })

  it('Policies: a removed one, never remembered', async () => {
    rows = [text('Allow')]
    await effect(withPolicy(1))
    expect(await effect({ ...withPolicy(2), documents: [] })).toBe('none')
  })

  it('Policies: the row went while it was read, as the bucket says now', async () => {
    rows = [damaged]
    bucketNow = { ...withPolicy(2), documents: [] }
    expect(await effect(withPolicy(1))).toBe('none')
  })

  it('Policies: the row changed while it was read, read again', async () => {
    rows = [damaged, text('Deny')]
    bucketNow = withPolicy(3)
    expect(await effect(withPolicy(1))).toBe('Deny')
  })

  it.each([
    ['a damaged row', damaged, withPolicy(1)],
    ['a text that is no policy', '{}', withPolicy(1)],
    ['a policy of another bucket', text('Allow', withPolicy(1, { name: 'elsewhere' })), withPolicy(1)],
    ['a bucket that went', damaged, null],
    [
      'a name that passed on to another bucket',
      damaged,
      withPolicy(2, { id: '00000000000000ff' as BucketRecord['id'] }),
    ],
  ])('Policies: %s, unreadable and asked for again', async (_given, row, now) => {
    rows = [row]
    bucketNow = now
    expect(await effect(withPolicy(1))).toBe('unreadable')
    rows = [text('Allow')]
    expect(await effect(withPolicy(1))).toBe('Allow')
  })

  it('Policies: a row that changes under every look, unreadable after a few', async () => {
    rows = [damaged]
    let revision = 1
    const store = {
      documents: { read: () => Promise.reject(damaged) },
      buckets: {
        read: async () => {
          revision += 1
          return withPolicy(revision)
        },
      },
    }
    const shaky = createBucketPolicies(store as object as Store, silentLog)
    expect((await shaky.of(withPolicy(1))).kind).toBe('unreadable')
    expect(revision).toBe(4)
  })

  it('Policies: a store that failed, its own error', async () => {
    rows = [new StoreFailedError('gone')]
    await expect(effect(withPolicy(1))).rejects.toThrow(StoreFailedError)
  })

  it('Policies: more than a worker remembers, the oldest is read again', async () => {
    rows = [text('Allow')]
    const ids = Array.from(
      { length: limits.policiesRememberedMax + 1 },
      (_none, index) => `bucket-${index}` as BucketRecord['id'],
    )
    for (const id of ids) await effect(withPolicy(1, { id }))
    const before = readCount
    await effect(withPolicy(1, { id: ids.at(-1) as BucketRecord['id'] }))
    expect(readCount).toBe(before)
    await effect(withPolicy(1, { id: ids[0] as BucketRecord['id'] }))
    expect(readCount).toBe(before + 1)
  })
})
