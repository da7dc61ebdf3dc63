import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dayMs, epochMs } from '../../src/lib/units.ts'
import {
  appliesTo,
  judgeVersion,
  type LifecycleContext,
  type LifecycleFilter,
  type LifecycleRule,
  type LifecycleVersion,
  nothingNewer,
  passVersion,
  uploadToAbort,
} from '../../src/lock/lifecycle.ts'
import { isLocked } from '../../src/lock/state.ts'
import { at, days, everything, free, rule, unknown } from './lifecycle-words.ts'

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
