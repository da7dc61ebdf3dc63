import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultRetentionFor } from '../../src/lock/create.ts'
import { type ExistingAnswer, type ExistingScope, retentionForExisting } from '../../src/lock/existing.ts'
import { activeRetention, extendsRetention } from '../../src/lock/state.ts'
import type { BucketRetention, LegalHoldStatus, Retention, RetentionMode } from '../../src/lock/types.ts'
import { anyBucketRetention, anyMode } from './arbitraries.ts'
import { at, compliance, day, governance, now } from './decision-words.ts'

const rule = (mode: RetentionMode, count: number): BucketRetention => ({
  defaultRetention: { mode, period: { unit: 'DAYS', count } },
  prefixRules: [{ prefix: 'long/', period: { unit: 'DAYS', count: count * 2 } }],
})

type Row = {
  readonly bucket: BucketRetention
  readonly scope?: ExistingScope
  readonly retention?: Retention | null
  readonly legalHold?: LegalHoldStatus
  readonly key?: string
  readonly createdAgoMs?: number
}

function answer({ bucket, scope = 'ExtendOnly', retention = null, key = 'k', ...row }: Row): ExistingAnswer {
  const createdMs = at(-(row.createdAgoMs ?? 0))
  const state = { kind: 'known', retention, legalHold: row.legalHold ?? null } as const
  return retentionForExisting({ nowMs: now, key, createdMs, state, bucket, scope })
}

const enough = { kind: 'enough' }
const otherMode = { kind: 'otherMode' }
const extend = (next: Retention) => ({ kind: 'extend', next })
const expired = { mode: 'COMPLIANCE', retainUntilMs: at(-1) } as const

describe('retentionForExisting', () => {
  const rows: readonly (readonly [string, Row, object])[] = [
    ['no rule, nothing is asked', { bucket: { defaultRetention: null, prefixRules: [] } }, enough],
    [
      'no lock, the rule counts from the creation',
      { bucket: rule('GOVERNANCE', 10), createdAgoMs: 4 * day },
      extend(governance(6 * day)),
    ],
    [
      'no lock, the longest prefix rule counts',
      { bucket: rule('COMPLIANCE', 10), key: 'long/k' },
      extend(compliance(20 * day)),
    ],
    [
      'a period that ends this very millisecond is in force',
      { bucket: rule('COMPLIANCE', 4), createdAgoMs: 4 * day },
      extend(compliance(0)),
    ],
    [
      'a period that ended a millisecond ago, nothing',
      { bucket: rule('COMPLIANCE', 4), createdAgoMs: 4 * day + 1 },
      enough,
    ],
    [
      'an expired lock of another mode, as no lock',
      { bucket: rule('GOVERNANCE', 4), retention: expired },
      extend(governance(4 * day)),
    ],
    [
      'a hold alone is no retention',
      { bucket: rule('GOVERNANCE', 4), legalHold: 'ON' },
      extend(governance(4 * day)),
    ],
    [
      'the same mode, shorter',
      { bucket: rule('COMPLIANCE', 4), retention: compliance(day) },
      extend(compliance(4 * day)),
    ],
    ['the same mode, equal', { bucket: rule('COMPLIANCE', 4), retention: compliance(4 * day) }, enough],
    ['the same mode, longer', { bucket: rule('COMPLIANCE', 4), retention: compliance(9 * day) }, enough],
    [
      'COMPLIANCE in force that covers a GOVERNANCE rule',
      { bucket: rule('GOVERNANCE', 4), retention: compliance(4 * day) },
      enough,
    ],
    [
      'COMPLIANCE in force, shorter than a GOVERNANCE rule, is not prolonged',
      { bucket: rule('GOVERNANCE', 4), scope: 'IncludingModeChange', retention: compliance(day) },
      otherMode,
    ],
    [
      'GOVERNANCE in force under a COMPLIANCE rule, ExtendOnly leaves it',
      { bucket: rule('COMPLIANCE', 4), retention: governance(day) },
      otherMode,
    ],
    [
      'GOVERNANCE in force, IncludingModeChange makes it COMPLIANCE',
      { bucket: rule('COMPLIANCE', 4), scope: 'IncludingModeChange', retention: governance(day) },
      extend(compliance(4 * day)),
    ],
    [
      'GOVERNANCE that lasts longer, keeps its date as COMPLIANCE',
      { bucket: rule('COMPLIANCE', 4), scope: 'IncludingModeChange', retention: governance(9 * day) },
      extend(compliance(9 * day)),
    ],
  ]
  test.each(rows)('%s', (_title, row, expected) => {
    expect(answer(row)).toEqual(expected)
  })

  test('any lock and rule: never less than what is in force, and never less than the rule unless the mode stands in the way', () => {
    const anyRetention = fc.option(
      fc.record({
        mode: anyMode,
        retainUntilMs: fc.integer({ min: -9, max: 9 }).map((days) => at(days * day)),
      }),
      { nil: null },
    )
    const anyScope = fc.constantFrom<ExistingScope>('ExtendOnly', 'IncludingModeChange')
    fc.assert(
      fc.property(
        anyBucketRetention,
        anyRetention,
        anyScope,
        fc.integer({ min: 0, max: 20 }),
        (bucket, retention, scope, ageDays) => {
          const result = answer({ bucket, retention, scope, createdAgoMs: ageDays * day })
          const current = activeRetention({ kind: 'known', retention, legalHold: null }, now)
          const wanted = defaultRetentionFor(bucket, at(-ageDays * day), 'k')
          if (result.kind === 'extend') {
            expect(current === null || extendsRetention(current, result.next)).toBe(true)
            expect(wanted !== null && extendsRetention(wanted, result.next)).toBe(true)
            expect(result.next).not.toEqual(current)
          }
          if (result.kind === 'enough' && wanted !== null && wanted.retainUntilMs >= now) {
            expect(extendsRetention(wanted, current)).toBe(true)
          }
          if (result.kind === 'otherMode') expect(current?.mode).not.toBe(wanted?.mode)
        },
      ),
    )
  })
})
