import { expect, test } from 'vitest'
import { annotations } from '../../../src/api/annotations.ts'
import type { BucketAccessStatus } from '../../../src/api/BucketAccess.ts'
import { ServerRefusedError } from '../../../src/client/lock-server.ts'
import type { BucketAccessOutcome, Granted } from '../../../src/operator/controllers/BucketAccess.ts'
import type { BucketAccessSnapshot } from '../../../src/operator/controllers/bucket-access-decide.ts'
import { bucketAccessReport } from '../../../src/operator/controllers/bucket-access-status.ts'
import { KubeStatusError, KubeUnreachableError } from '../../../src/operator/kube.ts'
import { accessOf, first, heldOf, hourMs, inSync, snapshotOf } from './bucket-access-fixtures.ts'
import { nowMs, readOnly, readOnlySentence, shown, silent } from './locked-bucket-fixtures.ts'

const none = { kind: 'none' } as const
const granted: Granted = {
  kind: 'granted',
  accountId: '100000000001',
  created: new Date(nowMs).toISOString(),
  currentId: 'HFFIRST',
  previousId: null,
  made: null,
  written: 'nothing',
  revokedIds: [],
}
const report = (snapshot: BucketAccessSnapshot, outcome: BucketAccessOutcome = granted) =>
  bucketAccessReport(nowMs, snapshot, outcome)
const conditions = (snapshot: BucketAccessSnapshot, outcome?: BucketAccessOutcome) =>
  shown(report(snapshot, outcome).status as never)
const reasons = (snapshot: BucketAccessSnapshot, outcome?: BucketAccessOutcome) =>
  report(snapshot, outcome).events.map(({ reason }) => reason)

/** As the next reconcile finds it. */
function settled(snapshot: BucketAccessSnapshot): BucketAccessStatus {
  const { status } = report(snapshot)
  if (status === null) throw new Error('a first status is always written')
  return status
}

test('BucketAccess: granted, the status says what the server has, ids and no secret', () => {
  const { status, events, next } = report(inSync, { ...granted, made: 'first', written: 'content' })
  expect(status).toMatchObject({
    observedGeneration: 2,
    accountId: '100000000001',
    role: 'ReadWrite',
    buckets: ['team-ledger'],
    secretName: 'app-s3',
    accessKeyIds: ['HFFIRST'],
    lastRotatedTime: '2026-11-21T12:00:00Z',
  })
  expect(shown(status as never)).toEqual(['Ready=True Granted'])
  expect(JSON.stringify(status)).not.toContain(first.secretAccessKey)
  expect([events.map(({ reason }) => reason), next]).toEqual([['CredentialsCreated'], { kind: 'done' }])
})

test('BucketAccess: nothing is new, nothing is written', () => {
  const object = accessOf({}, settled(inSync))
  expect(report({ ...inSync, object })).toEqual({ status: null, events: [], next: { kind: 'done' } })
})

test('BucketAccess: rotated, the dates are in the status and the next look is at the first of them', () => {
  const rotation = { period: '48h', gracePeriod: '1h' }
  const object = accessOf({ rotation }, undefined, { [annotations.rotateNow]: 'monday' })
  const outcome = { ...granted, currentId: 'HFSECOND', previousId: 'HFFIRST', made: 'rotation' } as const
  const { status, next } = report({ ...inSync, object }, outcome)
  expect(status).toMatchObject({
    accessKeyIds: ['HFSECOND', 'HFFIRST'],
    previousKeyExpiryTime: '2026-11-21T13:00:00Z',
    nextRotationTime: '2026-11-23T12:00:00Z',
    lastHandledRotateAt: 'monday',
  })
  expect(next).toEqual({ kind: 'after', delayMs: hourMs })
  expect(reasons({ ...inSync, object }, outcome)).toEqual(['CredentialsRotated'])
})

test.each([
  [
    'a LockedBucket is missing',
    { buckets: [{ kind: 'notFound', name: 'ledger' }] },
    none,
    'LockedBucketNotFound',
  ],
  [
    'a LockedBucket has no bucket',
    { buckets: [{ kind: 'notReady', name: 'ledger' }] },
    none,
    'LockedBucketNotReady',
  ],
  [
    'a LockedBucket cannot be understood',
    { buckets: [{ kind: 'unparsable', name: 'ledger', bucketName: 'team-ledger' }] },
    granted,
    'LockedBucketUnparsable',
  ],
  ['the server is silent', { server: silent }, none, 'ServerUnreachable'],
  [
    'the API server is away',
    { secret: { kind: 'failed', error: new KubeUnreachableError('away') } },
    none,
    'Applying',
  ],
  [
    'the existingSecret is missing',
    { object: accessOf({ secretName: undefined, existingSecret: 'own' }), secret: { kind: 'none' } },
    none,
    'SecretNotFound',
  ],
] as const)('BucketAccess: %s, it goes on by itself', (_title, parts, outcome, reason) => {
  const snapshot = { ...inSync, ...parts } as BucketAccessSnapshot
  expect(conditions(snapshot, outcome)).toEqual([`Ready=False ${reason}`, `Reconciling=True ${reason}`])
})

const theirs = { kind: 'held', secret: { ...heldOf(first).secret, owners: [] } } as const
const forbidden = new KubeStatusError(403, { reason: 'Forbidden', message: 'no', retryAfterMs: null })
const refused = new ServerRefusedError(400, 'InvalidDocument', 'no')
test.each([
  ['the Secret is somebody else’s', { secret: theirs }, none, 'SecretConflict'],
  ['no rights to read', { secret: { kind: 'forbidden' } }, none, 'SecretForbidden'],
  ['no rights to write', {}, { kind: 'secretFailed', error: forbidden, revokedIds: [] }, 'SecretForbidden'],
  [
    'the server has no master key',
    {},
    { kind: 'refused', reason: 'noMasterKey', revokedIds: [] },
    'MasterKeyMissing',
  ],
  ['the id is taken', {}, { kind: 'refused', reason: 'taken', revokedIds: [] }, 'AccessKeyTaken'],
  ['the server refuses', {}, { kind: 'serverFailed', error: refused, revokedIds: [] }, 'ServerRefused'],
  ['standalone', { secret: { kind: 'unsupported' } }, none, 'NoSecretsHere'],
  ['a rule is broken', { object: accessOf({ existingSecret: 'own' }) }, none, 'SpecInvalid'],
  [
    'an existingSecret without keys',
    {
      object: accessOf({ secretName: undefined, existingSecret: 'own' }),
      secret: { kind: 'held', secret: { ...heldOf(first).secret, data: {} } },
    },
    none,
    'SecretInvalid',
  ],
] as const)('BucketAccess: %s, somebody has to act', (_title, parts, outcome, reason) => {
  const snapshot = { ...inSync, ...parts } as BucketAccessSnapshot
  expect(conditions(snapshot, outcome)).toEqual([`Ready=False ${reason}`, `Stalled=True ${reason}`])
})

test('BucketAccess: paused, a change is held back; without one it is Ready and says that it is paused', () => {
  const pause = { [annotations.paused]: 'true' }
  const object = accessOf({}, undefined, pause)
  expect(conditions({ ...inSync, object }, none)).toEqual(['Ready=True Granted', 'Paused=True Paused'])
  const changed = accessOf({ role: 'ReadOnly' }, undefined, pause)
  const shownNow = ['Ready=False Paused', 'Stalled=True Paused', 'Paused=True Paused']
  expect(conditions({ ...inSync, object: changed }, none)).toEqual(shownNow)
  expect(conditions(snapshotOf({ object }), none)).toEqual(shownNow)
})

test('BucketAccess: its keys are revoked, the status has none and each is told', () => {
  const object = accessOf({}, settled(inSync))
  const buckets = [{ kind: 'notFound', name: 'ledger' }] as const
  const outcome = { kind: 'revoked', revokedIds: ['HFFIRST'] } as const
  const { status } = report({ ...inSync, object, buckets }, outcome)
  expect([status?.accessKeyIds, status?.buckets, status?.lastRotatedTime]).toEqual([[], undefined, undefined])
  expect(reasons({ ...inSync, object, buckets }, outcome)).toEqual(['CredentialsRevoked'])
})

test.each([
  ['the Secret cannot be written', { kind: 'secretFailed', error: forbidden }],
  ['the server fails', { kind: 'serverFailed', error: refused }],
  ['the server has no master key', { kind: 'refused', reason: 'noMasterKey' }],
] as const)(
  'BucketAccess: a key was revoked before %s, the status has it no more and it is told',
  (_title, failed) => {
    const object = accessOf({}, { ...settled(inSync), accessKeyIds: ['HFSECOND', 'HFFIRST'] })
    const left = report({ ...inSync, object }, { ...failed, revokedIds: ['HFFIRST'] })
    expect(left.status?.accessKeyIds).toEqual(['HFSECOND'])
    expect(left.status?.buckets).toEqual(['team-ledger'])
    expect(left.events.map(({ reason }) => reason)).toContain('CredentialsRevoked')
    const none = report({ ...inSync, object }, { ...failed, revokedIds: ['HFSECOND', 'HFFIRST'] })
    expect([none.status?.accessKeyIds, none.status?.buckets]).toEqual([[], undefined])
  },
)

test('BucketAccess: the Secret is refused, the status has the words of the API server', () => {
  const answered = (status: number) =>
    new KubeStatusError(status, { reason: 'x', message: 'exceeded quota: small', retryAfterMs: null })
  const ready = (status: number) => {
    const outcome = { kind: 'secretFailed', error: answered(status), revokedIds: [] } as const
    const { reason, message } = report(inSync, outcome).status?.conditions?.[0] ?? {}
    return `${reason}: ${message}`
  }
  const refusal =
    'SecretForbidden: The API server refuses Secret app-s3, so no key is made for it: exceeded quota: small'
  expect([400, 403, 422].map(ready)).toEqual([refusal, refusal, refusal])
  expect(ready(409)).toBe('Applying: Secret app-s3 cannot be written: exceeded quota: small')
})

test('Secret: written again without a reason of ours, that is told; with one, it is not', () => {
  const object = accessOf({}, settled(inSync))
  const written = { ...granted, written: 'content' } as const
  expect(reasons({ ...inSync, object }, written)).toEqual(['SecretRestored'])
  for (const made of ['lost', 'tampered'] as const)
    expect(reasons({ ...inSync, object }, { ...written, made })).toEqual(['SecretRestored'])
  const changed = { ...object, metadata: { ...object.metadata, generation: 3 } }
  expect(reasons({ ...inSync, object: changed }, written)).toEqual([])
})

test('Secret: written for the authority alone, that is told as what it is', () => {
  const object = accessOf({}, settled(inSync))
  const written = { ...granted, written: 'authority' } as const
  expect(reasons({ ...inSync, object }, written)).toEqual(['AuthorityReplaced'])
  expect(reasons({ ...inSync, object }, { ...written, made: 'rotation' })).toEqual(['CredentialsRotated'])
})

test('BucketAccess: the server says why it takes nothing, the status says it too', () => {
  const ready = report({ ...inSync, server: readOnly }, none).status?.conditions?.[0]
  expect(ready).toMatchObject({ status: 'False', reason: 'ServerUnreachable', message: readOnlySentence })
})

test('BucketAccess: the server is silent after it was granted, the last answer stays and a problem is told once', () => {
  const object = accessOf({}, settled(inSync))
  const away = { ...inSync, object, server: silent }
  const { status } = report(away, none)
  expect(status).toMatchObject({ accessKeyIds: ['HFFIRST'], buckets: ['team-ledger'] })
  expect(reasons(away, none)).toEqual(['ServerUnreachable'])
  if (status === null) throw new Error('Ready has changed')
  expect(reasons({ ...away, object: accessOf({}, status) }, none)).toEqual([])
})

test('BucketAccess: an operator that leads no more says nothing', () => {
  expect(report(inSync, { kind: 'staleEpoch' })).toEqual({ status: null, events: [], next: { kind: 'done' } })
})
