import { describe, expect, test } from 'vitest'
import { annotations } from '../../../src/api/annotations.ts'
import type { LockedBucket, LockedBucketSpec } from '../../../src/api/LockedBucket.ts'
import { bucketFinalizer } from '../../../src/api/metadata.ts'
import {
  decideLockedBucket,
  type ServerView,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import {
  bucketOf,
  compliance30,
  factsOf,
  governance30,
  inSync,
  nowMs,
  outcomeOf,
  seen,
  settled,
  shown,
  silent,
  snapshotOf,
} from './locked-bucket-fixtures.ts'

const others = 'example.com/held'

/** Deleted while it was Ready, and held by a finalizer. */
function deleted({
  deletionPolicy = 'Retain',
  finalizers = [others],
  marks = {},
}: {
  deletionPolicy?: LockedBucketSpec['deletionPolicy']
  finalizers?: readonly string[]
  marks?: Record<string, string>
} = {}): LockedBucket {
  const { metadata, spec, ...rest } = bucketOf()
  const deletionTimestamp = '2026-11-21T11:00:00Z'
  return {
    ...rest,
    metadata: { ...metadata, deletionTimestamp, finalizers: [...finalizers], annotations: marks },
    spec: { ...spec, deletionPolicy },
    status: settled(inSync),
  }
}

function reportOf(object: LockedBucket, server: ServerView) {
  const snapshot = snapshotOf(server, compliance30, object)
  expect(decideLockedBucket(snapshot)).toEqual([])
  const { status, next, events } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
  const message = status?.conditions?.find(({ type }) => type === 'Ready')?.message
  return { status, next, message, lines: shown(status), events: events.map(({ reason }) => reason) }
}

describe('LockedBucket: deleted, and held by a finalizer that is not ours', () => {
  test('Retain: its status goes on with what the server has, and says what it waits for', () => {
    const locked = seen(factsOf(compliance30, { lockedVersionCount: 3, versionCount: 4 }))
    const { status, next, message, lines, events } = reportOf(deleted(), locked)
    expect(lines).toEqual([
      'Ready=False Terminating',
      'Reconciling=True Terminating',
      'ObjectLockEnforced=True ReadBack',
      'DeletionProtected=True LockedVersions',
      'Drifted=False InSync',
    ])
    expect(status).toMatchObject({ lockedVersions: 3, versions: 4, bucket: { name: 'backups' } })
    expect(message).toBe(
      'It was deleted and waits for example.com/held; bucket backups stays on the lock server with its locks, its floor ' +
        'and its owner record. Nothing is corrected any more.',
    )
    expect([next, events]).toEqual([{ kind: 'done' }, []])
  })

  test('Retain: weakened behind the operator, that is shown and not corrected', () => {
    const { lines } = reportOf(deleted(), seen(factsOf(compliance30, { ...factsOf(governance30) })))
    expect(lines).toEqual(
      expect.arrayContaining(['Ready=False Terminating', 'ObjectLockEnforced=False RuleDiffers']),
    )
  })

  test('Retain: its bucket is not there, the volume is another one', () => {
    expect(reportOf(deleted(), seen(null)).lines).toContain('Ready=False VolumeReplaced')
  })

  test('Delete, released: its bucket went with it, which is no other volume, and none is made', () => {
    const { lines, message, status } = reportOf(deleted({ deletionPolicy: 'Delete' }), seen(null))
    expect(lines).toEqual(
      expect.arrayContaining(['Ready=False Terminating', 'DeletionProtected=False NoLockedVersions']),
    )
    expect(message).toContain('the lock server has no bucket of it')
    expect(status).not.toHaveProperty('bucket')
  })

  test('Delete, paused: its bucket waits for the end of the pause', () => {
    const finalizers = [bucketFinalizer]
    const object = deleted({ deletionPolicy: 'Delete', finalizers, marks: { [annotations.paused]: 'true' } })
    const { lines, message } = reportOf(object, seen(factsOf(compliance30)))
    expect(lines).toEqual(expect.arrayContaining(['Ready=False Terminating', 'Paused=True Paused']))
    expect(message).toContain('waits for holdfast.dev/bucket; its bucket is seen to when the pause ends')
  })

  test('the server is silent: that is told, and it is asked again', () => {
    const { lines, next } = reportOf(deleted(), silent)
    expect([lines[0], next.kind]).toEqual(['Ready=False ServerUnreachable', 'retry'])
  })
})
