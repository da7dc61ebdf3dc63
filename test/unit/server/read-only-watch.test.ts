import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fileSystemReadOnly } from '../../../src/lib/read-only.ts'
import { watchReadOnly } from '../../../src/server/read-only-watch.ts'

/** A volume that takes writes until the test says otherwise. */
function volume() {
  const state = { takesWrites: true, looks: 0, told: 0 }
  const look = async () => {
    state.looks += 1
    return state.takesWrites
  }
  const watch = watchReadOnly(look, () => {
    state.told += 1
  })
  const ended = { error: null as Error | null }
  void watch.ended.then((error) => {
    ended.error = error
  })
  return { state, watch, ended }
}

describe('watchReadOnly', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('a volume that takes writes: has no refusal and is not looked at by itself', async () => {
    const { state, watch, ended } = volume()
    expect(await watch.refusal()).toBeNull()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(state).toMatchObject({ looks: 1, told: 0 })
    expect(ended.error).toBeNull()
  })

  test.each(['a worker', 'readiness'])(
    'read-only, met by %s: stays so, and ends the server when it is over',
    async (who) => {
      const { state, watch, ended } = volume()
      state.takesWrites = false
      if (who === 'a worker') watch.note()
      expect(await watch.refusal()).toBe(fileSystemReadOnly)
      watch.note()
      await vi.advanceTimersByTimeAsync(60_000)
      expect(ended.error).toBeNull()
      state.takesWrites = true
      // A store that was refused does not begin again by itself.
      expect(await watch.refusal()).toBe(fileSystemReadOnly)
      await vi.advanceTimersByTimeAsync(1_000)
      expect(ended.error?.message).toContain('takes writes again')
      expect(state.told).toBe(1)
      watch.stop()
    },
  )

  test('dueAfter: a failed store ends the server at once, or when its volume is read-only no more', async () => {
    const failure = new Error('a commit failed')
    expect(await volume().watch.dueAfter(failure)).toBe(failure)
    const { state, watch } = volume()
    state.takesWrites = false
    const due = watch.dueAfter(failure)
    const settled = { isSo: false }
    void due.then(() => {
      settled.isSo = true
    })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(settled.isSo).toBe(false)
    state.takesWrites = true
    await vi.advanceTimersByTimeAsync(1_000)
    expect((await due).message).toContain('takes writes again')
    watch.stop()
  })
})
