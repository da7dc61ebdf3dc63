/** The cases of a BucketAccess; see rule-cases.ts. */
import { type RuleCase, refused, schema } from './rule-words.ts'

const named = (...names: readonly string[]) => ({ buckets: names.map((name) => ({ name })) })
const whole = (more: object = {}): object => ({
  ...named('ledger'),
  role: 'ReadOnly',
  secretName: 'ledger-s3',
  ...more,
})
const given = { secretName: undefined, existingSecret: 'own' }
const rotating = (rotation: object) => whole({ rotation })
const oneSecret = refused('ExactlyOneSecret', 'spec')
const kept = refused('SecretNameImmutable', 'spec.secretName')
const many = Array.from({ length: 65 }, (_, index) => `b${index}`)

function cases(
  rows: readonly (readonly [string, object | null, object, RuleCase['expected']])[],
): readonly RuleCase[] {
  return rows.map(([title, old, next, expected]) => ({ title, kind: 'BucketAccess', old, next, expected }))
}

export const bucketAccesses: readonly RuleCase[] = cases([
  ['one bucket, a Secret to write', null, whole(), 'accepted'],
  ['a Secret of its own', null, whole(given), 'accepted'],
  ['64 buckets', null, whole(named(...many.slice(1))), 'accepted'],
  ['65 buckets', null, whole(named(...many)), schema('spec.buckets')],
  ['no bucket', null, whole({ buckets: [] }), schema('spec.buckets')],
  ['a bucket twice', null, whole(named('a', 'a')), schema('spec.buckets[1]')],
  ['a bucket of another namespace', null, whole(named('theirs/ledger')), schema('spec.buckets[0].name')],
  ['a wildcard for a bucket', null, whole(named('*')), schema('spec.buckets[0].name')],
  ['no role', null, whole({ role: undefined }), schema('spec.role')],
  ['a role that is none', null, whole({ role: 'Admin' }), schema('spec.role')],
  ['both Secrets', null, whole({ existingSecret: 'own' }), oneSecret],
  ['no Secret', null, whole({ secretName: undefined }), oneSecret],
  ['a Secret of another namespace', null, whole({ secretName: 'theirs/own' }), schema('spec.secretName')],
  ['a rotation every hour', null, rotating({ period: '60m', gracePeriod: '3599s' }), 'accepted'],
  ['a rotation on demand', null, rotating({}), 'accepted'],
  ['no grace', null, rotating({ gracePeriod: '0s' }), 'accepted'],
  [
    'a rotation too often',
    null,
    rotating({ period: '59m' }),
    refused('RotationPeriodLong', 'spec.rotation.period'),
  ],
  [
    'a grace as long as the period',
    null,
    rotating({ period: '2h', gracePeriod: '120m' }),
    refused('GraceWithinPeriod', 'spec.rotation.gracePeriod'),
  ],
  ['a period in days', null, rotating({ period: '30d' }), schema('spec.rotation.period')],
  ['a period of two units', null, rotating({ period: '1h30m' }), schema('spec.rotation.period')],
  [
    'a rotation of keys of its own',
    null,
    whole({ ...given, rotation: { period: '24h' } }),
    refused('RotationOfOwnSecret', 'spec.rotation'),
  ],
  ['another role, other buckets', whole(), whole({ ...named('a', 'b'), role: 'Auditor' }), 'accepted'],
  ['another existingSecret', whole(given), whole({ ...given, existingSecret: 'other' }), 'accepted'],
  ['another secretName', whole(), whole({ secretName: 'other' }), kept],
  ['from secretName to existingSecret', whole(), whole(given), kept],
  ['from existingSecret to secretName', whole(given), whole(), kept],
])
