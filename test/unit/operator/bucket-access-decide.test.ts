import { describe, expect, test } from 'vitest'
import { annotations } from '../../../src/api/annotations.ts'
import {
  type BucketAccessSnapshot,
  changesAnything,
  decideBucketAccess,
  type GrantStep,
} from '../../../src/operator/controllers/bucket-access-decide.ts'
import { KubeUnreachableError } from '../../../src/operator/kube.ts'
import {
  accessOf,
  first,
  heldOf,
  hourMs,
  inSync,
  keyOf,
  laterMs,
  second,
  snapshotOf,
  statementsOf,
} from './bucket-access-fixtures.ts'
import { nowMs, silent } from './locked-bucket-fixtures.ts'

function grantOf(snapshot: BucketAccessSnapshot, atMs = nowMs): GrantStep {
  const step = decideBucketAccess(atMs, snapshot)[0]
  if (step?.kind !== 'grant') throw new Error(`no grant but ${JSON.stringify(step)}`)
  return step
}

/** What becomes of the two slots: `held HFFIRST, former HFSECOND`. */
function slots({ current, previous }: GrantStep): string {
  const now = current.kind === 'held' ? `held ${current.pair.accessKeyId}` : `new ${current.cause}`
  return previous === null ? now : `${now}, former ${previous.accessKeyId}`
}

function revokedBy(snapshot: BucketAccessSnapshot): readonly string[] | null {
  const step = decideBucketAccess(nowMs, snapshot)[0]
  return step?.kind === 'revoke' ? step.accessKeyIds : null
}

const rotating = (rotation: object, status = {}) => accessOf({ rotation }, status)
const asked = { [annotations.rotateNow]: 'monday' }
const given = { secretName: undefined, existingSecret: 'own' }

describe('the first key', () => {
  test('BucketAccess: new, a first key with the actions of its role on the buckets that are there', () => {
    const buckets = [
      { kind: 'ready', name: 'ledger', bucketName: 'team-ledger' },
      { kind: 'notReady', name: 'slow' },
      { kind: 'notFound', name: 'gone' },
    ] as const
    const step = grantOf(snapshotOf({ object: accessOf({ role: 'Auditor' }), buckets }))
    expect(slots(step)).toBe('new first')
    expect(step.statements).toEqual(statementsOf('Auditor'))
    expect(step.bucketNames).toEqual(['team-ledger'])
  })

  test('BucketAccess: a bucket that nobody understands is given to no key, and taken from none', () => {
    const unparsable = (bucketName: string | null) =>
      [
        { kind: 'ready', name: 'ledger', bucketName: 'team-ledger' },
        { kind: 'unparsable', name: 'strange', bucketName },
      ] as const
    const held = { secret: heldOf(first), keys: [keyOf(first)] }
    expect(grantOf(snapshotOf({ buckets: unparsable(null) })).bucketNames).toEqual(['team-ledger'])
    const reached = grantOf(snapshotOf({ ...held, buckets: unparsable('team-strange') }))
    expect(reached.bucketNames).toEqual(['team-ledger', 'team-strange'])
    expect(slots(reached)).toBe('held HFFIRST')
  })

  test('BucketAccess: none of its buckets is there, all its keys are revoked and none is made', () => {
    const buckets = [{ kind: 'notFound', name: 'ledger' }] as const
    expect(decideBucketAccess(nowMs, snapshotOf({ buckets }))).toEqual([])
    expect(revokedBy({ ...inSync, buckets })).toEqual(['HFFIRST'])
  })

  test('BucketAccess: a silent server or a spec that breaks a rule, nothing is done', () => {
    expect(decideBucketAccess(nowMs, { ...inSync, server: silent })).toEqual([])
    const object = accessOf({ existingSecret: 'own' })
    expect(decideBucketAccess(nowMs, { ...inSync, object })).toEqual([])
  })

  test('BucketAccess: standalone, no key is made', () => {
    expect(decideBucketAccess(nowMs, snapshotOf({ secret: { kind: 'unsupported' } }))).toEqual([])
  })
})

describe('the Secret', () => {
  test('Secret: as it was written, its key is put again as it is and nothing changes', () => {
    const step = grantOf(inSync)
    expect(slots(step)).toBe('held HFFIRST')
    expect(changesAnything(step, inSync)).toBe(false)
  })

  test('Secret: gone, or with an id that neither server nor status know, a new key and no former one', () => {
    const object = accessOf({}, { accessKeyIds: ['HFFIRST'] })
    expect(slots(grantOf(snapshotOf({ object, keys: [keyOf(first)] })))).toBe('new lost')
    const invented = { accessKeyId: 'INVENTED', secretAccessKey: 'chosen-by-somebody' }
    const secret = heldOf(invented, first)
    expect(slots(grantOf(snapshotOf({ object, secret, keys: [keyOf(first)] })))).toBe('new lost')
  })

  test('Secret: its key is in the status but not at the server, it is put again', () => {
    const object = accessOf({}, { accessKeyIds: ['HFFIRST'] })
    const step = grantOf(snapshotOf({ object, secret: heldOf(first) }))
    expect(slots(step)).toBe('held HFFIRST')
  })

  test('Secret: somebody else’s, it is left alone and the keys are revoked', () => {
    const owners = [{ apiVersion: 'v1', kind: 'BucketAccess', name: 'app', uid: 'access-uid' }]
    for (const each of [[], owners, [{ ...owners[0], apiVersion: 'holdfast.dev/v1', name: 'b' } as never]]) {
      const { secret } = heldOf(first)
      const foreign = { kind: 'held', secret: { ...secret, owners: each } } as const
      expect(revokedBy({ ...inSync, secret: foreign })).toEqual(['HFFIRST'])
    }
  })

  test('Secret: out of reach, keys stay as they are; those that are to have other rights are revoked', () => {
    for (const secret of [
      { kind: 'forbidden' },
      { kind: 'failed', error: new KubeUnreachableError('gone') },
    ] as const) {
      expect(decideBucketAccess(nowMs, { ...inSync, secret })).toEqual([])
      const object = accessOf({ role: 'ReadOnly' })
      expect(revokedBy({ ...inSync, object, secret })).toEqual(['HFFIRST'])
    }
  })

  test('existingSecret: its pairs are put, none is made; without one, or gone, the keys are revoked', () => {
    const object = accessOf(given)
    const step = grantOf({ ...inSync, object, secret: heldOf(second, first) })
    expect(slots(step)).toBe('held HFSECOND, former HFFIRST')
    expect(step.secret).toEqual({ kind: 'given' })
    expect(revokedBy({ ...inSync, object, secret: { kind: 'none' } })).toEqual(['HFFIRST'])
    for (const secretAccessKey of ['short', 'with a blank', 'x'.repeat(129), 'línea-ñ']) {
      expect(revokedBy({ ...inSync, object, secret: heldOf({ ...first, secretAccessKey }) })).toEqual([
        'HFFIRST',
      ])
    }
  })
})

describe('rotation', () => {
  const twoKeys = (ageMs: number) => [keyOf(first, { ageMs: 9 * hourMs }), keyOf(second, { ageMs })]

  test('rotate-now: a new value makes a new key and keeps the current one; one that was handled does not', () => {
    const object = accessOf({}, {}, asked)
    const step = grantOf({ ...inSync, object })
    expect(slots(step)).toBe('new rotation, former HFFIRST')
    expect(step.keptMeanwhile).toEqual(['HFFIRST'])
    expect(step.secret).toMatchObject({ rotatedFor: 'monday' })
    // The Secret remembers it together with the key: a crash before the status was written makes no third key.
    expect(slots(grantOf({ ...inSync, object, secret: heldOf(first, null, 'monday') }))).toBe('held HFFIRST')
    const handled = accessOf({}, { lastHandledRotateAt: 'monday' }, asked)
    expect(slots(grantOf({ ...inSync, object: handled }))).toBe('held HFFIRST')
  })

  test('rotate-now: there at the first key, that is the one', () => {
    const step = grantOf(snapshotOf({ object: accessOf({}, undefined, asked) }))
    expect([slots(step), step.secret]).toEqual([
      'new first',
      { kind: 'own', held: null, rotatedFor: 'monday' },
    ])
  })

  test('rotation: by schedule when the period of the current key is over, not a millisecond before', () => {
    const snapshot = { ...inSync, object: rotating({ period: '24h' }) }
    expect(slots(grantOf(snapshot, laterMs(24 * hourMs - 1)))).toBe('held HFFIRST')
    expect(slots(grantOf(snapshot, laterMs(24 * hourMs)))).toBe('new rotation, former HFFIRST')
  })

  test('rotation: a third key takes the place of the former one', () => {
    const object = accessOf({}, {}, asked)
    const step = grantOf(snapshotOf({ object, secret: heldOf(second, first), keys: twoKeys(0) }))
    expect(slots(step)).toBe('new rotation, former HFSECOND')
    expect(step.keptMeanwhile).toEqual(['HFSECOND', 'HFFIRST'])
  })

  test('gracePeriod: the former key is kept to its end, counted from the making of the current one', () => {
    const of = (rotation: object, ageMs: number) =>
      slots(
        grantOf(
          snapshotOf({ object: rotating(rotation), secret: heldOf(second, first), keys: twoKeys(ageMs) }),
        ),
      )
    expect(of({ gracePeriod: '1h' }, hourMs - 1)).toBe('held HFSECOND, former HFFIRST')
    expect(of({ gracePeriod: '1h' }, hourMs)).toBe('held HFSECOND')
    expect(of({}, 1000 * hourMs)).toBe('held HFSECOND, former HFFIRST')
  })

  test('gracePeriod: of nothing, a rotation leaves no former key', () => {
    const object = accessOf({ rotation: { gracePeriod: '0s' } }, {}, asked)
    expect(slots(grantOf({ ...inSync, object }))).toBe('new rotation')
  })

  test('former key: not at the server any more, it is not brought back', () => {
    const snapshot = snapshotOf({ secret: heldOf(second, first), keys: [keyOf(second)] })
    expect(slots(grantOf(snapshot))).toBe('held HFSECOND')
  })
})

test('changesAnything: other rights, a key too many, another Secret, each is a change', () => {
  for (const changed of [
    { ...inSync, object: accessOf({ role: 'ReadOnly' }) },
    snapshotOf({ secret: heldOf(first), keys: [keyOf(first), keyOf(second)] }),
    snapshotOf({
      secret: heldOf(first, null, 'tuesday'),
      keys: [keyOf(second)],
      object: accessOf({}, {}, asked),
    }),
    { ...inSync, buckets: [...inSync.buckets, { kind: 'ready', name: 'b', bucketName: 'b' }] } as const,
  ]) {
    const step = decideBucketAccess(nowMs, changed)[0]
    expect(step !== undefined && changesAnything(step, changed)).toBe(true)
  }
})
