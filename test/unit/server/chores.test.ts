import { describe, expect, test, vi } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { NoRoomError } from '../../../src/lib/read-only.ts'
import { startChores } from '../../../src/server/chores.ts'
import { BodyStoreFailedError } from '../../../src/store/bodies/contract.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { StoreFailedError, TransactionConflictError } from '../../../src/store/kv/contract.ts'

type Fields = Readonly<Record<string, unknown>>

const pace = { lifecycleIntervalMs: 3_600_000, scrubBytesPerSecond: 1 }
const quiet = () => {}

/** A store with nothing to do, whose garbage collection ends with `error`. */
function choresWith(error: Error) {
  const errors: Fields[] = []
  const warnings: Fields[] = []
  const faults: string[] = []
  const log = {
    ...{ debug: quiet, info: quiet },
    warn: (fields: Fields) => warnings.push(fields),
    error: (fields: Fields) => errors.push(fields),
  }
  const store = {
    applyToExisting: async () => 0,
    collectGarbage: () => Promise.reject(error),
    clock: { tick: () => Promise.reject(new Error('the clock is not asked within a minute')) },
    lifecycle: { run: async () => ({ kind: 'done', bucketCount: 0 }) as const },
    scrub: { run: async () => false, lookAgain: async () => {} },
  }
  return {
    chores: startChores(store, log, { ...pace, onFault: () => faults.push('fault') }),
    errors,
    warnings,
    faults,
  }
}

describe('chores', () => {
  test('chores: a commit that failed, the server ends', async () => {
    const error = new StoreFailedError('a commit failed')
    const { chores, errors } = choresWith(error)
    expect(await chores.failed).toBe(error)
    expect(errors).toEqual([{ chore: 'collectGarbage', error }])
    await chores.stop()
  })

  test('chores: no room for a commit, the server goes on and says once that the chore waits', async () => {
    vi.useFakeTimers()
    try {
      const { chores, errors, warnings } = choresWith(new NoRoomError('the volume is full'))
      await vi.advanceTimersByTimeAsync(3_600_000)
      expect(await Promise.race([chores.failed, Promise.resolve('goes on')])).toBe('goes on')
      const waits = { chore: 'collectGarbage', reason: 'the volume is full' }
      expect(warnings).toEqual([waits])
      expect(errors.filter(({ chore }) => chore === 'collectGarbage')).toEqual([])
      await chores.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  test.each([
    { error: new BodyStoreFailedError('a flush failed'), expected: 1 },
    { error: new Error('too many open files'), expected: 2 },
  ])(
    'chores: a collection ends with $error.name, the server goes on, $expected asked for',
    async ({ error, expected }) => {
      const asked = Promise.withResolvers<void>()
      let collections = 0
      const store = {
        applyToExisting: async () => 0,
        collectGarbage: () => {
          collections += 1
          return Promise.reject(error)
        },
        clock: { tick: () => Promise.reject(new Error('the clock is not asked within a minute')) },
        // Ends after the first collection, and asks for another one.
        lifecycle: { run: () => asked.promise.then(() => ({ kind: 'done', bucketCount: 1 }) as const) },
        scrub: { run: async () => false, lookAgain: async () => {} },
      }
      const chores = startChores(store, silentLog, { ...pace, onFault: quiet })
      await new Promise((resolve) => setImmediate(resolve))
      asked.resolve()
      const ended = new Promise((resolve) => setImmediate(() => resolve('goes on')))
      expect(await Promise.race([chores.failed, ended])).toBe('goes on')
      await chores.stop()
      expect(collections).toBe(expected)
    },
  )

  test.each([
    [1, 2],
    [0, 1],
  ])(
    'chores: a lifecycle over %i buckets with rules at the start, garbage is collected %i times by its end',
    async (bucketCount, expected) => {
      const counted = { collections: 0 }
      const expired = Promise.resolve({ kind: 'done', bucketCount } as const)
      const store = {
        applyToExisting: async () => 0,
        collectGarbage: async () => {
          counted.collections += 1
          return 0
        },
        clock: { tick: () => Promise.reject(new Error('the clock is not asked within a minute')) },
        lifecycle: { run: () => expired },
        scrub: { run: async () => false, lookAgain: async () => {} },
      }
      const chores = startChores(store, silentLog, { ...pace, onFault: quiet })
      await chores.stop()
      expect(counted.collections).toBe(expected)
    },
  )

  test.each([
    [new TypeError('a bug'), 1],
    [new CorruptRecordError('damage'), 0],
    [new TransactionConflictError('busy'), 0],
  ])('chores: %s, the server goes on and counts %i unexpected errors', async (error, count) => {
    const { chores, faults } = choresWith(error)
    const ended = new Promise((resolve) => setImmediate(() => resolve('goes on')))
    expect(await Promise.race([chores.failed, ended])).toBe('goes on')
    expect(faults).toHaveLength(count)
    await chores.stop()
  })

  test.each([new BodyStoreFailedError('a flush failed'), new Error('too many open files')])(
    'chores: $name in a collection, is logged and the server goes on',
    async (error) => {
      const { chores, errors } = choresWith(error)
      const ended = new Promise((resolve) => setImmediate(() => resolve('goes on')))
      expect(await Promise.race([chores.failed, ended])).toBe('goes on')
      expect(errors).toEqual([{ chore: 'collectGarbage', error }])
      await chores.stop()
    },
  )
})
