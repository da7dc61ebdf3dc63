import { expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import {
  type KeyValueTransaction,
  TransactionTooLargeError,
  TransactionTooOldError,
} from '../../../src/store/kv/contract.ts'
import { all, bytes, type StoreUnderTest, texts } from './suite-store.ts'

export function bounds(store: StoreUnderTest): void {
  test('keys: empty and longer than the limit, are refused by reads and writes; the longest is taken', async () => {
    const longest = new Uint8Array(limits.storeKeyBytesMax).fill(0xfe)
    for (const key of [new Uint8Array(0), new Uint8Array(limits.storeKeyBytesMax + 1)]) {
      await expect(store.kv.get(key)).rejects.toThrow('a key has at')
      await expect(store.kv.transact(async (transaction) => transaction.put(key, bytes('')))).rejects.toThrow(
        'a key has',
      )
      await expect(store.kv.transact(async (transaction) => transaction.add(key, 1))).rejects.toThrow(
        'a key has',
      )
    }
    await store.kv.transact(async (transaction) => transaction.put(longest, bytes('v')))
    expect(await store.kv.get(longest)).toEqual(bytes('v'))
    const after = new Uint8Array(limits.storeKeyBytesMax + 1).fill(0xfe)
    expect(texts(await store.kv.range({ from: longest, to: after, limit: 5, reverse: true })).length).toBe(1)
    expect(await store.kv.range({ from: after, to: bytes('\xff'), limit: 5 })).toEqual([])
  })

  test('transact: as many keys as allowed, commits; one more of any kind, is refused whole', async () => {
    const fill = (transaction: KeyValueTransaction, count: number) => {
      for (let index = 0; index < count; index += 1) transaction.put(bytes(`k${index}`), bytes('v'))
    }
    await store.kv.transact(async (transaction) => fill(transaction, limits.transactionKeysMax))
    const beyond: ((transaction: KeyValueTransaction) => void)[] = [
      (transaction) => transaction.put(bytes('more'), bytes('v')),
      (transaction) => transaction.delete(bytes('more')),
      (transaction) => transaction.add(bytes('more'), 1),
      (transaction) => transaction.append('log', bytes('r')),
    ]
    for (const write of beyond) {
      const work = store.kv.transact(async (transaction) => {
        transaction.put(bytes('mark'), bytes('v'))
        fill(transaction, limits.transactionKeysMax - 1)
        write(transaction)
      })
      await expect(work).rejects.toBeInstanceOf(TransactionTooLargeError)
    }
    expect(await store.readText('mark')).toBeNull()
  })

  test('transact: more bytes than allowed, is refused whole', async () => {
    const value = new Uint8Array(limits.transactionBytesMax - 10)
    const work = (key: string) =>
      store.kv.transact(async (transaction) => {
        transaction.put(bytes('b'), value)
        transaction.put(bytes(key), bytes('1'))
      })
    await expect(work('k234567890')).rejects.toBeInstanceOf(TransactionTooLargeError)
    expect(await store.kv.range(all())).toEqual([])
    await work('k2345678')
  })

  test('transact: longer than allowed, is refused and writes nothing', async () => {
    const work = (lastsMs: number) =>
      store.kv.transact(async (transaction) => {
        store.nowMs += lastsMs
        transaction.put(bytes('k'), bytes(`${lastsMs}`))
      })
    await expect(work(limits.transactionMsMax + 1)).rejects.toBeInstanceOf(TransactionTooOldError)
    expect(await store.readText('k')).toBeNull()
    await work(limits.transactionMsMax)
    expect(await store.readText('k')).toBe(`${limits.transactionMsMax}`)
  })

  test('transact: its time over while work waits, is refused and its snapshot freed', async () => {
    let transaction: KeyValueTransaction | null = null
    const first = async () => {
      store.nowMs += limits.transactionMsMax
      await store.put(['k', 'other'])
    }
    let runs = 0
    const work = store.kv.transact(async (current) => {
      runs += 1
      transaction = current
      await current.get(bytes('k'))
      current.put(bytes('out'), bytes('x'))
      if (runs === 1) return await first()
      await new Promise(() => {})
    })
    await expect(work).rejects.toBeInstanceOf(TransactionTooOldError)
    const late = transaction as KeyValueTransaction | null
    await expect(late?.get(bytes('k'))).rejects.toBeInstanceOf(TransactionTooOldError)
    expect(runs).toBe(2)
  })

  test('range: a limit of 0, is refused', async () => {
    await expect(store.kv.range({ from: bytes('b'), to: bytes('c'), limit: 0 })).rejects.toThrow(
      'limit of at least 1',
    )
  })

  test('close: every later call, fails', async () => {
    await store.put(['k', 'v'])
    await store.kv.close()
    await expect(store.kv.get(bytes('k'))).rejects.toThrow('closed')
    await expect(store.kv.snapshot(async (reader) => reader.get(bytes('k')))).rejects.toThrow('closed')
    await expect(store.put(['k', 'v'])).rejects.toThrow('closed')
  })

  test('close: with commits in flight, settles all of them', async () => {
    const writes = Array.from({ length: 20 }, (_value, index) => store.put([`k${index}`, 'v']))
    await new Promise((resolve) => setImmediate(resolve))
    await store.kv.close()
    const settled = await Promise.allSettled(writes)
    for (const { status } of settled) expect(['fulfilled', 'rejected']).toContain(status)
  })
}
