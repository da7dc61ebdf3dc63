import { mkdtemp, rm } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { fileSystemReadOnly, volumeFull } from '../../../src/lib/read-only.ts'
import { StoreFailedError } from '../../../src/store/kv/contract.ts'
import type { WritableView } from '../../../src/store/kv/engine.ts'
import type { Environment } from '../../../src/store/kv/lmdb/environment.ts'
import { LmdbEngine, openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { WriteBuffer } from '../../../src/store/kv/write-buffer.ts'
import { bytes } from './suite-store.ts'

const noReads = { points: [], ranges: [] }

function writesOf(key: string, value: Uint8Array = bytes('v')): WriteBuffer {
  const writes = new WriteBuffer()
  writes.put(bytes(key), value)
  return writes
}

/** An environment whose lock and disk answer when the test says so. */
function slowEnvironment() {
  const stored: string[] = []
  const pending: { lock: () => void; flush: PromiseWithResolvers<void> }[] = []
  const view: WritableView = {
    get: () => null,
    range: () => [],
    put: (key) => stored.push(Buffer.from(key).toString()),
    remove: () => {},
  }
  const environment: Environment = {
    openSnapshot: () => ({ ...view, release() {} }),
    write(apply) {
      const flush = Promise.withResolvers<void>()
      const lock = () => {
        try {
          apply(view)
        } catch (error) {
          flush.reject(error)
        }
      }
      pending.push({ lock, flush })
      return flush.promise
    },
    close: async () => {},
  }
  return { environment, pending, stored }
}

describe('LmdbEngine', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('commit: 50 that come before the lock is taken and 50 during the flush, are two writes', async () => {
    const { environment, pending, stored } = slowEnvironment()
    const engine = new LmdbEngine(environment)
    const first = Array.from({ length: 50 }, (_value, index) => engine.commit(noReads, writesOf(`b${index}`)))
    expect(pending.length).toBe(1)
    pending[0]?.lock()
    expect(stored.length).toBe(50)
    const second = Array.from({ length: 50 }, (_value, index) =>
      engine.commit(noReads, writesOf(`c${index}`)),
    )
    expect(pending.length).toBe(2)
    pending[0]?.flush.resolve()
    expect(new Set(await Promise.all(first))).toEqual(new Set(['committed']))
    expect(stored.length).toBe(50)
    pending[1]?.lock()
    pending[1]?.flush.resolve()
    await Promise.all(second)
    expect([stored.length, pending.length]).toEqual([100, 2])
  })

  test('commit: before its flush has ended, has not resolved', async () => {
    const { environment, pending } = slowEnvironment()
    const engine = new LmdbEngine(environment)
    let isResolved = false
    const commit = engine.commit(noReads, writesOf('b')).then(() => {
      isResolved = true
    })
    pending[0]?.lock()
    await new Promise((resolve) => setImmediate(resolve))
    expect(isResolved).toBe(false)
    pending[0]?.flush.resolve()
    await commit
  })

  test('commit: more bytes than one write takes, are divided and all committed', async () => {
    const { environment, pending, stored } = slowEnvironment()
    const engine = new LmdbEngine(environment)
    const value = new Uint8Array(limits.transactionBytesMax - 10)
    const count = Math.ceil((2 * limits.commitBatchBytesMax) / value.length)
    const commits = Array.from({ length: count }, (_value, index) =>
      engine.commit(noReads, writesOf(`b${index}`, value)),
    )
    for (let done = 0; done < pending.length; done += 1) {
      const before = stored.length
      pending[done]?.lock()
      expect((stored.length - before) * value.length).toBeLessThanOrEqual(limits.commitBatchBytesMax)
      pending[done]?.flush.resolve()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(commits)
    expect(stored).toEqual(commits.map((_commit, index) => `b${index}`))
  })

  test('commit: one that never ends, fails the store after the limit; nothing is applied later', async () => {
    vi.useFakeTimers()
    const { environment, pending, stored } = slowEnvironment()
    const engine = new LmdbEngine(environment)
    const commits = [engine.commit(noReads, writesOf('b')), engine.commit(noReads, writesOf('c'))]
    const settled = Promise.allSettled(commits)
    await vi.advanceTimersByTimeAsync(limits.commitMsMax - 1)
    expect(() => engine.openSnapshot().release()).not.toThrow()
    await vi.advanceTimersByTimeAsync(1)
    for (const result of await settled) {
      expect(result.status === 'rejected' && result.reason).toBeInstanceOf(StoreFailedError)
    }
    expect(() => engine.openSnapshot()).toThrow(StoreFailedError)
    pending[0]?.lock()
    expect(stored).toEqual([])
  })

  test('commit: a write that fails, fails those that wait too, with its cause', async () => {
    const { environment, pending } = slowEnvironment()
    const engine = new LmdbEngine(environment)
    const first = engine.commit(noReads, writesOf('b'))
    pending[0]?.lock()
    const second = engine.commit(noReads, writesOf('c'))
    const cause = new Error('Commit failed')
    pending[0]?.flush.reject(cause)
    await expect(first).rejects.toMatchObject({ name: 'StoreFailedError', cause })
    await expect(second).rejects.toBeInstanceOf(StoreFailedError)
    await expect(engine.commit(noReads, writesOf('d'))).rejects.toBeInstanceOf(StoreFailedError)
  })

  /** As the library says it: the number of the error is that of the cause. */
  const readOnly = () =>
    new Error('Commit failed', { cause: Object.assign(new Error('no'), { code: constants.errno.EROFS }) })

  test('commit: on a file system that takes no writes, is refused with all that wait; reads go on, it is not tried again', async () => {
    const { environment, pending } = slowEnvironment()
    const told: string[] = []
    const engine = new LmdbEngine(environment, { onRefused: (why) => told.push(why) })
    const first = engine.commit(noReads, writesOf('b'))
    pending[0]?.lock()
    const second = engine.commit(noReads, writesOf('c'))
    pending[0]?.flush.reject(readOnly())
    for (const commit of [first, second, engine.commit(noReads, writesOf('d'))])
      await expect(commit).rejects.toMatchObject({ name: 'VolumeReadOnlyError', message: fileSystemReadOnly })
    expect(() => engine.openSnapshot().release()).not.toThrow()
    expect([told, pending.length]).toEqual([['readOnly'], 2])
  })

  /** Of a disk: `recent` is what was last seen of it. */
  function disk() {
    const state = { recent: true, now: true }
    return { state, room: { recent: () => state.recent, look: async () => state.now } }
  }

  test('commit: without room, is not begun; with room again, it is', async () => {
    const { environment, pending } = slowEnvironment()
    const { state, room } = disk()
    const engine = new LmdbEngine(environment, { room, onRefused: () => expect.unreachable() })
    state.recent = false
    const refused = engine.commit(noReads, writesOf('b'))
    await expect(refused).rejects.toMatchObject({ name: 'NoRoomError', message: volumeFull })
    expect(pending.length).toBe(0)
    expect(() => engine.openSnapshot().release()).not.toThrow()
    state.recent = true
    const commit = engine.commit(noReads, writesOf('c'))
    pending[0]?.lock()
    pending[0]?.flush.resolve()
    expect(await commit).toBe('committed')
  })

  test('commit: while the disk is looked at, waits; closed meanwhile, it is refused', async () => {
    const { environment, pending } = slowEnvironment()
    const looking = Promise.withResolvers<boolean>()
    const room = { recent: () => looking.promise, look: () => looking.promise }
    const engine = new LmdbEngine(environment, { room })
    const commit = engine.commit(noReads, writesOf('b'))
    await engine.close()
    looking.resolve(true)
    await expect(commit).rejects.toBeInstanceOf(StoreFailedError)
    expect(pending.length).toBe(0)
  })

  test.each(['ENOSPC', 'EIO'] as const)(
    'commit: that fails with %s on a full disk, is refused with all that wait or come; reads go on, it is not tried again',
    async (error) => {
      const { environment, pending, stored } = slowEnvironment()
      const looking = Promise.withResolvers<boolean>()
      const room = { recent: () => true, look: () => looking.promise }
      const told: string[] = []
      const engine = new LmdbEngine(environment, { room, onRefused: (why) => told.push(why) })
      const first = engine.commit(noReads, writesOf('b'))
      pending[0]?.lock()
      const second = engine.commit(noReads, writesOf('c'))
      pending[0]?.flush.reject(Object.assign(new Error('no'), { code: constants.errno[error] }))
      await new Promise((resolve) => setImmediate(resolve))
      // One that comes while it is found out why, and the lock that was waited for.
      const third = engine.commit(noReads, writesOf('d'))
      pending[1]?.lock()
      pending[1]?.flush.resolve()
      looking.resolve(false)
      for (const commit of [first, second, third])
        await expect(commit).rejects.toMatchObject({ name: 'VolumeFullError', message: volumeFull })
      await expect(engine.commit(noReads, writesOf('e'))).rejects.toMatchObject({ name: 'VolumeFullError' })
      expect(() => engine.openSnapshot().release()).not.toThrow()
      expect([told, stored, pending.length]).toEqual([['full'], ['b'], 2])
    },
  )

  test('commit: that fails with ENOSPC though there is room, fails the store', async () => {
    const { environment, pending } = slowEnvironment()
    const engine = new LmdbEngine(environment, { room: disk().room, onRefused: () => expect.unreachable() })
    const commit = engine.commit(noReads, writesOf('b'))
    pending[0]?.flush.reject(Object.assign(new Error('no'), { code: constants.errno.ENOSPC }))
    await expect(commit).rejects.toBeInstanceOf(StoreFailedError)
  })

  test('commit: one that never ends, fails the store on a full disk too: it may still become durable', async () => {
    vi.useFakeTimers()
    const { environment } = slowEnvironment()
    const { state, room } = disk()
    const engine = new LmdbEngine(environment, { room, onRefused: () => expect.unreachable() })
    const settled = Promise.allSettled([engine.commit(noReads, writesOf('b'))])
    state.now = false
    await vi.advanceTimersByTimeAsync(limits.commitMsMax)
    const [result] = await settled
    expect(result?.status === 'rejected' && result.reason).toBeInstanceOf(StoreFailedError)
  })

  test('commit: on a file system that takes no writes, where nothing can be read either, fails the store', async () => {
    const { environment, pending } = slowEnvironment()
    const openSnapshot = () => {
      throw new Error('MDB_PANIC')
    }
    const engine = new LmdbEngine({ ...environment, openSnapshot }, { onRefused: () => expect.unreachable() })
    const commit = engine.commit(noReads, writesOf('b'))
    pending[0]?.flush.reject(readOnly())
    await expect(commit).rejects.toBeInstanceOf(StoreFailedError)
  })
})

describe('snapshots of lmdb', () => {
  async function withStore(run: (kv: Awaited<ReturnType<typeof openLmdb>>) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-kv-'))
    const kv = await openLmdb({ directory })
    try {
      await run(kv)
    } finally {
      await kv.close()
      await rm(directory, { recursive: true })
    }
  }

  test('snapshot: 1,000 open at once between commits, each keeps its own state', async () => {
    await withStore(async (kv) => {
      const end = Promise.withResolvers<void>()
      const reads: Promise<[number, number]>[] = []
      for (let index = 0; index < 1000; index += 1) {
        if (index % 100 === 0) {
          await kv.transact(async (transaction) => transaction.put(bytes('k'), bytes(`${index}`)))
        }
        const expected = index - (index % 100)
        reads.push(
          kv.snapshot(async (reader) => {
            await end.promise
            return [expected, Number(Buffer.from((await reader.get(bytes('k'))) ?? []).toString())]
          }),
        )
      }
      end.resolve()
      for (const [expected, seen] of await Promise.all(reads)) expect(seen).toBe(expected)
    })
  })

  test('close: with a snapshot open, waits for it and lets it read', async () => {
    await withStore(async (kv) => {
      await kv.transact(async (transaction) => transaction.put(bytes('k'), bytes('v')))
      let isClosed = false
      let closing: Promise<void> = Promise.resolve()
      const value = await kv.snapshot(async (reader) => {
        closing = kv.close().then(() => {
          isClosed = true
        })
        for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
        expect(isClosed).toBe(false)
        return await reader.get(bytes('k'))
      })
      expect(value).toEqual(bytes('v'))
      await closing
    })
  })
})
