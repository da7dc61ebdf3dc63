import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dayMs, epochMs } from '../../src/lib/units.ts'
import {
  appliesTo,
  judgeVersion,
  type LifecycleContext,
  type LifecycleExpiration,
  type LifecycleFilter,
  type LifecycleRule,
  type LifecycleVerdict,
  type LifecycleVersion,
  nothingNewer,
  passVersion,
  uploadToAbort,
} from '../../src/lock/lifecycle.ts'
import { isLocked } from '../../src/lock/state.ts'
import type { ObjectLockState } from '../../src/lock/types.ts'

const at = (text: string) => epochMs(Date.parse(text))
const everything: LifecycleFilter = {
  form: 'Filter',
  prefix: null,
  tags: [],
  sizeGreaterThan: null,
  sizeLessThan: null,
}
const free: ObjectLockState = { kind: 'known', retention: null, legalHold: null }
const held: ObjectLockState = { kind: 'known', retention: null, legalHold: 'ON' }
const unknown: ObjectLockState = { kind: 'unknown', cause: 'a test' }
const until = (mode: 'GOVERNANCE' | 'COMPLIANCE', text: string): ObjectLockState => ({
  kind: 'known',
  retention: { mode, retainUntilMs: at(text) },
  legalHold: null,
})

function rule(change: Partial<LifecycleRule>): LifecycleRule {
  return {
    id: 'rule',
    status: 'Enabled',
    filter: everything,
    expiration: null,
    noncurrentVersionExpiration: null,
    abortIncompleteMultipartUpload: null,
    ...change,
  }
}
const days = (count: number): Partial<LifecycleRule> => ({ expiration: { kind: 'days', days: count } })
const noncurrent = (noncurrentDays: number, newerNoncurrentVersions: number | null = null) => ({
  noncurrentVersionExpiration: { noncurrentDays, newerNoncurrentVersions },
})
const markers: LifecycleExpiration = { kind: 'expiredObjectDeleteMarker', isWanted: true }

type Draft = Partial<Omit<LifecycleVersion, 'createdMs' | 'isOldest'>> & { readonly created: string }

/** Verdicts on the versions of the key `logs/a`, given newest first and named v1, v2, … */
function verdicts(
  context: Partial<LifecycleContext> & { readonly now: string },
  drafts: readonly Draft[],
): readonly LifecycleVerdict[] {
  const whole: LifecycleContext = {
    rules: [],
    key: 'logs/a',
    versioning: 'Enabled',
    nowMs: at(context.now),
    ...context,
  }
  let newer = nothingNewer
  return drafts.map(({ created, ...draft }, index) => {
    const version: LifecycleVersion = {
      versionId: `v${index + 1}`,
      isDeleteMarker: false,
      createdMs: at(created),
      sizeBytes: 100,
      tags: {},
      lock: free,
      isOldest: index === drafts.length - 1,
      ...draft,
    }
    const verdict = judgeVersion(whole, newer, version)
    newer = passVersion(whole, newer, version)
    return verdict
  })
}
const kinds = (...given: Parameters<typeof verdicts>) => verdicts(...given).map(({ kind }) => kind)

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

describe('filters', () => {
  const version = {
    isDeleteMarker: false,
    sizeBytes: 100,
    tags: { a: '1', b: '2' } as Record<string, string>,
  }
  const marker = { isDeleteMarker: true, sizeBytes: 0, tags: {} }
  const applies = (filter: Partial<LifecycleFilter>, to = version) =>
    appliesTo({ status: 'Enabled', filter: { ...everything, ...filter } }, 'logs/a', to)

  test.each<[string, Partial<LifecycleFilter>, boolean]>([
    ['of nothing', {}, true],
    ['of its prefix', { prefix: 'logs/' }, true],
    ['of its whole key', { prefix: 'logs/a' }, true],
    ['of a longer prefix', { prefix: 'logs/a/' }, false],
    ['of an empty prefix', { prefix: '' }, true],
    [
      'of both tags',
      {
        tags: [
          { key: 'b', value: '2' },
          { key: 'a', value: '1' },
        ],
      },
      true,
    ],
    ['of another value', { tags: [{ key: 'a', value: '2' }] }, false],
    ['of a tag that is a name of every object', { tags: [{ key: 'toString', value: '1' }] }, false],
    ['greater than its size less 1', { sizeGreaterThan: 99 }, true],
    ['greater than its size', { sizeGreaterThan: 100 }, false],
    ['less than its size', { sizeLessThan: 100 }, false],
    ['less than its size and 1', { sizeLessThan: 101 }, true],
    ['of prefix and tag, one of them another', { prefix: 'x', tags: [{ key: 'a', value: '1' }] }, false],
  ])('a filter %s: %3$s', (_title, filter, expected) => {
    expect(applies(filter)).toBe(expected)
  })

  test('a delete marker: only filters of a prefix are about it', () => {
    expect(applies({ prefix: 'logs/' }, marker)).toBe(true)
    expect(applies({ tags: [{ key: 'a', value: '1' }] }, marker)).toBe(false)
    expect(applies({ sizeGreaterThan: 0 }, marker)).toBe(false)
    expect(applies({ sizeLessThan: 10 }, marker)).toBe(false)
  })
})

describe('AbortIncompleteMultipartUpload', () => {
  const abort = { abortIncompleteMultipartUpload: { daysAfterInitiation: 7 } }
  const initiatedMs = at('2030-01-01T10:00:00Z')
  const judged = (rules: readonly LifecycleRule[], now: string) =>
    uploadToAbort({ rules, key: 'logs/a', nowMs: at(now) }, initiatedMs)

  test('an upload goes at the midnight after the days, and not before', () => {
    expect(judged([rule(abort)], '2030-01-08T23:59:59.999Z')).toBeNull()
    expect(judged([rule(abort)], '2030-01-09T00:00:00.000Z')).toBe('rule')
  })

  test('a disabled rule, another prefix, no such action: the upload stays', () => {
    const rules = [
      rule({ ...abort, status: 'Disabled' }),
      rule({ ...abort, filter: { ...everything, prefix: 'x' } }),
      rule(days(1)),
    ]
    expect(judged(rules, '2035-01-01T00:00:00Z')).toBeNull()
  })
})

describe('I15: lifecycle is harmless', () => {
  const instant = fc
    .integer({ min: 0, max: 60 * dayMs })
    .map((ms) => epochMs(at('2030-01-01T00:00:00Z') + ms))
  const lock = fc.oneof(
    fc.constant(free),
    fc.constant(unknown),
    fc.record({
      kind: fc.constant('known' as const),
      retention: fc.option(
        fc.record({
          mode: fc.constantFrom('GOVERNANCE' as const, 'COMPLIANCE' as const),
          retainUntilMs: instant,
        }),
        { nil: null },
      ),
      legalHold: fc.constantFrom(null, 'ON' as const, 'OFF' as const),
    }),
  )
  const smallDays = fc.integer({ min: 1, max: 5 })
  const filter = fc.record({
    form: fc.constant('And' as const),
    prefix: fc.constantFrom(null, '', 'logs/', 'other'),
    tags: fc.constantFrom([], [{ key: 'a', value: '1' }]),
    sizeGreaterThan: fc.constantFrom(null, 50),
    sizeLessThan: fc.constantFrom(null, 80),
  })
  const anyRule = fc.record({
    id: fc.constantFrom('r1', 'r2'),
    status: fc.constantFrom('Enabled' as const, 'Disabled' as const),
    filter,
    expiration: fc.option(
      fc.oneof(
        fc.record({ kind: fc.constant('days' as const), days: smallDays }),
        fc.record({ kind: fc.constant('date' as const), dateMs: instant }),
        fc.record({ kind: fc.constant('expiredObjectDeleteMarker' as const), isWanted: fc.boolean() }),
      ),
      { nil: null },
    ),
    noncurrentVersionExpiration: fc.option(
      fc.record({ noncurrentDays: smallDays, newerNoncurrentVersions: fc.option(smallDays, { nil: null }) }),
      { nil: null },
    ),
    abortIncompleteMultipartUpload: fc.constant(null),
  })
  const draft = fc.record({
    isDeleteMarker: fc.boolean(),
    createdMs: instant,
    sizeBytes: fc.constantFrom(10, 60, 100),
    tags: fc.constantFrom({}, { a: '1' }),
    lock,
  })
  const scene = fc.record({
    rules: fc.array(anyRule, { maxLength: 4 }),
    versioning: fc.constantFrom('Enabled' as const, 'Suspended' as const, 'Unversioned' as const),
    nowMs: instant,
    drafts: fc.array(draft, { minLength: 1, maxLength: 8 }),
  })

  test('no rules, dates or clock: nothing is proposed that would take the bytes of a locked version', () => {
    fc.assert(
      fc.property(scene, ({ rules, versioning, nowMs, drafts }) => {
        const context: LifecycleContext = { rules, versioning, nowMs, key: 'logs/a' }
        let newer = nothingNewer
        drafts.forEach((each, index) => {
          const isOldest = index === drafts.length - 1
          const version: LifecycleVersion = { ...each, versionId: `v${index}`, isOldest }
          const verdict = judgeVersion(context, newer, version)
          newer = passVersion(context, newer, version)
          if (verdict.kind === 'keep' || verdict.kind === 'locked') return
          const isMarkerOnTop = verdict.kind === 'expireCurrent' && versioning === 'Enabled'
          const protects = version.isDeleteMarker
            ? version.lock.kind === 'unknown'
            : isLocked(version.lock, nowMs)
          expect(protects && !isMarkerOnTop).toBe(false)
          expect(verdict.dueMs).toBeLessThanOrEqual(nowMs)
          expect(verdict.kind === 'removeNoncurrent').toBe(index > 0)
          expect(rules.some(({ id, status }) => id === verdict.ruleId && status === 'Enabled')).toBe(true)
          for (const id of verdict.newerVersionIds) expect(['v0', version.versionId]).not.toContain(id)
        })
      }),
      { numRuns: 3000 },
    )
  })

  test('a later clock proposes whatever an earlier one did, until a lock is set', () => {
    fc.assert(
      fc.property(scene, fc.integer({ min: 0, max: 40 * dayMs }), (given, laterMs) => {
        const judged = (nowMs: number) => {
          const context: LifecycleContext = { ...given, nowMs: epochMs(nowMs), key: 'logs/a' }
          let newer = nothingNewer
          return given.drafts.map((each, index) => {
            const isOldest = index === given.drafts.length - 1
            const version: LifecycleVersion = { ...each, lock: free, versionId: `v${index}`, isOldest }
            const { kind } = judgeVersion(context, newer, version)
            newer = passVersion(context, newer, version)
            return kind
          })
        }
        const later = judged(given.nowMs + laterMs)
        judged(given.nowMs).forEach((kind, index) => {
          if (kind !== 'keep') expect(later[index]).toBe(kind)
        })
      }),
      { numRuns: 1000 },
    )
  })
})
