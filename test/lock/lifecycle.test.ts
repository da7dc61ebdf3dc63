import { describe, expect, test } from 'vitest'
import { dueOfNoncurrent, type LifecycleExpiration } from '../../src/lock/lifecycle.ts'
import type { ObjectLockState } from '../../src/lock/types.ts'
import {
  at,
  days,
  everything,
  free,
  held,
  kinds,
  markers,
  noncurrent,
  rule,
  unknown,
  until,
  verdicts,
} from './lifecycle-words.ts'

describe('Expiration', () => {
  test.each([
    ['1 ms before the midnight after the days', '2030-01-18T23:59:59.999Z', 'keep'],
    ['at the midnight after the days', '2030-01-19T00:00:00.000Z', 'expireCurrent'],
  ])('Expiration of 3 days, created 2030-01-15 10:30: %s', (_title, now, kind) => {
    expect(kinds({ rules: [rule(days(3))], now }, [{ created: '2030-01-15T10:30:00Z' }])).toEqual([kind])
  })

  test('Expiration of a day, created at midnight: a whole day passes, then it is rounded up', () => {
    const drafts = [{ created: '2030-01-15T00:00:00Z' }]
    expect(kinds({ rules: [rule(days(1))], now: '2030-01-16T23:59:59.999Z' }, drafts)).toEqual(['keep'])
    expect(kinds({ rules: [rule(days(1))], now: '2030-01-17T00:00:00Z' }, drafts)).toEqual(['expireCurrent'])
  })

  test('Expiration by date: at the date and after it, also for what is younger than the date', () => {
    const rules = [rule({ expiration: { kind: 'date', dateMs: at('2030-02-01T00:00:00Z') } })]
    const old = [{ created: '2029-01-01T00:00:00Z' }]
    expect(kinds({ rules, now: '2030-01-31T23:59:59.999Z' }, old)).toEqual(['keep'])
    expect(kinds({ rules, now: '2030-02-01T00:00:00Z' }, old)).toEqual(['expireCurrent'])
    expect(kinds({ rules, now: '2030-03-01T00:00:00Z' }, [{ created: '2030-02-15T00:00:00Z' }])).toEqual([
      'expireCurrent',
    ])
  })

  test('Expiration beyond the last date that can be written: never', () => {
    const rules = [rule(days(2 ** 31 - 1))]
    expect(kinds({ rules, now: '9999-12-31T23:59:59.999Z' }, [{ created: '1970-01-01T00:00:00Z' }])).toEqual([
      'keep',
    ])
  })

  test('Expiration: the first rule that is due is named, with when it was due', () => {
    const rules = [
      rule({ id: 'late', ...days(30) }),
      rule({ id: 'b', ...days(2) }),
      rule({ id: 'c', ...days(1) }),
    ]
    expect(verdicts({ rules, now: '2030-01-10T00:00:00Z' }, [{ created: '2030-01-01T12:00:00Z' }])).toEqual([
      { kind: 'expireCurrent', ruleId: 'b', dueMs: at('2030-01-04T00:00:00Z'), newerVersionIds: [] },
    ])
  })

  test('Expiration of a kind that there is none of: an error, and no proposal', () => {
    const expiration = JSON.parse('{"kind":"allVersions"}') as LifecycleExpiration
    const judge = () =>
      kinds({ rules: [rule({ expiration })], now: '2035-01-01T00:00:00Z' }, [
        { created: '2020-01-01T00:00:00Z' },
      ])
    expect(judge).toThrow('an Expiration has one of three kinds')
  })

  test('Expiration: noncurrent versions are not its affair', () => {
    const drafts = [{ created: '2030-01-09T00:00:00Z' }, { created: '2020-01-01T00:00:00Z' }]
    expect(kinds({ rules: [rule(days(5))], now: '2030-01-10T00:00:00Z' }, drafts)).toEqual(['keep', 'keep'])
  })

  test('a disabled rule, a rule of another prefix and a rule without actions: nothing', () => {
    const rules = [
      rule({ status: 'Disabled', ...days(1), ...noncurrent(1) }),
      rule({ filter: { ...everything, prefix: 'logs/b' }, ...days(1), ...noncurrent(1) }),
      rule({}),
    ]
    const drafts = [{ created: '2020-01-02T00:00:00Z' }, { created: '2020-01-01T00:00:00Z' }]
    expect(kinds({ rules, now: '2030-01-10T00:00:00Z' }, drafts)).toEqual(['keep', 'keep'])
  })
})

describe('delete markers', () => {
  const marker = { created: '2030-01-01T12:00:00Z', isDeleteMarker: true }
  const older = { created: '2029-01-01T00:00:00Z' }

  test('ExpiredObjectDeleteMarker: a marker that is all of its key goes at once', () => {
    const rules = [rule({ expiration: markers })]
    expect(verdicts({ rules, now: '2030-01-01T12:00:00Z' }, [marker])).toEqual([
      { kind: 'removeDeleteMarker', ruleId: 'rule', dueMs: at('2030-01-01T12:00:00Z'), newerVersionIds: [] },
    ])
  })

  test('ExpiredObjectDeleteMarker: a marker with an older version stays, and an object stays', () => {
    const rules = [rule({ expiration: markers })]
    expect(kinds({ rules, now: '2035-01-01T00:00:00Z' }, [marker, older])).toEqual(['keep', 'keep'])
    expect(kinds({ rules, now: '2035-01-01T00:00:00Z' }, [older])).toEqual(['keep'])
  })

  test('ExpiredObjectDeleteMarker false: nothing', () => {
    const rules = [rule({ expiration: { kind: 'expiredObjectDeleteMarker', isWanted: false } })]
    expect(kinds({ rules, now: '2035-01-01T00:00:00Z' }, [marker])).toEqual(['keep'])
  })

  test('Days: a marker that is all of its key goes when it is old enough, another one never', () => {
    const rules = [rule(days(1))]
    expect(kinds({ rules, now: '2030-01-02T23:59:59.999Z' }, [marker])).toEqual(['keep'])
    expect(kinds({ rules, now: '2030-01-03T00:00:00Z' }, [marker])).toEqual(['removeDeleteMarker'])
    expect(kinds({ rules, now: '2035-01-01T00:00:00Z' }, [marker, older])).toEqual(['keep', 'keep'])
  })

  test('a marker is never locked, but one whose state cannot be read stays', () => {
    const rules = [rule({ expiration: markers, ...noncurrent(1) })]
    const now = '2035-01-01T00:00:00Z'
    expect(kinds({ rules, now }, [{ ...marker, lock: held }])).toEqual(['removeDeleteMarker'])
    expect(verdicts({ rules, now }, [{ ...marker, lock: unknown }])).toEqual([
      { kind: 'locked', ruleId: 'rule' },
    ])
    expect(kinds({ rules, now }, [older, { ...marker, lock: unknown }])).toEqual(['keep', 'locked'])
  })

  test('NoncurrentVersionExpiration: a noncurrent marker goes like a version', () => {
    const drafts = [{ created: '2030-01-02T00:00:00Z' }, marker]
    expect(kinds({ rules: [rule(noncurrent(1))], now: '2030-01-04T00:00:00Z' }, drafts)).toEqual([
      'keep',
      'removeNoncurrent',
    ])
  })
})

describe('NoncurrentVersionExpiration', () => {
  test('the age counts from the successor, to the midnight after the days', () => {
    const drafts = [{ created: '2030-01-10T10:00:00Z' }, { created: '2020-01-01T00:00:00Z' }]
    const rules = [rule(noncurrent(2))]
    expect(kinds({ rules, now: '2030-01-12T23:59:59.999Z' }, drafts)).toEqual(['keep', 'keep'])
    expect(verdicts({ rules, now: '2030-01-13T00:00:00Z' }, drafts)[1]).toEqual({
      kind: 'removeNoncurrent',
      ruleId: 'rule',
      dueMs: at('2030-01-13T00:00:00Z'),
      newerVersionIds: [],
    })
  })

  test('each version by its own successor: the older one is due while the newer one is not', () => {
    const drafts = [
      { created: '2030-01-10T00:00:00Z' },
      { created: '2030-01-05T00:00:00Z' },
      { created: '2030-01-01T00:00:00Z' },
    ]
    const rules = [rule(noncurrent(2))]
    expect(kinds({ rules, now: '2030-01-07T23:59:59.999Z' }, drafts)).toEqual(['keep', 'keep', 'keep'])
    expect(kinds({ rules, now: '2030-01-08T00:00:00Z' }, drafts)).toEqual([
      'keep',
      'keep',
      'removeNoncurrent',
    ])
    expect(kinds({ rules, now: '2030-01-13T00:00:00Z' }, drafts)).toEqual([
      'keep',
      'removeNoncurrent',
      'removeNoncurrent',
    ])
  })

  test('a successor that is older by the clock than what it succeeded: the later instant counts', () => {
    const drafts = [{ created: '2029-01-01T00:00:00Z' }, { created: '2030-01-10T00:00:00Z' }]
    const rules = [rule(noncurrent(1))]
    expect(kinds({ rules, now: '2030-01-11T23:59:59.999Z' }, drafts)).toEqual(['keep', 'keep'])
    expect(kinds({ rules, now: '2030-01-12T00:00:00Z' }, drafts)).toEqual(['keep', 'removeNoncurrent'])
  })

  test('NewerNoncurrentVersions: so many of the newest noncurrent versions stay, and are named', () => {
    const drafts = Array.from({ length: 5 }, () => ({ created: '2020-01-01T00:00:00Z' }))
    const found = verdicts({ rules: [rule(noncurrent(1, 2))], now: '2030-01-01T00:00:00Z' }, drafts)
    expect(found.map(({ kind }) => kind)).toEqual([
      'keep',
      'keep',
      'keep',
      'removeNoncurrent',
      'removeNoncurrent',
    ])
    expect(found[4]).toMatchObject({ newerVersionIds: ['v2', 'v3'] })
  })

  test('NewerNoncurrentVersions: delete markers and versions of another filter do not count', () => {
    const old = '2020-01-01T00:00:00Z'
    const drafts = [
      { created: old },
      { created: old, isDeleteMarker: true },
      { created: old, sizeBytes: 5 },
      { created: old },
      { created: old },
    ]
    const rules = [rule({ filter: { ...everything, sizeGreaterThan: 10 }, ...noncurrent(1, 1) })]
    expect(kinds({ rules, now: '2030-01-01T00:00:00Z' }, drafts)).toEqual([
      'keep',
      'keep',
      'keep',
      'keep',
      'removeNoncurrent',
    ])
  })

  test('NewerNoncurrentVersions: rules count for themselves', () => {
    const drafts = Array.from({ length: 4 }, () => ({ created: '2020-01-01T00:00:00Z' }))
    const rules = [rule({ id: 'two', ...noncurrent(1, 2) }), rule({ id: 'one', ...noncurrent(1, 1) })]
    expect(verdicts({ rules, now: '2030-01-01T00:00:00Z' }, drafts)).toMatchObject([
      { kind: 'keep' },
      { kind: 'keep' },
      { kind: 'removeNoncurrent', ruleId: 'one', newerVersionIds: ['v2'] },
      { kind: 'removeNoncurrent', ruleId: 'two', newerVersionIds: ['v2', 'v3'] },
    ])
  })
})

describe('locks', () => {
  const old = '2020-01-01T00:00:00Z'
  const now = '2030-01-01T00:00:00.000Z'
  const locks: readonly (readonly [string, ObjectLockState, string])[] = [
    ['none', free, 'removeNoncurrent'],
    ['hold', held, 'locked'],
    ['hold OFF', { kind: 'known', retention: null, legalHold: 'OFF' }, 'removeNoncurrent'],
    ['unknown', unknown, 'locked'],
    ['COMPLIANCE to this instant', until('COMPLIANCE', now), 'locked'],
    ['COMPLIANCE to 1 ms before', until('COMPLIANCE', '2029-12-31T23:59:59.999Z'), 'removeNoncurrent'],
    ['GOVERNANCE to this instant', until('GOVERNANCE', now), 'locked'],
    ['GOVERNANCE to 1 ms before', until('GOVERNANCE', '2029-12-31T23:59:59.999Z'), 'removeNoncurrent'],
  ]
  test.each(locks)('a noncurrent version, lock %s: %3$s', (_title, lock, kind) => {
    const drafts = [{ created: old }, { created: old, lock }]
    expect(kinds({ rules: [rule(noncurrent(1))], now }, drafts)[1]).toBe(kind)
  })

  test.each(locks)(
    'the current version, lock %s: gets a marker, and is removed only where free',
    (_title, lock, kind) => {
      const drafts = [{ created: old, lock }]
      const expected = kind === 'locked' ? 'locked' : 'expireCurrent'
      expect(kinds({ rules: [rule(days(1))], now, versioning: 'Enabled' }, drafts)).toEqual(['expireCurrent'])
      expect(kinds({ rules: [rule(days(1))], now, versioning: 'Suspended' }, drafts)).toEqual([expected])
      expect(kinds({ rules: [rule(days(1))], now, versioning: 'Unversioned' }, drafts)).toEqual([expected])
    },
  )

  test('a locked version counts for NewerNoncurrentVersions', () => {
    const drafts = [{ created: old }, { created: old, lock: held }, { created: old }]
    expect(kinds({ rules: [rule(noncurrent(1, 1))], now }, drafts)).toEqual([
      'keep',
      'keep',
      'removeNoncurrent',
    ])
  })
})

describe('dueOfNoncurrent', () => {
  const created = at('2030-01-01T10:00:00Z')
  const successor = at('2030-01-05T10:00:00Z')

  test('A rule without NoncurrentVersionExpiration: never', () => {
    expect(dueOfNoncurrent(rule(days(1)), created, successor)).toBe(Number.POSITIVE_INFINITY)
  })

  test('A rule of 2 days: counted from the successor, or from the version where a clock was set back', () => {
    expect(dueOfNoncurrent(rule(noncurrent(2)), created, successor)).toBe(at('2030-01-08T00:00:00Z'))
    expect(dueOfNoncurrent(rule(noncurrent(2)), successor, created)).toBe(at('2030-01-08T00:00:00Z'))
  })
})
