/** The cases of LockedBucket; see rule-cases.ts. */
import { type RuleCase, refused, schema } from './rule-words.ts'

const bucket = (bucketName: string, rest: object = {}): object => ({
  bucketName,
  retentionPolicyRef: { name: 'policy' },
  ...rest,
})

function names(cases: readonly (readonly [string, string, 'accepted' | string])[]): readonly RuleCase[] {
  return cases.map(([title, name, rule]) => ({
    title,
    kind: 'LockedBucket',
    old: null,
    next: bucket(name),
    expected: rule === 'accepted' ? rule : refused(rule, 'spec.bucketName'),
  }))
}

export const bucketNames = names([
  ['three characters', 'abc', 'accepted'],
  ['63 characters', 'a'.repeat(63), 'accepted'],
  ['dots and digits', '1.logs.example-2', 'accepted'],
  ['two characters', 'ab', 'Schema'],
  ['64 characters', 'a'.repeat(64), 'Schema'],
  ['a capital letter', 'Backups', 'Schema'],
  ['an underscore', 'my_backups', 'Schema'],
  ['a hyphen at the end', 'backups-', 'Schema'],
  ['a period at the start', '.backups', 'Schema'],
  ['two periods in a row', 'back..ups', 'BucketNameForm'],
  ['an IP address', '192.168.5.4', 'BucketNameForm'],
  ['reserved for the server', 'holdfast-canary', 'BucketNameReserved'],
  ['holdfast without a hyphen', 'holdfast', 'accepted'],
  ['kept by S3, at the start', 'xn--backups', 'BucketNameKeptByS3'],
  ['kept by S3, at the end', 'backups-s3alias', 'BucketNameKeptByS3'],
])

export const lockedBuckets: readonly RuleCase[] = [
  {
    title: 'the name changed',
    old: bucket('ledger'),
    next: bucket('ledger2'),
    expected: refused('BucketNameImmutable', 'spec.bucketName'),
  },
  {
    title: 'the name unset',
    old: bucket('ledger'),
    next: { retentionPolicyRef: { name: 'policy' } },
    expected: schema('spec.bucketName'),
  },
  { title: 'nothing changed', old: bucket('ledger'), next: bucket('ledger'), expected: 'accepted' as const },
  {
    title: 'another policy: the server judges it',
    old: bucket('ledger'),
    next: bucket('ledger', { retentionPolicyRef: { name: 'other' } }),
    expected: 'accepted' as const,
  },
  {
    title: 'adoptionPolicy set',
    old: bucket('ledger'),
    next: bucket('ledger', { adoptionPolicy: 'IfUnowned' }),
    expected: 'accepted' as const,
  },
  {
    title: 'an unknown adoptionPolicy',
    old: null,
    next: bucket('ledger', { adoptionPolicy: 'Always' }),
    expected: schema('spec.adoptionPolicy'),
  },
  {
    title: 'no policy',
    old: null,
    next: { bucketName: 'ledger' },
    expected: schema('spec.retentionPolicyRef'),
  },
  {
    title: 'a policy without a name',
    old: null,
    next: bucket('ledger', { retentionPolicyRef: {} }),
    expected: schema('spec.retentionPolicyRef.name'),
  },
  {
    title: 'a policy of another namespace',
    old: null,
    next: bucket('ledger', { retentionPolicyRef: { name: 'other/policy' } }),
    expected: schema('spec.retentionPolicyRef.name'),
  },
].map((each) => ({ ...each, kind: 'LockedBucket' }))
