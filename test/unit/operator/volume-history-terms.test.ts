import { describe, expect, test } from 'vitest'
import { LeadershipLostError } from '../../../src/operator/leadership.ts'
import {
  continuous,
  forbidden,
  headOf,
  held,
  hourMs,
  rigOf,
  rollback,
  Store,
  signal,
  timestamp,
  wall,
} from './volume-history-fixtures.ts'

describe('a new term', () => {
  test('a head that another replica kept: that one counts, not what this one saw before', async () => {
    const { history, server, store } = rigOf('abc')
    await history.begin(held, signal)
    await history.readNow()
    store.kept = headOf(2, 'y')
    server.chain = 'xyz'
    await history.begin(held, signal)
    expect(await history.readNow()).toEqual(continuous)
  })

  test('what this one kept last is still the newest: what it saw since then counts, and its doubt', async () => {
    const { history, server, store, metrics } = rigOf('ab')
    await history.begin(held, signal)
    await history.readNow()
    store.isAnswerLost = true
    server.chain = 'abc'
    await history.begin(held, signal)
    await history.readNow()
    expect(store.added).toEqual([2, 3])
    server.chain = 'abcd'
    const { kept } = store
    store.failure = new Error('the API server is away')
    await history.readNow()
    server.chain = 'abcx'
    store.failure = null
    await history.begin(held, signal)
    expect(store.kept).toBe(kept)
    expect(await history.readNow()).toEqual(rollback)
    expect(store.added).toEqual([2, 3, 4])
    await history.begin(held, signal)
    expect(metrics.render()).toContain('holdfast_rollback_detected 1\n')
    expect(history.state).toEqual(rollback)
  })

  test('nothing could be kept before: what was seen counts', async () => {
    const { history, server, store } = rigOf('abc')
    await history.begin(held, signal)
    store.failure = new Error('the API server is away')
    await history.readNow()
    server.chain = 'ab'
    store.failure = null
    await history.begin(held, signal)
    expect(await history.readNow()).toEqual(rollback)
  })
})

describe('who does not lead any more', () => {
  test('a term that was lost: nothing is kept at its end, nor of a look that comes late', async () => {
    const { history, server, store } = rigOf('ab')
    const stop = new AbortController()
    let isLost = false
    const assertHeld = () => {
      if (isLost) throw new LeadershipLostError('the Lease is not ours any more')
    }
    await history.begin({ assertHeld }, stop.signal)
    await history.readNow()
    const ended = history.run(600_000, stop.signal)
    server.chain = 'abc'
    await history.readNow()
    isLost = true
    stop.abort()
    await ended
    server.chain = 'x'
    expect(await history.readNow()).toEqual(rollback)
    expect(store.added).toEqual([2])
  })

  test('another replica kept a head meanwhile: none is put behind it', async () => {
    const { history, server, store, time } = rigOf('ab')
    await history.begin(held, signal)
    await history.readNow()
    store.kept = headOf(2, 'y')
    server.chain = 'abc'
    await time.advance(hourMs)
    expect(await history.readNow()).toEqual(continuous)
    expect(store.kept).toEqual(headOf(2, 'y'))
  })

  test('a write without an answer: the next one goes behind it', async () => {
    const { history, server, store, time } = rigOf('ab')
    await history.begin(held, signal)
    store.isAnswerLost = true
    for (const chain of ['ab', 'abc']) {
      server.chain = chain
      await history.readNow()
    }
    store.isAnswerLost = false
    server.chain = 'abcd'
    await time.advance(hourMs)
    await history.readNow()
    expect(store.added).toEqual([2, 3, 4])
  })
})

describe('the time of the last checkpoint, for the alert', () => {
  test('nothing could be kept: 0; then when it was; in the next process, that of what is kept', async () => {
    const { history, store, metrics } = rigOf('ab')
    expect(timestamp(metrics)).toBeUndefined()
    await history.begin(held, signal)
    store.failure = new Error('quota')
    await history.readNow()
    expect(timestamp(metrics)).toBe('0')
    store.failure = null
    await history.readNow()
    expect(timestamp(metrics)).toBe(String(Date.parse(wall) / 1000))
    const next = rigOf('ab', store)
    await next.history.begin(held, signal)
    expect(timestamp(next.metrics)).toBe(String(Date.parse(wall) / 1000))
  })

  test('no right on the place: 0; no place: none', async () => {
    const store = new Store()
    store.failure = forbidden
    for (const [place, shown] of [[store, '0'] as const, [null, undefined] as const]) {
      const { history, metrics } = rigOf('ab', place)
      await history.begin(held, signal)
      await history.readNow()
      expect(timestamp(metrics)).toBe(shown)
    }
  })
})
