import { describe, expect, test } from 'vitest'
import {
  type CanaryOutcome,
  type CanaryTime,
  type LockServer,
  ServerUnreachableError,
} from '../../../src/client/lock-server.ts'
import { Canary } from '../../../src/operator/canary.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import { OperatorMetrics } from '../../../src/operator/metrics.ts'
import {
  bucketOf,
  compliance30,
  factsOf,
  info,
  nowMs,
  outcomeOf,
  seen,
  settled,
  shown,
  snapshotOf,
} from './locked-bucket-fixtures.ts'
import { ManualTime } from './manual-timers.ts'

const intervalMs = 600_000
const refused: CanaryOutcome = { kind: 'refused' }
const untried: CanaryOutcome = { kind: 'untried', cause: 'no' }
const deleted: CanaryOutcome = { kind: 'deleted', versionId: 'v', answer: 'success' }
const serverInfo = {
  ...info,
  clock: { ...info.clock, trusted: '2026-11-21T12:00:00.000Z', wall: '2026-11-21T12:00:01.000Z' },
}

function rigOf(...outcomes: readonly (CanaryOutcome | 'away')[]) {
  const time = new ManualTime()
  const metrics = new OperatorMetrics()
  const asked: CanaryTime[] = []
  const logged: string[] = []
  const tryCanary = async (now: CanaryTime) => {
    asked.push(now)
    const outcome = outcomes[Math.min(asked.length, outcomes.length) - 1] ?? refused
    if (outcome === 'away') throw new ServerUnreachableError('away')
    return outcome
  }
  const say = (level: string) => () => logged.push(level)
  const log = { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') }
  const lockServer = { tryCanary } as unknown as LockServer
  const canary = new Canary({ lockServer, clock: time, log, metrics, intervalMs })
  return { time, metrics, asked, logged, canary }
}

describe('when it is tried', () => {
  test('Canary: read by many at once, tried once, by the clocks of the server', async () => {
    const { canary, asked } = rigOf()
    expect(await Promise.all([1, 2, 3].map(() => canary.read(serverInfo)))).toEqual([
      refused,
      refused,
      refused,
    ])
    expect(asked).toEqual([
      { trustedMs: Date.UTC(2026, 10, 21, 12, 0, 0), wallMs: Date.UTC(2026, 10, 21, 12, 0, 1) },
    ])
  })

  test('Canary: one ms before the interval is over it is not tried again, then it is', async () => {
    const { canary, asked, time } = rigOf()
    await canary.read(serverInfo)
    await time.advance(intervalMs - 1)
    await canary.read(serverInfo)
    expect(asked).toHaveLength(1)
    await time.advance(1)
    await canary.read(serverInfo)
    expect(asked).toHaveLength(2)
  })

  test('Canary: an attempt that proved nothing is made again after 5 s, and the log says so', async () => {
    const { canary, asked, time, logged } = rigOf(untried, refused)
    expect(await canary.read(serverInfo)).toEqual(untried)
    await time.advance(4999)
    expect(await canary.read(serverInfo)).toEqual(untried)
    await time.advance(1)
    expect(await canary.read(serverInfo)).toEqual(refused)
    expect([asked.length, logged]).toEqual([2, ['warn']])
  })

  test('Canary: the server is away, the error is passed on and the next one asks again', async () => {
    const { canary, asked } = rigOf('away', refused)
    await expect(canary.read(serverInfo)).rejects.toThrow(ServerUnreachableError)
    expect(await canary.read(serverInfo)).toEqual(refused)
    expect(asked).toHaveLength(2)
  })

  test('Canary: asked for now, tried whatever is known', async () => {
    const { canary, asked } = rigOf()
    await canary.read(serverInfo)
    await canary.readNow(serverInfo)
    expect(asked).toHaveLength(2)
  })

  test('Canary: it was deleted, counted and logged as an error', async () => {
    const { canary, metrics, logged } = rigOf(deleted)
    await canary.read(serverInfo)
    expect(logged).toEqual(['error'])
    const lines = metrics.render().split('\n')
    expect(lines).toContain('holdfast_canary_attempts_total{outcome="deleted"} 1')
    expect(lines).toContain('holdfast_canary_attempts_total{outcome="refused"} 0')
  })
})

describe('what a bucket says of it', () => {
  const withCanary = (canary: CanaryOutcome, object = bucketOf()) => {
    const server = { ...seen(factsOf(compliance30)), canary }
    const snapshot = snapshotOf(server.kind === 'seen' ? server : seen(null), compliance30, object)
    return lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
  }
  const ready = () => bucketOf(settled(snapshotOf(seen(factsOf(compliance30)))))

  test('LockedBucket: the canary was deleted, Stalled, not enforced, one event, and again nothing new', () => {
    const { status, events, next } = withCanary(deleted, ready())
    expect(shown(status)).toEqual(
      expect.arrayContaining([
        'Ready=False CanaryDeleted',
        'Stalled=True CanaryDeleted',
        'ObjectLockEnforced=False CanaryDeleted',
        'Drifted=False InSync',
      ]),
    )
    expect(status?.conditions?.[0]?.message).toContain('holdfast-canary was answered with success')
    expect(events.map(({ reason }) => reason)).toEqual(['CanaryDeleted'])
    expect(next.kind).toBe('terminal')
    const later = { ...deleted, versionId: 'w' }
    if (status === null) throw new Error('a status that says more is written')
    expect(withCanary(later, bucketOf(status))).toMatchObject({ status: null, events: [] })
  })

  test('LockedBucket: the canary could not be tried, Ready as read back, ObjectLockEnforced Unknown', () => {
    const { status, events } = withCanary(untried, ready())
    expect(shown(status)).toEqual(
      expect.arrayContaining(['Ready=True Enforced', 'ObjectLockEnforced=Unknown CanaryUntried']),
    )
    expect(events).toEqual([])
  })

  test('LockedBucket: the canary could not be tried and there is no Object Lock, that is said', () => {
    const server = seen(factsOf(compliance30, { objectLock: null }))
    if (server.kind !== 'seen') throw new Error('the server answered')
    const snapshot = snapshotOf({ ...server, canary: untried })
    const { status } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null, snapshot.server))
    expect(shown(status)).toContain('ObjectLockEnforced=False ObjectLockMissing')
  })
})
