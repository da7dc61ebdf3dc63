import { expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { StoreFailedError, TransactionConflictError } from '../../../src/store/kv/contract.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import { keyValueSuite } from './suite.ts'
import { bytes } from './suite-store.ts'

keyValueSuite({
  name: 'memory',
  create: async (uptimeMs) => {
    const kv = openMemory({ uptimeMs })
    return { kv, remove: () => kv.close() }
  },
})

test('memory: a conflict asked for by the test, runs the work again up to the limit', async () => {
  let asked = 3
  let runs = 0
  const kv = openMemory({
    uptimeMs: () => 0,
    beforeCommit: () => {
      asked -= 1
      return asked >= 0 ? 'conflict' : 'proceed'
    },
  })
  const write = () =>
    kv.transact(async (transaction) => {
      runs += 1
      transaction.put(bytes('k'), bytes('v'))
    })
  await write()
  expect(runs).toBe(4)
  asked = limits.transactionConflictsMax
  await expect(write()).rejects.toBeInstanceOf(TransactionConflictError)
})

test('memory: a failure asked for by the test, fails every later call', async () => {
  const kv = openMemory({ uptimeMs: () => 0, beforeCommit: () => 'failed' })
  await expect(
    kv.transact(async (transaction) => transaction.put(bytes('k'), bytes('v'))),
  ).rejects.toBeInstanceOf(StoreFailedError)
  await expect(kv.get(bytes('k'))).rejects.toBeInstanceOf(StoreFailedError)
})
