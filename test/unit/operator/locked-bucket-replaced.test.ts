import { describe, expect, test } from 'vitest'
import { decideLockedBucket } from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  bucketOf,
  compliance30,
  factsOf,
  inSync,
  nowMs,
  outcomeOf,
  seen,
  settled,
  shown,
  silent,
  snapshotOf,
} from './locked-bucket-fixtures.ts'

const before = settled(inSync)
const missing = seen(null)
const another = seen(factsOf(compliance30, { bucketId: '00000000000000bb' }))

describe('LockedBucket on a volume that is not its own', () => {
  test.each([
    ['has no such bucket', missing, 'has no bucket backups'],
    ['has another bucket of the name', another, 'has another bucket backups'],
  ] as const)(
    'the server %s: nothing is done, Stalled says so and the status keeps what it knew',
    (_title, server, sentence) => {
      const snapshot = snapshotOf(server, compliance30, bucketOf(before))
      expect(decideLockedBucket(snapshot)).toEqual([])
      const { status, events } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
      expect(shown(status)).toEqual([
        'Ready=False VolumeReplaced',
        'Stalled=True VolumeReplaced',
        'ObjectLockEnforced=Unknown VolumeReplaced',
        'DeletionProtected=True Unverified',
        'Drifted=True VolumeReplaced',
      ])
      expect(status?.conditions?.[0]?.message).toContain(`Volume volume-1 of the lock server ${sentence}`)
      expect(status).toMatchObject({ bucket: before.bucket, floor: before.floor, deletionProtected: true })
      expect(events.map(({ reason }) => reason)).toEqual(['VolumeReplaced'])
    },
  )

  test('it lasts: the second look finds the same, and writes and tells nothing', () => {
    const first = snapshotOf(missing, compliance30, bucketOf(before))
    const { status } = lockedBucketReport(nowMs, first, outcomeOf(first, null))
    const second = snapshotOf(missing, compliance30, bucketOf(status ?? undefined))
    expect(decideLockedBucket(second)).toEqual([])
    expect(lockedBucketReport(nowMs, second, outcomeOf(second, null))).toMatchObject({
      status: null,
      events: [],
    })
  })

  test('an object that never had a bucket, or a server that is silent: not taken for it', () => {
    expect(decideLockedBucket(snapshotOf(missing))).toHaveLength(1)
    const snapshot = snapshotOf(silent, compliance30, bucketOf(before))
    const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
    expect(shown(status)).toContain('Ready=False ServerUnreachable')
  })
})
