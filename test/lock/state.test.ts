import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EpochMs } from '../../src/lib/units.ts'
import { decide } from '../../src/lock/rules.ts'
import { isActive, isLocked, lockedUntil, protection } from '../../src/lock/state.ts'
import type { LockRequest } from '../../src/lock/types.ts'
import { anyState, plainContext } from './arbitraries.ts'
import { at, compliance, day, governance, known, now, unknown } from './decision-words.ts'

describe('state', () => {
  test.each([
    ['never set', known(null), { kind: 'free' }, 'free'],
    ['a hold OFF', known(null, 'OFF'), { kind: 'free' }, 'free'],
    ['a hold ON', known(null, 'ON'), { kind: 'indefinite', cause: 'LegalHold' }, 'locked'],
    [
      'a hold ON outlasts a date',
      known(compliance(day), 'ON'),
      { kind: 'indefinite', cause: 'LegalHold' },
      'locked',
    ],
    [
      'a hold ON outlasts an expired date',
      known(governance(-day), 'ON'),
      { kind: 'indefinite', cause: 'LegalHold' },
      'locked',
    ],
    ['in force', known(governance(day)), { kind: 'until', retainUntilMs: at(day) }, 'locked'],
    ['at its date', known(compliance(0)), { kind: 'until', retainUntilMs: now }, 'locked'],
    ['one ms after its date', known(compliance(-1)), { kind: 'free' }, 'free'],
    ['unknown', unknown, { kind: 'indefinite', cause: 'LockStateUnknown' }, 'unknown'],
  ] as const)('lockedUntil: %s', (_title, state, until, expected) => {
    expect(lockedUntil(state, now)).toEqual(until)
    expect(protection(state, now)).toBe(expected)
    expect(isLocked(state, now)).toBe(expected !== 'free')
  })

  test('isActive: a time that is not a number, locked', () => {
    expect(isActive(governance(-day), Number.NaN as EpochMs)).toBe(true)
    expect(isActive({ mode: 'GOVERNANCE', retainUntilMs: Number.NaN as EpochMs }, now)).toBe(true)
  })

  test('isLocked: any state, true exactly when a plain delete of the version is denied', () => {
    const remove: LockRequest = {
      kind: 'DeleteObjectVersion',
      isDeleteMarker: false,
      bypassGovernance: false,
    }
    fc.assert(
      fc.property(plainContext, anyState, (context, state) => {
        expect(isLocked(state, context.nowMs)).toBe(decide(context, state, remove).kind === 'deny')
      }),
    )
  })
})
