import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fileSystemReadOnly, volumeFull, type WritesRefused } from '../../../src/lib/read-only.ts'
import { watchReadOnly } from '../../../src/server/read-only-watch.ts'

/** A volume that takes writes until the test says otherwise. */
function volume() {
  const state = { takesWrites: true, hasRoom: true, hasRoomAgain: true, isInPlace: true, looks: 0 }
  const told: WritesRefused[] = []
  const takesWrites = async () => {
    state.looks += 1
    return state.takesWrites
  }
  const looks = {
    takesWrites,
    hasRoom: async () => state.hasRoom,
    hasRoomAgain: async () => state.hasRoom && state.hasRoomAgain,
    isInPlace: () => state.isInPlace,
  }
  const watch = watchReadOnly(looks, (why) => told.push(why))
  const ended = { error: null as Error | null }
  void watch.ended.then((error) => {
    ended.error = error
  })
  return { state, told, watch, ended }
}

describe('watchReadOnly', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('a volume that takes writes: has no refusal and is not looked at by itself', async () => {
    const { state, told, watch, ended } = volume()
    expect(await watch.refusal()).toBeNull()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([state.looks, told, ended.error]).toEqual([1, [], null])
  })

  test.each(['a worker', 'readiness'])(
    'read-only, met by %s: stays so, and ends the server when it is over',
    async (who) => {
      const { state, told, watch, ended } = volume()
      state.takesWrites = false
      if (who === 'a worker') watch.note('readOnly')
      expect(await watch.refusal()).toBe(fileSystemReadOnly)
      watch.note('readOnly')
      await vi.advanceTimersByTimeAsync(60_000)
      expect(ended.error).toBeNull()
      state.takesWrites = true
      // A store that was refused does not begin again by itself.
      expect(await watch.refusal()).toBe(fileSystemReadOnly)
      await vi.advanceTimersByTimeAsync(1_000)
      expect(ended.error?.message).toContain('was read-only and takes writes again')
      expect(told).toEqual(['readOnly'])
      watch.stop()
    },
  )

  test('full, met by a worker: stays so, and ends the server when there is room and it takes writes', async () => {
    const { state, told, watch, ended } = volume()
    state.hasRoom = false
    watch.note('full')
    expect(await watch.refusal()).toBe(volumeFull)
    await vi.advanceTimersByTimeAsync(60_000)
    state.hasRoom = true
    state.takesWrites = false
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ended.error).toBeNull()
    state.takesWrites = true
    await vi.advanceTimersByTimeAsync(1_000)
    expect(ended.error?.message).toContain('was full and has room again')
    expect(told).toEqual(['full'])
    watch.stop()
  })

  test.each(['readOnly', 'full'] as const)(
    '%s, with another volume at its path: does not end the server, what is there is not what is open',
    async (why) => {
      const { state, watch, ended } = volume()
      state.isInPlace = false
      watch.note(why)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(ended.error).toBeNull()
      state.isInPlace = true
      await vi.advanceTimersByTimeAsync(1_000)
      expect(ended.error).not.toBeNull()
      watch.stop()
    },
  )

  test('read-only, mended with little room: ends the server, for a start on a full volume reads by itself', async () => {
    const { state, watch, ended } = volume()
    state.hasRoomAgain = false
    watch.note('readOnly')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(ended.error?.message).toContain('was read-only and takes writes again')
    watch.stop()
  })

  test('full, with room for a commit and not much more: reads on, and a failure of the store is not put off for it', async () => {
    const { state, watch, ended } = volume()
    state.hasRoomAgain = false
    const failure = new Error('a commit failed')
    expect(await watch.dueAfter(failure)).toBe(failure)
    watch.note('full')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ended.error).toBeNull()
    state.hasRoomAgain = true
    await vi.advanceTimersByTimeAsync(1_000)
    expect(ended.error).not.toBeNull()
    watch.stop()
  })

  test('full, met by nobody: is no refusal, for with room it goes on as it is', async () => {
    const { state, told, watch, ended } = volume()
    state.hasRoom = false
    expect(await watch.refusal()).toBeNull()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([told, ended.error]).toEqual([[], null])
  })

  test.each([
    { why: 'readOnly', key: 'takesWrites', end: 'takes writes again' },
    { why: 'full', key: 'hasRoom', end: 'has room again' },
  ] as const)(
    'dueAfter: a failed store ends the server at once, or when its volume is $why no more',
    async ({ why, key, end }) => {
      const failure = new Error('a commit failed')
      expect(await volume().watch.dueAfter(failure)).toBe(failure)
      const { state, told, watch } = volume()
      state[key] = false
      const due = watch.dueAfter(failure)
      const settled = { isSo: false }
      void due.then(() => {
        settled.isSo = true
      })
      await vi.advanceTimersByTimeAsync(60_000)
      expect([settled.isSo, told]).toEqual([false, [why]])
      state[key] = true
      await vi.advanceTimersByTimeAsync(1_000)
      expect((await due).message).toContain(end)
      watch.stop()
    },
  )
})
