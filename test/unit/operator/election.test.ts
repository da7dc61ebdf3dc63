import { afterEach, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { anySignal } from '../../../src/lib/signals.ts'
import {
  type ElectionState,
  LeaseElection,
  leasePeriodsProblem,
  type Term,
} from '../../../src/operator/election.ts'
import { LeadershipLostError } from '../../../src/operator/leadership.ts'
import { FakeLeaseServer } from './fake-lease-server.ts'
import { ManualTime } from './manual-timers.ts'

const periods = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 }
/** More than a retry period with its jitter. */
const roundMs = 2500

type Candidate = {
  readonly terms: Term[]
  readonly states: ElectionState[]
  readonly isLeading: () => boolean
  /** Ends the current term as a lock server does that tells of another leader. */
  readonly fail: (error: Error) => void
  readonly stop: () => Promise<void>
  readonly ended: Promise<void>
}

const candidates: Candidate[] = []

afterEach(async () => {
  for (const candidate of candidates.splice(0)) await candidate.stop().catch(() => undefined)
})

/** A candidate that leads until its term ends. `time` is its own: a frozen one is not advanced. */
function candidate(server: FakeLeaseServer, identity: string, time: ManualTime): Candidate {
  const terms: Term[] = []
  const states: ElectionState[] = []
  const abort = new AbortController()
  let leading = 0
  let fail: (error: Error) => void = () => undefined
  const election = new LeaseElection({
    client: server,
    clock: time,
    timers: time,
    log: silentLog,
    name: { namespace: 'holdfast-system', name: 'holdfast-operator' },
    identity,
    periods,
    onState: (state) => states.push(state),
  })
  const ended = election.run(abort.signal, async (term) => {
    terms.push(term)
    leading += 1
    try {
      await new Promise<void>((resolve, reject) => {
        fail = reject
        anySignal([abort.signal, term.signal]).signal.addEventListener('abort', () => resolve())
      })
    } finally {
      leading -= 1
    }
  })
  ended.catch(() => undefined)
  const stop = async () => {
    abort.abort()
    await time.advance(0)
    await ended
  }
  const made = {
    terms,
    states,
    isLeading: () => leading > 0,
    fail: (error: Error) => fail(error),
    stop,
    ended,
  }
  candidates.push(made)
  return made
}

test('LeaseElection: nobody holds the Lease, it is made with V1MicroTime and whole seconds and the candidate leads', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(0)
  expect(a.isLeading()).toBe(true)
  expect(server.spec).toEqual({
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    leaseTransitions: 0,
    acquireTime: '2026-11-21T00:00:00.000000Z',
    renewTime: '2026-11-21T00:00:00.000000Z',
  })
  await time.advance(2000)
  expect(server.spec).toMatchObject({
    acquireTime: '2026-11-21T00:00:00.000000Z',
    renewTime: '2026-11-21T00:00:02.000000Z',
  })
})

test('LeaseElection: the holder is alive, one write a retry period renews it and the other stands by for hours', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(0)
  const b = candidate(server, 'b', time)
  await time.advance(3_600_000)
  expect(a.terms).toHaveLength(1)
  expect(b.terms).toHaveLength(0)
  expect(b.states).toEqual([{ kind: 'standby', holder: 'a' }])
  const puts = server.requests.filter((method) => method === 'PUT').length
  expect(puts).toBe(1800)
})

test('LeaseElection: it is told to stop, the Lease is given back and the other leads within a retry period', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(0)
  const b = candidate(server, 'b', time)
  await time.advance(10_000)
  await a.stop()
  expect(server.holder).toBe('')
  expect(server.spec?.['leaseDurationSeconds']).toBe(1)
  await time.advance(roundMs)
  expect(b.isLeading()).toBe(true)
  expect(server.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
})

test('LeaseElection: the holder is frozen, the other leads after the lease duration by its own clock, and not before', async () => {
  const server = new FakeLeaseServer()
  const frozen = new ManualTime()
  const time = new ManualTime()
  const a = candidate(server, 'a', frozen)
  await frozen.advance(0)
  const b = candidate(server, 'b', time)
  await time.advance(14_999)
  expect(b.isLeading()).toBe(false)
  await time.advance(2 * roundMs)
  expect(b.isLeading()).toBe(true)
  // It wakes up: before any timer of its own has fired it may write nothing.
  const term = a.terms[0]
  await frozen.advance(12_000)
  expect(term?.signal.aborted).toBe(true)
  expect(() => term?.assertHeld()).toThrow(LeadershipLostError)
  expect(a.isLeading()).toBe(false)
  expect(server.holder).toBe('b')
  expect(a.states.at(-1)).toEqual({ kind: 'standby', holder: 'b' })
})

test('Term: the renew deadline has passed and no timer has fired yet, assertHeld throws and ends the term', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  let jumpMs = 0
  const clock = {
    wallMs: () => time.wallMs(),
    uptimeMs: () => time.uptimeMs() + jumpMs,
    bootId: () => 'boot',
  }
  const terms: Term[] = []
  const abort = new AbortController()
  const election = new LeaseElection({
    client: server,
    clock,
    timers: time,
    log: silentLog,
    name: { namespace: 'n', name: 'l' },
    identity: 'a',
    periods,
    onState: () => undefined,
  })
  const ended = election.run(abort.signal, async (term) => {
    terms.push(term)
    await new Promise<void>((resolve) => term.signal.addEventListener('abort', () => resolve()))
  })
  await time.advance(0)
  const [term] = terms
  jumpMs = 9999
  expect(() => term?.assertHeld()).not.toThrow()
  jumpMs = 10_000
  expect(() => term?.assertHeld()).toThrow(LeadershipLostError)
  expect(term?.signal.aborted).toBe(true)
  abort.abort()
  await time.advance(0)
  await ended
})

test('LeaseElection: the times in the Lease are years off, who leads does not depend on them', async () => {
  const server = new FakeLeaseServer()
  server.edit({
    holderIdentity: 'far-away',
    leaseDurationSeconds: 15,
    renewTime: '1999-01-01T00:00:00.000000Z',
    acquireTime: '2099-01-01T00:00:00.000000Z',
  })
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(14_000)
  expect(a.isLeading()).toBe(false)
  server.edit({ renewTime: '1999-01-01T00:00:01.000000Z' })
  await time.advance(14_000)
  expect(a.isLeading()).toBe(false)
  await time.advance(2 * roundMs)
  expect(a.isLeading()).toBe(true)
})

test('LeaseElection: the Lease is deleted, the leader makes it again and goes on in the same term', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(3000)
  server.delete()
  await time.advance(roundMs)
  expect(server.holder).toBe('a')
  expect(a.terms).toHaveLength(1)
  expect(a.isLeading()).toBe(true)
})

test('LeaseElection: the Lease is edited to another holder, the leader stands by at once and leads again when it ran out', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(3000)
  server.edit({ holderIdentity: 'thief' })
  await time.advance(roundMs)
  expect(a.isLeading()).toBe(false)
  expect(a.states.at(-1)).toEqual({ kind: 'standby', holder: 'thief' })
  expect(server.holder).toBe('thief')
  await time.advance(15_000 + 2 * roundMs)
  expect(a.terms).toHaveLength(2)
  expect(server.holder).toBe('a')
})

test('LeaseElection: the API server does not answer, the leader ends its term at the renew deadline and leads again later', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(4000)
  server.isAway = true
  await time.advance(9999)
  expect(a.isLeading()).toBe(true)
  await time.advance(1)
  expect(a.isLeading()).toBe(false)
  server.isAway = false
  await time.advance(10_000)
  expect(a.terms).toHaveLength(2)
  expect(a.isLeading()).toBe(true)
})

test('LeaseElection: a holder that says no duration is given the own one; an absurd one is bounded at five minutes', async () => {
  for (const [leaseDurationSeconds, waitMs] of [
    [undefined, 15_000],
    [1_000_000, 300_000],
  ] as const) {
    const server = new FakeLeaseServer()
    server.edit({ holderIdentity: 'other', leaseDurationSeconds })
    const time = new ManualTime()
    const a = candidate(server, 'a', time)
    await time.advance(waitMs - 1)
    expect(a.isLeading()).toBe(false)
    await time.advance(2 * roundMs)
    expect(a.isLeading()).toBe(true)
  }
})

test('LeaseElection: two candidates create it at the same moment, one leads', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const both = [candidate(server, 'a', time), candidate(server, 'b', time)]
  await time.advance(roundMs)
  expect(both.filter((each) => each.isLeading())).toHaveLength(1)
})

test('LeaseElection: the lock server tells of another leader, with the Lease taken it stands by and with its own it ends', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  const a = candidate(server, 'a', time)
  await time.advance(0)
  server.edit({ holderIdentity: 'b' })
  a.fail(new LeadershipLostError('epoch 2'))
  await time.advance(roundMs)
  expect(a.states.at(-1)).toEqual({ kind: 'standby', holder: 'b' })
  expect(server.holder).toBe('b')
  await time.advance(15_000 + 2 * roundMs)
  expect(a.isLeading()).toBe(true)
  a.fail(new LeadershipLostError('epoch 3'))
  await time.advance(0)
  await expect(a.ended).rejects.toThrow('epoch 3')
  expect(server.holder).toBe('')
})

test('LeaseElection: labels of the Lease, a renewal keeps them', async () => {
  const server = new FakeLeaseServer()
  const time = new ManualTime()
  candidate(server, 'a', time)
  await time.advance(5000)
  const document = await server.send({ method: 'GET', path: '' }, new AbortController().signal)
  expect(document).toMatchObject({ metadata: { labels: { kept: 'yes' } } })
})

test('leasePeriodsProblem: each period must leave room for the next', () => {
  const problem = (changed: Partial<typeof periods>) => leasePeriodsProblem({ ...periods, ...changed })
  expect(problem({})).toBeNull()
  expect(problem({ leaseDurationMs: 1500, renewDeadlineMs: 1000, retryPeriodMs: 100 })).toMatch(/whole/)
  expect(problem({ leaseDurationMs: 301_000 })).toMatch(/at most 5 minutes/)
  expect(problem({ renewDeadlineMs: 15_000 })).toMatch(/renew deadline is shorter/)
  expect(problem({ retryPeriodMs: 8334 })).toMatch(/retry period is well below/)
})
