import { describe, expect, test } from 'vitest'
import type { LockedBucket, LockedBucketSpec } from '../../../src/api/LockedBucket.ts'
import { toBytes } from '../../../src/api/quantity.ts'
import { toBucketRetention } from '../../../src/api/RetentionPolicy.ts'
import { profileNames, requireChecksumDefaults } from '../../../src/lib/profile.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { decideLockedBucket } from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { settingsOf } from '../../../src/operator/controllers/locked-bucket-settings.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  applied,
  bucketOf,
  compliance30,
  factsOf,
  nowMs,
  outcomeOf,
  policyOf,
  seen,
  settled,
  shown,
  snapshotOf,
} from './locked-bucket-fixtures.ts'

const wished: Partial<LockedBucketSpec> = {
  profile: 'minio',
  quota: '1Ki',
  lifecycle: { rules: [{ id: 'a', expiration: { days: 3 } }] },
  tags: [{ key: 'team', value: 'x' }],
}
const rules = [
  {
    id: 'a',
    status: 'Enabled',
    filter: { form: 'Filter', prefix: null, tags: [], sizeGreaterThan: null, sizeLessThan: null },
    expiration: { kind: 'days', days: 3 },
    noncurrentVersionExpiration: null,
    abortIncompleteMultipartUpload: null,
  },
] as const
const settings = {
  profile: 'minio',
  requireChecksum: false,
  quotaBytes: 1024,
  lifecycle: rules,
  tags: { team: 'x' },
} as const
const objectOf = (spec: Partial<LockedBucketSpec> = wished): LockedBucket => {
  const object = bucketOf()
  return { ...object, spec: { ...object.spec, ...spec } }
}
const same = factsOf(compliance30, settings)

describe('settingsOf', () => {
  test('settingsOf: nothing said, S3 as it is, and lifecycle and tags are left alone', () => {
    expect(settingsOf(bucketOf().spec)).toEqual({
      profile: 'aws',
      requireChecksum: true,
      quotaBytes: null,
      lifecycle: null,
      tags: null,
    })
  })

  test("settingsOf: a profile, its vendor's rule about checksums unless the spec has its own", () => {
    expect(settingsOf(objectOf().spec)).toEqual(settings)
    for (const profile of profileNames) {
      expect(settingsOf(objectOf({ profile }).spec).requireChecksum).toBe(requireChecksumDefaults[profile])
      const spec = objectOf({ profile, requireChecksum: true }).spec
      expect(settingsOf(spec).requireChecksum).toBe(true)
    }
  })

  test('settingsOf: every part of a lifecycle rule arrives', () => {
    const lifecycle: LockedBucketSpec['lifecycle'] = {
      rules: [
        {
          id: 'whole',
          status: 'Disabled',
          filter: { prefix: 'tmp/', tags: [{ key: 'k', value: 'v' }], objectSizeLessThan: 9 },
          expiration: { date: '2031-01-01' },
          noncurrentVersionExpiration: { noncurrentDays: 4, newerNoncurrentVersions: 2 },
        },
        {
          id: 'uploads',
          filter: { prefix: 'a' },
          expiration: { expiredObjectDeleteMarker: true },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
        },
      ],
    }
    expect(settingsOf(objectOf({ lifecycle }).spec).lifecycle).toEqual([
      {
        id: 'whole',
        status: 'Disabled',
        filter: {
          form: 'And',
          prefix: 'tmp/',
          tags: [{ key: 'k', value: 'v' }],
          sizeGreaterThan: null,
          sizeLessThan: 9,
        },
        expiration: { kind: 'date', dateMs: epochMs(Date.UTC(2031, 0, 1)) },
        noncurrentVersionExpiration: { noncurrentDays: 4, newerNoncurrentVersions: 2 },
        abortIncompleteMultipartUpload: null,
      },
      {
        id: 'uploads',
        status: 'Enabled',
        filter: { form: 'Filter', prefix: 'a', tags: [], sizeGreaterThan: null, sizeLessThan: null },
        expiration: { kind: 'expiredObjectDeleteMarker', isWanted: true },
        noncurrentVersionExpiration: null,
        abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
      },
    ])
  })

  test.each([
    ['1', 1],
    ['5k', 5000],
    ['5Ki', 5120],
    ['3M', 3_000_000],
    ['2Gi', 2 ** 31],
    ['7Pi', 7 * 2 ** 50],
    ['9P', 9e15],
  ])('toBytes: %s is %d bytes', (text, bytes) => {
    expect(toBytes(text)).toBe(bytes)
  })
})

describe('decide', () => {
  test('decide: the spec has all settings, they are in the request', () => {
    const [step] = decideLockedBucket(snapshotOf(seen(null), compliance30, objectOf()))
    expect(step?.request).toMatchObject({ ...settings, applyToExisting: 'No' })
  })

  test('decide: the policy asks for existing versions, the request says so', () => {
    const policy = policyOf({ ...compliance30.spec, applyToExisting: 'IncludingModeChange' })
    expect(decideLockedBucket(snapshotOf(seen(null), policy))).toMatchObject([
      { request: { applyToExisting: 'IncludingModeChange' } },
    ])
  })

  test('decide: the server has them all, nothing is asked', () => {
    expect(decideLockedBucket(snapshotOf(seen(same), compliance30, objectOf()))).toEqual([])
  })

  test('decide: lifecycle and tags of others, left alone when the spec has none', () => {
    const facts = factsOf(compliance30, { lifecycle: rules, tags: { a: 'b' } })
    expect(decideLockedBucket(snapshotOf(seen(facts)))).toEqual([])
    const cleared = objectOf({ lifecycle: { rules: [] }, tags: [] })
    expect(decideLockedBucket(snapshotOf(seen(facts), compliance30, cleared))).toHaveLength(1)
    const none = seen(factsOf(compliance30))
    expect(decideLockedBucket(snapshotOf(none, compliance30, cleared))).toEqual([])
  })

  const differences = [
    ['profile', { profile: 'aws' }],
    ['requireChecksum', { requireChecksum: true }],
    ['quota', { quotaBytes: null }],
    ['lifecycle', { lifecycle: null }],
    ['tags', { tags: { team: 'x', other: 'y' } }],
  ] as const
  test.each(differences)(
    'decide: another %s, a change of the spec or drift of a ready one',
    (name, facts) => {
      const server = seen({ ...same, ...facts })
      const fresh = snapshotOf(server, compliance30, objectOf())
      expect(decideLockedBucket(fresh)).toMatchObject([{ cause: 'change', request: settings }])
      const status = settled(snapshotOf(seen(same), compliance30, objectOf()))
      const ready = snapshotOf(server, compliance30, { ...objectOf(), status })
      expect(decideLockedBucket(ready)).toMatchObject([{ cause: 'drift', request: settings }])
      const { events } = lockedBucketReport(nowMs, ready, outcomeOf(ready, applied('updated'), seen(same)))
      expect(events).toMatchObject([
        {
          reason: 'DriftCorrected',
          message: expect.stringContaining(`Changed behind the operator: ${name}.`),
        },
      ])
    },
  )
})

describe('status', () => {
  test('status: another quota at the server after the apply, not verified and drifted', () => {
    const snapshot = snapshotOf(seen(null), compliance30, objectOf())
    const facts = { ...same, quotaBytes: 7 }
    const { status, next } = lockedBucketReport(
      nowMs,
      snapshot,
      outcomeOf(snapshot, applied('created'), seen(facts)),
    )
    expect(shown(status)).toEqual([
      'Ready=False NotVerified',
      'Reconciling=True NotVerified',
      'ObjectLockEnforced=True ReadBack',
      'DeletionProtected=False NoLockedVersions',
      'Drifted=True SettingsDiffer',
    ])
    expect(next.kind).toBe('retry')
  })

  test('status: paused with another lifecycle at the server, held back and shown', () => {
    const object = objectOf()
    const annotations = { 'holdfast.dev/paused': 'true' }
    const paused = { ...object, metadata: { ...object.metadata, annotations } }
    const snapshot = snapshotOf(seen({ ...same, lifecycle: null }), compliance30, paused)
    const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(shown(status)).toContain('Ready=False Paused')
    expect(shown(status)).toContain('Drifted=True SettingsDiffer')
  })

  const extending = policyOf({ ...compliance30.spec, applyToExisting: 'ExtendOnly' })
  const walk = {
    scope: 'ExtendOnly',
    retention: toBucketRetention(extending.spec),
    policyGeneration: 1,
    started: '2026-11-21T11:00:00.000Z',
    ended: null,
    versionCount: 10,
    seenCount: 4,
    extendedCount: 3,
    otherModeCount: 1,
    deniedCount: 0,
    unreadableCount: 0,
    deferredCount: 2,
  } as const

  test('status: a walk over existing versions, its progress, and looked at again soon', () => {
    const facts = factsOf(extending, { applyToExisting: walk, versionCount: 12, sizeBytes: 34 })
    const snapshot = snapshotOf(seen(facts), extending)
    const { status, next } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(status).toMatchObject({
      versions: 12,
      sizeBytes: 34,
      profile: 'aws',
      requireChecksum: true,
      applyToExisting: {
        scope: 'ExtendOnly',
        startTime: '2026-11-21T11:00:00Z',
        versions: 10,
        seen: 4,
        extended: 3,
        otherMode: 1,
        deferred: 2,
      },
    })
    expect(status?.applyToExisting).not.toHaveProperty('completionTime')
    expect(next).toEqual({ kind: 'after', delayMs: 30_000 })
  })

  test('status: progress alone waits five minutes for its write, the end does not', () => {
    const before = settled(snapshotOf(seen(factsOf(extending, { applyToExisting: walk })), extending))
    const later = (minutes: number, change: object) => {
      const facts = factsOf(extending, { applyToExisting: { ...walk, ...change } })
      const snapshot = snapshotOf(seen(facts), extending, bucketOf(before))
      return lockedBucketReport(epochMs(nowMs + minutes * 60_000), snapshot, outcomeOf(snapshot, null))
    }
    expect(later(4, { seenCount: 9 }).status).toBeNull()
    expect(later(5, { seenCount: 9 }).status).toMatchObject({ applyToExisting: { seen: 9 } })
    const done = later(1, { seenCount: 10, ended: '2026-11-21T12:00:30.000Z' })
    expect(done.status).toMatchObject({ applyToExisting: { completionTime: '2026-11-21T12:00:30Z' } })
    expect(done.next).toEqual({ kind: 'done' })
  })
})
