/** Rows of the policy's bounds on the dates that clients ask for. */
import { addMs, durationMs } from '../../src/lib/units.ts'
import type { LockContext, LockRequest, Retention } from '../../src/lock/types.ts'
import {
  bypassed,
  compliance,
  day,
  denied,
  type Expected,
  free,
  governance,
  hold,
  known,
  now,
  put,
  putBypassing,
  type Row,
  unknown,
} from './decision-words.ts'

const tenDays = { unit: 'DAYS', count: 10 } as const
const oneYear = { unit: 'YEARS', count: 1 } as const
const minimum: Partial<LockContext> = { bounds: { minimum: tenDays, maximum: null } }
const complianceMinimum: Partial<LockContext> = { ...minimum, policyMode: 'COMPLIANCE' }
const governanceMinimum: Partial<LockContext> = { ...minimum, policyMode: 'GOVERNANCE' }
const maximum: Partial<LockContext> = { bounds: { minimum: null, maximum: tenDays } }
const below = denied('BelowMinimum', null)
const later = addMs(now, durationMs(day))

function bound(
  title: string,
  context: Partial<LockContext>,
  current: Retention | null,
  question: readonly [LockRequest, Expected],
): Row {
  return { title, context, state: known(current), request: question[0], expected: question[1] }
}

export const minimumRows: readonly Row[] = [
  bound('minimum, one ms below', minimum, null, [put(governance(10 * day - 1)), below]),
  bound('minimum, exactly at it', minimum, null, [put(governance(10 * day)), free]),
  bound('minimum, expired counts as none', minimum, governance(-1), [put(governance(day)), below]),
  bound('minimum, an extension below it passes', minimum, governance(day), [put(governance(2 * day)), free]),
  bound('minimum, an equal date below it passes', minimum, governance(day), [put(governance(day)), free]),
  bound('minimum, a COMPLIANCE extension below it passes', complianceMinimum, compliance(day), [
    put(compliance(2 * day)),
    free,
  ]),
  bound('minimum, GOVERNANCE to COMPLIANCE with bypass below it passes', complianceMinimum, governance(day), [
    putBypassing(compliance(2 * day)),
    bypassed,
  ]),
  bound('minimum, a bypassed shortening below it', minimum, governance(20 * day), [
    putBypassing(governance(10 * day - 1)),
    below,
  ]),
  bound('minimum, a bypassed shortening down to it', minimum, governance(20 * day), [
    putBypassing(governance(10 * day)),
    bypassed,
  ]),
  bound('minimum, a bypassed removal', minimum, governance(20 * day), [
    putBypassing(null),
    denied('BelowMinimum', 20 * day),
  ]),
  bound('minimum, an empty Retention with nothing in force', minimum, governance(-1), [put(null), free]),
  bound('minimum, the weaker mode than the policy', complianceMinimum, null, [
    put(governance(20 * day)),
    below,
  ]),
  bound('minimum, the policy mode', complianceMinimum, null, [put(compliance(20 * day)), free]),
  bound('minimum, the stronger mode than the policy', governanceMinimum, null, [
    put(compliance(20 * day)),
    free,
  ]),
  bound('minimum, extending the weaker mode passes', complianceMinimum, governance(20 * day), [
    put(governance(21 * day)),
    free,
  ]),
  bound('no minimum, the weaker mode than the policy passes', { policyMode: 'COMPLIANCE' }, null, [
    put(governance(day)),
    free,
  ]),
  bound(
    'minimum, counted from the request and not from trusted time',
    { ...minimum, requestMs: later },
    null,
    [put(governance(11 * day - 1)), below],
  ),
  bound('minimum, reached from the request', { ...minimum, requestMs: later }, null, [
    put(governance(11 * day)),
    free,
  ]),
  bound('minimum of a year', { bounds: { minimum: oneYear, maximum: null } }, null, [
    put(governance(365 * day - 1)),
    below,
  ]),
  bound('minimum, a hold is no date', minimum, null, [hold, free]),
]

export const maximumRows: readonly Row[] = [
  bound('maximum, exactly at it', maximum, null, [put(compliance(10 * day)), free]),
  bound('maximum, one ms above', maximum, null, [put(compliance(10 * day + 1)), denied('AboveMaximum', 1)]),
  bound('maximum, an extension above it', maximum, compliance(day), [
    put(compliance(11 * day)),
    denied('AboveMaximum', day),
  ]),
  bound('maximum, what is in force put back unchanged', maximum, compliance(20 * day), [
    put(compliance(20 * day)),
    free,
  ]),
  bound('maximum, one ms more than what is in force', maximum, compliance(20 * day), [
    put(compliance(20 * day + 1)),
    denied('AboveMaximum', 10 * day + 1),
  ]),
  bound('maximum, the date in force in the stronger mode', maximum, governance(20 * day), [
    putBypassing(compliance(20 * day)),
    denied('AboveMaximum', 10 * day),
  ]),
  bound('maximum, a bypassed shortening that stays above it', maximum, governance(20 * day), [
    putBypassing(governance(15 * day)),
    denied('AboveMaximum', 5 * day),
  ]),
  bound('maximum, a removal asks for no date', maximum, governance(20 * day), [putBypassing(null), bypassed]),
  bound('maximum, counted from the request', { ...maximum, requestMs: later }, null, [
    put(compliance(11 * day)),
    free,
  ]),
  bound('maximum of a year, a date above it', { bounds: { minimum: null, maximum: oneYear } }, null, [
    put(compliance(366 * day)),
    denied('AboveMaximum', day),
  ]),
  {
    title: 'maximum, an unknown lock is named first',
    context: maximum,
    state: unknown,
    request: put(compliance(20 * day)),
    expected: denied('LockStateUnknown', null),
  },
]
