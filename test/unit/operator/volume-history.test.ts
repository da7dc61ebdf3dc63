import { describe, expect, test } from 'vitest'
import { ServerUnreachableError } from '../../../src/client/lock-server.ts'
import { limits } from '../../../src/lib/limits.ts'
import { info } from './locked-bucket-fixtures.ts'
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
  wall,
} from './volume-history-fixtures.ts'

describe('a volume that goes on', () => {
  test('checkpoints: the first look keeps the head, and after an hour the next one', async () => {
    const { history, server, store, time, metrics } = rigOf('ab')
    await history.begin(held, signal)
    expect(await history.readNow()).toEqual(continuous)
    server.chain = 'abcd'
    expect(await history.readNow()).toEqual(continuous)
    expect(store.added).toEqual([2])
    await time.advance(hourMs)
    await history.readNow()
    expect(store.added).toEqual([2, 4])
    expect(store.kept).toEqual({
      kind: 'kept',
      newest: {
        ...{ volumeId: 'volume-1', sequence: 4, hash: 'd', version: info.version },
        ...{ trustedMs: Date.parse(wall), wallMs: Date.parse(wall) },
      },
    })
    const shown = metrics.render()
    expect(shown).toContain('holdfast_rollback_detected 0\n')
    expect(shown).toContain('holdfast_checkpoint_sequence 4\n')
    expect(shown).toContain(`holdfast_checkpoint_timestamp_seconds ${Date.parse(wall) / 1000}\n`)
  })

  test('checkpoints: nothing new is nothing to keep, at the end of a term all that was seen is', async () => {
    const { history, server, store, time } = rigOf('ab')
    const stop = new AbortController()
    await history.begin(held, stop.signal)
    const ended = history.run(600_000, stop.signal)
    await time.advance(3 * hourMs)
    expect(store.added).toEqual([2])
    server.chain = 'abc'
    await time.advance(600_000)
    server.chain = 'abcd'
    await history.readNow()
    stop.abort()
    await ended
    expect(store.added).toEqual([2, 3, 4])
  })

  test('a look speaks for half a minute, one that fails for nothing', async () => {
    const { history, server, time } = rigOf('ab')
    await history.read()
    server.chain = 'x'
    expect(await history.read()).toEqual(continuous)
    await time.advance(limits.serverInfoMsMax)
    server.isAway = true
    await expect(history.read()).rejects.toThrow(ServerUnreachableError)
    server.isAway = false
    expect(await history.read()).toEqual(rollback)
  })

  test('a checkpoint that cannot be written: the look is as good, and the next one writes it', async () => {
    const { history, store, time } = rigOf('ab')
    await history.begin(held, signal)
    store.failure = new Error('the API server is away')
    expect(await history.readNow()).toEqual(continuous)
    store.failure = null
    await time.advance(1)
    await history.readNow()
    expect(store.added).toEqual([2])
  })
})

describe('a volume that was set back', () => {
  test.each([
    ['shorter', 'ab'],
    ['as long and another', 'abx'],
    ['longer and another', 'abxyz'],
    ['empty', ''],
  ])('its log is %s: doubted, and the last head that was seen is kept at once', async (_title, chain) => {
    const { history, server, store, metrics } = rigOf('ab')
    await history.begin(held, signal)
    await history.readNow()
    server.chain = 'abc'
    await history.readNow()
    server.chain = chain
    const state = await history.readNow()
    expect(state).toEqual(rollback)
    expect(state).toMatchObject({ message: expect.stringContaining('delete ConfigMap here to accept it') })
    expect(store.added).toEqual([2, 3])
    expect(metrics.render()).toContain('holdfast_rollback_detected 1\n')
    server.chain = `${chain}more`
    expect(await history.readNow()).toEqual(state)
  })

  test('the right volume comes back: it goes on from where it was', async () => {
    const { history, server, store, metrics } = rigOf('abc')
    await history.begin(held, signal)
    await history.readNow()
    server.chain = 'ab'
    expect(await history.readNow()).toEqual(rollback)
    server.chain = 'abcd'
    expect(await history.readNow()).toEqual(continuous)
    expect(metrics.render()).toContain('holdfast_rollback_detected 0\n')
    expect(store.added).toEqual([3])
  })

  test('another volume: said by both names', async () => {
    const { history, server } = rigOf('abc')
    await history.readNow()
    server.volumeId = 'volume-2'
    expect(await history.readNow()).toEqual({
      kind: 'doubted',
      reason: 'VolumeReplaced',
      message: expect.stringMatching(
        /volume volume-2; before, it was volume volume-1\..*delete ConfigMap here/,
      ),
    })
  })

  test('while no operator ran: seen by what was kept', async () => {
    const { history } = rigOf('abxyz', new Store(headOf(3, 'c')))
    await history.begin(held, signal)
    expect(await history.readNow()).toEqual(rollback)
  })

  test('a record that was damaged since it was noted: is no rollback; another history behind it is one', async () => {
    for (const release of ['new', 'untold'] as const) {
      const { history, server } = rigOf('abc')
      server.release = release
      await history.readNow()
      server.damaged = 3
      server.chain = 'abcd'
      // Who tells nothing of what the chain names is believed as before.
      expect(await history.readNow(), release).toEqual(release === 'new' ? continuous : rollback)
    }
    const { history, server } = rigOf('abc')
    await history.readNow()
    server.damaged = 3
    server.chain = 'abxd'
    expect(await history.readNow()).toEqual(rollback)
  })

  test('a head whose hash was damaged: is no rollback while its record is the one that was noted', async () => {
    const { history, server } = rigOf('abc')
    await history.readNow()
    server.damagedHead = '?'
    expect(await history.readNow()).toEqual(continuous)
    const { history: other, server: replaced } = rigOf('abc')
    await other.readNow()
    replaced.chain = 'abx'
    expect(await other.readNow()).toEqual(rollback)
  })

  test('a server of an older release: a shorter log is seen', async () => {
    const { history, server } = rigOf('abc')
    server.release = 'old'
    await history.readNow()
    server.chain = 'abcd'
    expect(await history.readNow()).toEqual(continuous)
    server.chain = 'abc'
    expect(await history.readNow()).toEqual(rollback)
  })
})

describe('the word of the user', () => {
  test('what is kept is deleted: the volume is accepted, and noted from there', async () => {
    const { history, server, store } = rigOf('abc')
    await history.begin(held, signal)
    await history.readNow()
    server.chain = 'ax'
    expect(await history.readNow()).toEqual(rollback)
    store.failure = new Error('the API server is away')
    expect(await history.readNow()).toEqual(rollback)
    store.failure = null
    store.kept = { kind: 'none' }
    expect(await history.readNow()).toEqual(continuous)
    expect(store.added).toEqual([3, 2])
    server.chain = 'a'
    expect(await history.readNow()).toEqual(rollback)
  })

  test('nothing could be kept yet: that there is nothing is no word', async () => {
    const { history, server, store } = rigOf('abc')
    await history.begin(held, signal)
    store.failure = new Error('the API server is away')
    await history.readNow()
    server.chain = 'ax'
    expect(await history.readNow()).toEqual(rollback)
    store.failure = null
    expect(await history.readNow()).toEqual(rollback)
    expect(store.added).toEqual([3])
  })

  test('deleted while nothing is doubted: it is made again', async () => {
    const { history, server, store, time } = rigOf('abc')
    await history.begin(held, signal)
    await history.readNow()
    store.kept = { kind: 'none' }
    await time.advance(hourMs)
    server.chain = 'abcd'
    expect(await history.readNow()).toEqual(continuous)
    expect(store.added).toEqual([3, 4])
  })

  test('what is kept is not believed: doubted until it is gone, or right again', async () => {
    for (const next of [{ kind: 'none' }, headOf(1, 'a')] as const) {
      const { history, store } = rigOf('abc', new Store({ kind: 'unbelievable', cause: 'another key' }))
      await history.begin(held, signal)
      const doubted = {
        kind: 'doubted',
        reason: 'CheckpointsUnreadable',
        message: expect.stringContaining('It cannot be believed: another key.'),
      }
      expect(await history.readNow()).toEqual(doubted)
      expect(await history.readNow()).toEqual(doubted)
      store.kept = next
      expect(await history.readNow()).toEqual(continuous)
      expect(store.added).toEqual([3])
    }
  })
})

describe('where nothing can be kept', () => {
  test('no right on it: said, and what this process saw counts', async () => {
    const store = new Store()
    store.failure = forbidden
    const { history, server } = rigOf('abc', store)
    await history.begin(held, signal)
    expect(await history.readNow()).toEqual(continuous)
    server.chain = 'ab'
    expect(await history.readNow()).toMatchObject({
      message: expect.stringContaining('restart the operator to accept it'),
    })
  })

  test('the API server is away at the start: waited for, because nothing may be written before', async () => {
    const { history, store, time } = rigOf('abx', new Store(headOf(3, 'c')))
    store.failure = new Error('away')
    let isBegun = false
    const begun = history.begin(held, signal).then(() => {
      isBegun = true
    })
    await time.advance(60_000)
    expect(isBegun).toBe(false)
    store.failure = null
    await time.advance(60_000)
    await begun
    expect(await history.readNow()).toEqual(rollback)
  })

  test('no place at all: what was seen is remembered over terms', async () => {
    const { history, server } = rigOf('abc', null)
    await history.begin(held, signal)
    await history.readNow()
    server.chain = 'ab'
    await history.begin(held, signal)
    expect(await history.readNow()).toEqual(rollback)
  })
})
