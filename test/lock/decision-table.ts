/**
 * The decision table as data: one row per line of the specification, boundaries
 * included. Its words and the instant of every row are in `decision-words.ts`.
 */
import type {
  DenyReason,
  LockContext,
  ObjectLockState,
  Retention,
  RetentionMode,
} from '../../src/lock/types.ts'
import { maximumRows, minimumRows } from './decision-table-bounds.ts'
import {
  at,
  bypassed,
  compliance,
  day,
  denied,
  type Expected,
  free,
  governance,
  hold,
  known,
  lift,
  now,
  put,
  putBypassing,
  type Row,
  remove,
  removeBypassing,
  removeMarker,
  unknown,
} from './decision-words.ts'

const bothModes = [
  ['GOVERNANCE', governance, 'GovernanceRetention'],
  ['COMPLIANCE', compliance, 'ComplianceRetention'],
] as const satisfies readonly (readonly [RetentionMode, typeof governance, DenyReason])[]

const deleteRows: readonly Row[] = [
  {
    title: 'a version without locks, delete is allowed',
    state: known(null),
    request: remove,
    expected: free,
  },
  { title: 'a hold set OFF, delete is allowed', state: known(null, 'OFF'), request: remove, expected: free },
  {
    title: 'a hold ON, delete is denied',
    state: known(null, 'ON'),
    request: remove,
    expected: denied('LegalHold', null),
  },
  {
    title: 'a hold ON, bypass does not override it',
    state: known(null, 'ON'),
    request: removeBypassing,
    expected: denied('LegalHold', null),
  },
  {
    title: 'a hold ON and an expired retention, delete is denied',
    state: known(compliance(-day), 'ON'),
    request: remove,
    expected: denied('LegalHold', null),
  },
  {
    title: 'a hold ON and GOVERNANCE in force, bypass does not override the hold',
    state: known(governance(day), 'ON'),
    request: removeBypassing,
    expected: denied('LegalHold', null),
  },
  {
    title: 'a hold ON and COMPLIANCE in force, the hold is named because it lasts longer',
    state: known(compliance(day), 'ON'),
    request: remove,
    expected: denied('LegalHold', null),
  },
  {
    title: 'COMPLIANCE in force, delete is denied',
    state: known(compliance(day)),
    request: remove,
    expected: denied('ComplianceRetention', day),
  },
  {
    title: 'COMPLIANCE in force, bypass does not override it',
    state: known(compliance(day)),
    request: removeBypassing,
    expected: denied('ComplianceRetention', day),
  },
  {
    title: 'COMPLIANCE in force and a hold OFF, delete is denied',
    state: known(compliance(day), 'OFF'),
    request: remove,
    expected: denied('ComplianceRetention', day),
  },
  {
    title: 'GOVERNANCE in force, delete is denied',
    state: known(governance(day)),
    request: remove,
    expected: denied('GovernanceRetention', day),
  },
  {
    title: 'GOVERNANCE in force, delete with bypass is allowed',
    state: known(governance(day)),
    request: removeBypassing,
    expected: bypassed,
  },
  ...bothModes.flatMap(([mode, retention, reason]): readonly Row[] => [
    {
      title: `${mode} one ms before its date, denied`,
      state: known(retention(1)),
      request: remove,
      expected: denied(reason, 1),
    },
    {
      title: `${mode} exactly at its date, denied`,
      state: known(retention(0)),
      request: remove,
      expected: denied(reason, 0),
    },
    {
      title: `${mode} one ms after its date, allowed`,
      state: known(retention(-1)),
      request: remove,
      expected: free,
    },
  ]),
  { title: 'a delete marker, delete is allowed', state: known(null), request: removeMarker, expected: free },
  {
    title: 'a delete marker that carries a lock by mistake, delete is allowed',
    state: known(compliance(day), 'ON'),
    request: removeMarker,
    expected: free,
  },
  {
    title: 'an unknown lock, delete is denied',
    state: unknown,
    request: remove,
    expected: denied('LockStateUnknown', null),
  },
  {
    title: 'an unknown lock, bypass does not override it',
    state: unknown,
    request: removeBypassing,
    expected: denied('LockStateUnknown', null),
  },
  {
    title: 'an unknown lock on a delete marker, delete is denied',
    state: unknown,
    request: removeMarker,
    expected: denied('LockStateUnknown', null),
  },
  {
    title: 'a request clock ahead of trusted time, expiry is judged by trusted time',
    context: { requestMs: at(2 * day) },
    state: known(compliance(day)),
    request: remove,
    expected: denied('ComplianceRetention', day),
  },
  {
    title: 'a bucket that never had Object Lock, delete is allowed',
    context: { bucketLock: null },
    state: known(null),
    request: remove,
    expected: free,
  },
  {
    title: 'bounds play no part in a delete',
    context: {
      policyMode: 'COMPLIANCE',
      bounds: { minimum: { unit: 'DAYS', count: 1 }, maximum: { unit: 'DAYS', count: 2 } },
    },
    state: known(governance(day)),
    request: removeBypassing,
    expected: bypassed,
  },
]

/** The transitions of PutObjectRetention: current, requested, without and with bypass. */
const transitions: readonly (readonly [string, Retention | null, Retention | null, Expected, Expected])[] = [
  ['none, GOVERNANCE', null, governance(day), free, free],
  ['none, COMPLIANCE', null, compliance(day), free, free],
  ['none, empty Retention', null, null, free, free],
  ['expired GOVERNANCE, GOVERNANCE', governance(-1), governance(day), free, free],
  ['expired GOVERNANCE, COMPLIANCE', governance(-1), compliance(day), free, free],
  ['expired GOVERNANCE, empty Retention', governance(-1), null, free, free],
  ['expired COMPLIANCE, GOVERNANCE', compliance(-1), governance(day), free, free],
  ['expired COMPLIANCE, COMPLIANCE', compliance(-1), compliance(day), free, free],
  ['expired COMPLIANCE, empty Retention', compliance(-1), null, free, free],
  ['GOVERNANCE, one ms later', governance(day), governance(day + 1), free, free],
  ['GOVERNANCE, equal date', governance(day), governance(day), free, free],
  [
    'GOVERNANCE, one ms earlier',
    governance(day),
    governance(day - 1),
    denied('GovernanceRetention', day),
    bypassed,
  ],
  [
    'GOVERNANCE, COMPLIANCE later',
    governance(day),
    compliance(2 * day),
    denied('GovernanceRetention', day),
    bypassed,
  ],
  [
    'GOVERNANCE, COMPLIANCE equal date',
    governance(day),
    compliance(day),
    denied('GovernanceRetention', day),
    bypassed,
  ],
  [
    'GOVERNANCE, COMPLIANCE earlier',
    governance(day),
    compliance(1),
    denied('GovernanceRetention', day),
    bypassed,
  ],
  ['GOVERNANCE, empty Retention', governance(day), null, denied('GovernanceRetention', day), bypassed],
  [
    'GOVERNANCE at its date, empty Retention',
    governance(0),
    null,
    denied('GovernanceRetention', 0),
    bypassed,
  ],
  ['COMPLIANCE, one ms later', compliance(day), compliance(day + 1), free, free],
  ['COMPLIANCE, equal date', compliance(day), compliance(day), free, free],
  ...refusedTransitions(['COMPLIANCE, one ms earlier', compliance(day), compliance(day - 1)]),
  ...refusedTransitions(['COMPLIANCE, GOVERNANCE later', compliance(day), governance(2 * day)]),
  ...refusedTransitions(['COMPLIANCE, GOVERNANCE equal date', compliance(day), governance(day)]),
  ...refusedTransitions(['COMPLIANCE, GOVERNANCE earlier', compliance(day), governance(1)]),
  ...refusedTransitions(['COMPLIANCE, empty Retention', compliance(day), null]),
  [
    'COMPLIANCE at its date, empty Retention',
    compliance(0),
    null,
    denied('ComplianceRetention', 0),
    denied('ComplianceRetention', 0),
  ],
]

function refusedTransitions([title, current, next]: readonly [
  string,
  Retention,
  Retention | null,
]): readonly (readonly [string, Retention, Retention | null, Expected, Expected])[] {
  const refusal = denied('ComplianceRetention', current.retainUntilMs - now)
  return [[title, current, next, refusal, refusal]]
}

const retentionRows: readonly Row[] = transitions.flatMap(([title, current, next, plain, withBypass]) => [
  { title: `${title}, without bypass`, state: known(current), request: put(next), expected: plain },
  {
    title: `${title}, with bypass`,
    state: known(current),
    request: putBypassing(next),
    expected: withBypass,
  },
  {
    title: `${title}, a hold ON plays no part`,
    state: known(current, 'ON'),
    request: put(next),
    expected: plain,
  },
  {
    title: `${title}, unknown lock is denied`,
    state: unknown,
    request: putBypassing(next),
    expected: denied('LockStateUnknown', null),
  },
  {
    title: `${title}, frozen bucket is denied`,
    context: { bucketLock: 'Frozen' },
    state: known(current),
    request: putBypassing(next),
    expected: denied('BucketFrozen', null),
  },
])

const holdStates: readonly (readonly [string, ObjectLockState])[] = [
  ['never set', known(null)],
  ['OFF', known(null, 'OFF')],
  ['ON', known(null, 'ON')],
  ['GOVERNANCE in force', known(governance(day), 'ON')],
  ['COMPLIANCE in force', known(compliance(day), 'ON')],
  ['COMPLIANCE expired', known(compliance(-day), 'ON')],
]

const holdRows: readonly Row[] = [
  ...holdStates.flatMap(([title, state]): readonly Row[] => [
    { title: `${title}, hold ON is allowed`, state, request: hold, expected: free },
    { title: `${title}, hold OFF is allowed`, state, request: lift, expected: free },
    {
      title: `${title}, hold ON in a frozen bucket is denied`,
      context: { bucketLock: 'Frozen' },
      state,
      request: hold,
      expected: denied('BucketFrozen', null),
    },
    {
      title: `${title}, hold OFF in a frozen bucket is allowed`,
      context: { bucketLock: 'Frozen' },
      state,
      request: lift,
      expected: free,
    },
  ]),
  {
    title: 'unknown, hold ON is denied',
    state: unknown,
    request: hold,
    expected: denied('LockStateUnknown', null),
  },
  {
    title: 'unknown, hold OFF is denied',
    state: unknown,
    request: lift,
    expected: denied('LockStateUnknown', null),
  },
]

const frozen: Partial<LockContext> = { bucketLock: 'Frozen' }
const frozenDeleteRows: readonly Row[] = [
  {
    title: 'frozen bucket, an unlocked version may go',
    context: frozen,
    state: known(null),
    request: remove,
    expected: free,
  },
  {
    title: 'frozen bucket, a COMPLIANCE lock stays in force',
    context: frozen,
    state: known(compliance(day)),
    request: removeBypassing,
    expected: denied('ComplianceRetention', day),
  },
  {
    title: 'frozen bucket, a GOVERNANCE lock stays in force',
    context: frozen,
    state: known(governance(day)),
    request: remove,
    expected: denied('GovernanceRetention', day),
  },
  {
    title: 'frozen bucket, a hold stays in force',
    context: frozen,
    state: known(null, 'ON'),
    request: removeBypassing,
    expected: denied('LegalHold', null),
  },
]

export const decisionTable: readonly (readonly [string, readonly Row[]])[] = [
  ['DeleteObjectVersion', [...deleteRows, ...frozenDeleteRows]],
  ['PutObjectRetention', retentionRows],
  ['PutObjectLegalHold', holdRows],
  ['minimum', minimumRows],
  ['maximum', maximumRows],
]
