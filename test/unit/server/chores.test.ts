import { describe, expect, test } from 'vitest'
import { startChores } from '../../../src/server/chores.ts'
import { BodyStoreFailedError } from '../../../src/store/bodies/contract.ts'
import { StoreFailedError } from '../../../src/store/kv/contract.ts'

type Fields = Readonly<Record<string, unknown>>

/** A store with nothing to do, whose garbage collection ends with `error`. */
function choresWith(error: Error) {
  const errors: Fields[] = []
  const quiet = () => {}
  const log = { debug: quiet, info: quiet, warn: quiet, error: (fields: Fields) => errors.push(fields) }
  const store = {
    applyToExisting: async () => 0,
    collectGarbage: () => Promise.reject(error),
    clock: { tick: () => Promise.reject(new Error('the clock is not asked within a minute')) },
    lifecycle: { run: async () => ({ kind: 'done', bucketCount: 0 }) as const },
    scrub: { run: async () => false },
  }
  return { chores: startChores(store, log, 3_600_000), errors }
}

describe('chores', () => {
  test.each([new StoreFailedError('a commit failed'), new BodyStoreFailedError('a flush failed')])(
    'chores: $name in a chore, end the server',
    async (error) => {
      const { chores, errors } = choresWith(error)
      expect(await chores.failed).toBe(error)
      expect(errors).toEqual([{ chore: 'collectGarbage', error }])
      await chores.stop()
    },
  )

  test('chores: any other failure, is logged and the server goes on', async () => {
    const error = new Error('too many open files')
    const { chores, errors } = choresWith(error)
    const ended = new Promise((resolve) => setImmediate(() => resolve('goes on')))
    expect(await Promise.race([chores.failed, ended])).toBe('goes on')
    expect(errors).toEqual([{ chore: 'collectGarbage', error }])
    await chores.stop()
  })
})
