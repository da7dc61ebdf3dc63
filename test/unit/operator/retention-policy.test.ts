import { expect, test } from 'vitest'
import { retentionPolicyReport } from '../../../src/operator/controllers/RetentionPolicy.ts'
import { compliance30, nowMs, policyOf, unbound } from './locked-bucket-fixtures.ts'

function shown(report: ReturnType<typeof retentionPolicyReport>): readonly string[] {
  return (report.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`)
}

test('RetentionPolicy: valid and used, Ready with the count and the names of its buckets', () => {
  const report = retentionPolicyReport(nowMs, {
    object: compliance30,
    bucketNames: ['a', 'b'],
    unparsableNames: [],
    guard: null,
    cluster: unbound,
  })
  expect(shown(report)).toEqual(['Ready=True Accepted', 'DeletionProtected=True Referenced'])
  expect(report.status).toMatchObject({
    bucketCount: 2,
    deletionProtected: true,
    retention: '30 days',
    observedGeneration: 1,
  })
  expect(report.status?.conditions?.[1]?.message).toBe('2 LockedBuckets refer to it: a, b')
  expect(report.next.kind).toBe('done')
})

test('RetentionPolicy: used by nobody, it may go', () => {
  const report = retentionPolicyReport(nowMs, {
    object: compliance30,
    bucketNames: [],
    unparsableNames: [],
    guard: null,
    cluster: unbound,
  })
  expect(shown(report)).toEqual(['Ready=True Accepted', 'DeletionProtected=False NotReferenced'])
  expect(report.status).toMatchObject({ bucketCount: 0, deletionProtected: false })
})

test('RetentionPolicy: it breaks a rule of its kind, Stalled with the rule and no retention', () => {
  const invalid = policyOf({ defaultRetention: { mode: 'COMPLIANCE', years: 10 } })
  const report = retentionPolicyReport(nowMs, {
    object: invalid,
    bucketNames: [],
    unparsableNames: [],
    guard: null,
    cluster: unbound,
  })
  expect(shown(report)).toEqual([
    'Ready=False SpecInvalid',
    'Stalled=True SpecInvalid',
    'DeletionProtected=False NotReferenced',
  ])
  expect(report.status?.conditions?.[0]?.message).toContain('irreversible: true')
  expect(report.status?.retention).toBeUndefined()
  expect(report.next.kind).toBe('terminal')
})

test('RetentionPolicy: nothing changed, nothing is written', () => {
  const first = retentionPolicyReport(nowMs, {
    object: compliance30,
    bucketNames: ['a'],
    unparsableNames: [],
    guard: null,
    cluster: unbound,
  })
  if (first.status === null) throw new Error('a first status is always written')
  const object = { ...compliance30, status: first.status }
  expect(
    retentionPolicyReport(nowMs, {
      object,
      bucketNames: ['a'],
      unparsableNames: [],
      guard: null,
      cluster: unbound,
    }).status,
  ).toBeNull()
  expect(
    retentionPolicyReport(nowMs, {
      object,
      bucketNames: ['a', 'b'],
      unparsableNames: [],
      guard: null,
      cluster: unbound,
    }).status?.bucketCount,
  ).toBe(2)
  expect(first.status.conditions?.[1]?.message).toBe('One LockedBucket refers to it: a')
})

test('RetentionPolicy: thousands of buckets, the message names five', () => {
  const bucketNames = Array.from({ length: 3000 }, (_, index) => `bucket-${index}`)
  const { status } = retentionPolicyReport(nowMs, {
    object: compliance30,
    bucketNames,
    unparsableNames: [],
    guard: null,
    cluster: unbound,
  })
  expect(status?.conditions?.[1]?.message).toContain('and 2995 more')
})

test('RetentionPolicy: a LockedBucket that nobody understands may refer to it, so it counts as protected', () => {
  const { status } = retentionPolicyReport(nowMs, {
    object: compliance30,
    bucketNames: [],
    unparsableNames: ['strange'],
    guard: null,
    cluster: unbound,
  })
  expect(status).toMatchObject({ deletionProtected: true, bucketCount: 0 })
  expect(status?.conditions?.find(({ type }) => type === 'DeletionProtected')).toMatchObject({
    status: 'True',
    reason: 'Unverified',
    message: 'This operator cannot understand LockedBucket strange, which may refer to it.',
  })
})
