import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { anySignal, withAnySignal } from '../../../src/lib/signals.ts'

type Both = readonly [AbortController, AbortController]
const bothControllers = (): Both => [new AbortController(), new AbortController()]
const signalsOf = (both: Both) => both.map(({ signal }) => signal)
const listenerCounts = (both: Both) => signalsOf(both).map((each) => getEventListeners(each, 'abort').length)

describe('withAnySignal', () => {
  test('a thousand pieces of work one after the other: no listener is left at either signal', async () => {
    const both = bothControllers()
    for (let index = 0; index < 1000; index += 1) {
      const given = await withAnySignal(signalsOf(both), async (signal) => {
        expect(listenerCounts(both)).toEqual([1, 1])
        signal.addEventListener('abort', () => undefined)
        return index
      })
      expect(given).toBe(index)
    }
    expect(listenerCounts(both)).toEqual([0, 0])
  })

  test('work that fails: its error, and no listener is left', async () => {
    const both = bothControllers()
    const failed = withAnySignal(signalsOf(both), async () => {
      throw new Error('this one')
    })
    await expect(failed).rejects.toThrow('this one')
    expect(listenerCounts(both)).toEqual([0, 0])
  })

  test('work that throws before it is a promise: rejects with that, and no listener is left', async () => {
    const both = bothControllers()
    const failed = withAnySignal(signalsOf(both), () => {
      throw new Error('at once')
    })
    await expect(failed).rejects.toThrow('at once')
    expect(listenerCounts(both)).toEqual([0, 0])
  })

  test.each([0, 1] as const)(
    'signal %i is aborted meanwhile: so is that of the work, with its reason',
    async (index) => {
      const both = bothControllers()
      const reason = new Error('enough')
      const seen = await withAnySignal(signalsOf(both), async (signal) => {
        expect(signal.aborted).toBe(false)
        both[index].abort(reason)
        return [signal.aborted, signal.reason, listenerCounts(both)]
      })
      expect(seen).toEqual([true, reason, [0, 0]])
    },
  )

  test.each([0, 1] as const)(
    'signal %i was aborted before: so is that of the work, and nothing is listened to',
    async (index) => {
      const both = bothControllers()
      const reason = new Error('long ago')
      both[index].abort(reason)
      const seen = await withAnySignal(signalsOf(both), async (signal) => [signal.aborted, signal.reason])
      expect(seen).toEqual([true, reason])
      expect(listenerCounts(both)).toEqual([0, 0])
    },
  )
})

describe('anySignal', () => {
  test('let go: what it depended on no longer aborts it', () => {
    const both = bothControllers()
    const { signal, letGo } = anySignal(signalsOf(both))
    letGo()
    both[0].abort()
    expect([signal.aborted, listenerCounts(both)]).toEqual([false, [0, 0]])
  })
})
