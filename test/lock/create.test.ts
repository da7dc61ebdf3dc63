import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochMs } from '../../src/lib/units.ts'
import {
  type BucketLock,
  type CreateRequest,
  defaultRetentionFor,
  lockOnCreate,
  multipartLock,
} from '../../src/lock/create.ts'
import { retainUntil } from '../../src/lock/periods.ts'
import type { BucketRetention, RetentionMode } from '../../src/lock/types.ts'
import { anyBucketRetention, anyMode, sampleKeys, smallPeriod } from './arbitraries.ts'
import { at, compliance, day, governance, now } from './decision-words.ts'

const noBounds = { minimum: null, maximum: null }
const noDefault: BucketRetention = { defaultRetention: null, prefixRules: [] }

function defaultOf(mode: RetentionMode, count: number): BucketRetention {
  return { defaultRetention: { mode, period: { unit: 'DAYS', count } }, prefixRules: [] }
}

const plain: CreateRequest = {
  requestMs: now,
  key: 'a/b',
  bucketLock: 'Enabled',
  bucket: noDefault,
  explicitRetention: null,
  explicitLegalHold: null,
  bounds: noBounds,
  policyMode: null,
}

describe('lockOnCreate', () => {
  test.each([
    ['no default and no headers, nothing is stamped', {}, null, null],
    [
      'a default, it counts from the request',
      { bucket: defaultOf('COMPLIANCE', 3) },
      compliance(3 * day),
      null,
    ],
    [
      'explicit, it wins over a longer and stronger default',
      { bucket: defaultOf('COMPLIANCE', 3), explicitRetention: governance(day) },
      governance(day),
      null,
    ],
    ['explicit without a default', { explicitRetention: compliance(day) }, compliance(day), null],
    [
      'a hold and a default, both apply',
      { bucket: defaultOf('GOVERNANCE', 3), explicitLegalHold: 'ON' },
      governance(3 * day),
      'ON',
    ],
    ['a hold OFF is stored', { explicitLegalHold: 'OFF' }, null, 'OFF'],
    [
      'a hold and an explicit date, both apply',
      { explicitRetention: governance(1), explicitLegalHold: 'ON' },
      governance(1),
      'ON',
    ],
    ['a bucket without Object Lock, nothing is stamped', { bucketLock: null }, null, null],
    [
      'a frozen bucket, its default stamps nothing',
      { bucketLock: 'Frozen', bucket: defaultOf('COMPLIANCE', 3) },
      null,
      null,
    ],
    [
      'a frozen bucket, a hold OFF is no lock',
      { bucketLock: 'Frozen', explicitLegalHold: 'OFF' },
      null,
      'OFF',
    ],
    [
      'inside the bounds',
      {
        explicitRetention: compliance(2 * day),
        bounds: { minimum: { unit: 'DAYS', count: 2 }, maximum: { unit: 'DAYS', count: 2 } },
      },
      compliance(2 * day),
      null,
    ],
    [
      'bounds do not touch the default',
      {
        bucket: defaultOf('GOVERNANCE', 9),
        bounds: { minimum: { unit: 'DAYS', count: 10 }, maximum: { unit: 'DAYS', count: 1 } },
      },
      governance(9 * day),
      null,
    ],
  ] as const)('lockOnCreate: %s', (_title, change, retention, legalHold) => {
    expect(lockOnCreate({ ...plain, ...change })).toEqual({ kind: 'stamp', retention, legalHold })
  })

  test.each([
    [
      'a frozen bucket, an explicit date is refused',
      { bucketLock: 'Frozen', explicitRetention: governance(day) },
      'BucketFrozen',
    ],
    [
      'a frozen bucket, a hold ON is refused',
      { bucketLock: 'Frozen', explicitLegalHold: 'ON' },
      'BucketFrozen',
    ],
    [
      'one ms below the minimum',
      {
        explicitRetention: compliance(2 * day - 1),
        bounds: { minimum: { unit: 'DAYS', count: 2 }, maximum: null },
      },
      'BelowMinimum',
    ],
    [
      'one ms above the maximum',
      {
        explicitRetention: compliance(2 * day + 1),
        bounds: { minimum: null, maximum: { unit: 'DAYS', count: 2 } },
      },
      'AboveMaximum',
    ],
    [
      'the weaker mode under a minimum',
      {
        explicitRetention: governance(9 * day),
        policyMode: 'COMPLIANCE',
        bounds: { minimum: { unit: 'DAYS', count: 2 }, maximum: null },
      },
      'BelowMinimum',
    ],
  ] as const)('lockOnCreate: %s', (_title, change, reason) => {
    expect(lockOnCreate({ ...plain, ...change })).toMatchObject({ kind: 'deny', reason })
  })

  test.each([
    ['a date', { explicitRetention: governance(day) }, 'lock headers reach only a bucket with'],
    ['a hold', { explicitLegalHold: 'OFF' }, 'lock headers reach only a bucket with'],
    ['a default', { bucket: defaultOf('GOVERNANCE', 1) }, 'a default rule exists only where'],
  ] as const)(
    'lockOnCreate: %s in a bucket without Object Lock, an assertion fails',
    (_title, change, words) => {
      expect(() => lockOnCreate({ ...plain, bucketLock: null, ...change })).toThrow(words)
    },
  )
})

describe('prefix rules', () => {
  const bucket: BucketRetention = {
    defaultRetention: { mode: 'GOVERNANCE', period: { unit: 'DAYS', count: 5 } },
    prefixRules: [
      { prefix: 'logs/', period: { unit: 'DAYS', count: 10 } },
      { prefix: 'logs/audit/', period: { unit: 'YEARS', count: 1 } },
      { prefix: 'tmp/', period: { unit: 'DAYS', count: 1 } },
      { prefix: 'é', period: { unit: 'DAYS', count: 7 } },
    ],
  }

  test.each([
    ['no prefix, the default', 'data/x', 5],
    ['one prefix', 'logs/x', 10],
    ['two nested prefixes, the longer period', 'logs/audit/x', 365],
    ['the key is the prefix itself', 'logs/', 10],
    ['the key is shorter than the prefix', 'logs', 5],
    ['a shorter rule never shortens the default', 'tmp/x', 5],
    ['a prefix of several bytes', 'été', 7],
    ['a decomposed look-alike is another key', 'e\u0301', 5],
  ])('defaultRetentionFor: %s', (_title, key, count) => {
    const expected = { mode: 'GOVERNANCE', retainUntilMs: at(count * day) }
    expect(defaultRetentionFor(bucket, now, key)).toEqual(expected)
    expect(defaultRetentionFor(bucket, now, new TextEncoder().encode(key))).toEqual(expected)
  })

  test('defaultRetentionFor: half a character of a prefix in the key bytes, no match', () => {
    expect(defaultRetentionFor(bucket, now, Uint8Array.of(0xc3))?.retainUntilMs).toBe(at(5 * day))
  })

  test('defaultRetentionFor: no default rule, prefix rules stamp nothing', () => {
    expect(defaultRetentionFor({ ...bucket, defaultRetention: null }, now, 'logs/x')).toBeNull()
  })

  test('defaultRetentionFor: 731 days and 2 years, the later date decides at each start', () => {
    const both: BucketRetention = {
      defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 730 } },
      prefixRules: [{ prefix: 'a', period: { unit: 'YEARS', count: 2 } }],
    }
    const leap = epochMs(Date.UTC(2027, 0, 1))
    expect(defaultRetentionFor(both, leap, 'a')?.retainUntilMs).toBe(Date.UTC(2029, 0, 1))
    expect(defaultRetentionFor(both, now, 'a')?.retainUntilMs).toBe(now + 730 * day)
  })

  test('defaultRetentionFor: any key, the latest of the matching dates', () => {
    fc.assert(
      fc.property(anyBucketRetention, fc.constantFrom(...sampleKeys), (any, key) => {
        const stamped = defaultRetentionFor(any, now, key)
        if (any.defaultRetention === null) {
          expect(stamped).toBeNull()
          return
        }
        const matching = any.prefixRules
          .filter((rule) => key.startsWith(rule.prefix))
          .map((rule) => rule.period)
        const dates = [any.defaultRetention.period, ...matching].map((period) => retainUntil(now, period))
        expect(stamped).toEqual({ mode: any.defaultRetention.mode, retainUntilMs: Math.max(...dates) })
      }),
    )
  })
})

describe('multipartLock', () => {
  const enabled = (bucket: BucketRetention): BucketLock => ({ bucketLock: 'Enabled', bucket })
  const nothing = {
    requestMs: now,
    key: 'k',
    explicitRetention: null,
    explicitLegalHold: null,
    createMs: at(-day),
    minimum: null,
    policyMode: null,
  }

  test.each([
    ['no default at all, nothing is stamped', enabled(noDefault), enabled(noDefault), null],
    ['the default at Complete', enabled(noDefault), enabled(defaultOf('GOVERNANCE', 2)), governance(2 * day)],
    [
      'the default at Create was removed, it still counts',
      enabled(defaultOf('COMPLIANCE', 2)),
      enabled(noDefault),
      compliance(2 * day),
    ],
    [
      'shortened in between, the later date',
      enabled(defaultOf('GOVERNANCE', 5)),
      enabled(defaultOf('GOVERNANCE', 2)),
      governance(5 * day),
    ],
    [
      'mode weakened and period raised, the stronger of each',
      enabled(defaultOf('COMPLIANCE', 2)),
      enabled(defaultOf('GOVERNANCE', 5)),
      compliance(5 * day),
    ],
    [
      'mode strengthened and period lowered, the stronger of each',
      enabled(defaultOf('GOVERNANCE', 5)),
      enabled(defaultOf('COMPLIANCE', 2)),
      compliance(5 * day),
    ],
    [
      'frozen in between, the default at Create',
      enabled(defaultOf('COMPLIANCE', 2)),
      { bucketLock: 'Frozen', bucket: defaultOf('COMPLIANCE', 9) },
      compliance(2 * day),
    ],
    [
      'frozen at both, nothing',
      { bucketLock: 'Frozen', bucket: defaultOf('COMPLIANCE', 2) },
      { bucketLock: 'Frozen', bucket: defaultOf('COMPLIANCE', 9) },
      null,
    ],
    [
      'Object Lock enabled in between',
      { bucketLock: null, bucket: noDefault },
      enabled(defaultOf('COMPLIANCE', 2)),
      compliance(2 * day),
    ],
  ] as const)('multipartLock: %s', (_title, atCreate, atComplete, retention) => {
    const request = { ...nothing, atCreate, atComplete }
    expect(multipartLock(request)).toEqual({ kind: 'stamp', retention, legalHold: null })
  })

  test('multipartLock: explicit at Create, it wins and a passed date is stored', () => {
    const atComplete = enabled(defaultOf('COMPLIANCE', 9))
    const request = { ...nothing, atCreate: atComplete, atComplete, explicitRetention: governance(-1) }
    expect(multipartLock({ ...request, explicitLegalHold: 'ON' })).toEqual({
      kind: 'stamp',
      retention: governance(-1),
      legalHold: 'ON',
    })
  })

  const minimum = { unit: 'DAYS', count: 2 } as const
  const locked = enabled(noDefault)
  test.each([
    ['its last millisecond, counted from Create', governance(day), null, 'stamp'],
    ['a millisecond less', governance(day - 1), null, 'deny'],
    ['a weaker mode than the policy', governance(5 * day), 'COMPLIANCE', 'deny'],
    ['the mode of the policy', compliance(5 * day), 'COMPLIANCE', 'stamp'],
  ] as const)(
    'multipartLock: explicit at Create and a minimum now, %s',
    (_title, asked, policyMode, kind) => {
      const request = { ...nothing, atCreate: locked, atComplete: locked, explicitRetention: asked }
      const lock = multipartLock({ ...request, minimum, policyMode })
      expect(lock.kind).toBe(kind)
      if (lock.kind === 'deny') expect(lock.reason).toBe('BelowMinimum')
      else expect(lock.retention).toEqual(asked)
    },
  )

  test('multipartLock: explicit at Create and a bucket frozen since, it is stored', () => {
    const atComplete: BucketLock = { bucketLock: 'Frozen', bucket: noDefault }
    const request = { ...nothing, atCreate: locked, atComplete, explicitRetention: compliance(day) }
    expect(multipartLock(request)).toEqual({ kind: 'stamp', retention: compliance(day), legalHold: null })
  })

  test('multipartLock: a default on a bucket without Object Lock, an assertion fails', () => {
    const impossible: BucketLock = { bucketLock: null, bucket: defaultOf('GOVERNANCE', 1) }
    expect(() =>
      multipartLock({ ...nothing, atCreate: impossible, atComplete: enabled(noDefault) }),
    ).toThrow()
    expect(() =>
      multipartLock({ ...nothing, atCreate: enabled(noDefault), atComplete: impossible }),
    ).toThrow()
  })

  test('multipartLock: any defaults, no weaker than either and as PUT when they are the same', () => {
    const bucket = fc
      .record({ mode: anyMode, period: smallPeriod })
      .map((defaultRetention): BucketLock => enabled({ defaultRetention, prefixRules: [] }))
    fc.assert(
      fc.property(bucket, bucket, (atCreate, atComplete) => {
        const lock = multipartLock({ ...nothing, atCreate, atComplete })
        const stamped = lock.kind === 'deny' ? null : lock.retention
        for (const each of [atCreate, atComplete]) {
          const single = lockOnCreate({ ...plain, ...each, key: 'k' })
          if (single.kind === 'deny' || single.retention === null || stamped === null)
            throw new Error('stamped')
          expect(stamped.retainUntilMs).toBeGreaterThanOrEqual(single.retention.retainUntilMs)
          if (single.retention.mode === 'COMPLIANCE') expect(stamped.mode).toBe('COMPLIANCE')
        }
        const same = multipartLock({ ...nothing, atCreate, atComplete: atCreate })
        expect(same).toEqual(lockOnCreate({ ...plain, ...atCreate, key: 'k' }))
      }),
    )
  })
})

test('stamped defaults: a rule changed later, what was stamped is not read again', () => {
  const before = lockOnCreate({ ...plain, bucket: defaultOf('COMPLIANCE', 3) })
  const after = lockOnCreate({ ...plain, bucket: noDefault, requestMs: at(1) })
  expect(before).toEqual({ kind: 'stamp', retention: compliance(3 * day), legalHold: null })
  expect(after).toEqual({ kind: 'stamp', retention: null, legalHold: null })
})
