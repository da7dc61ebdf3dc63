import { expect, test } from 'vitest'
import {
  chainHash,
  logHeadKey,
  logKey,
  parseChainHead,
  parseChainValue,
} from '../../../src/store/kv/chain.ts'
import { CounterBoundError } from '../../../src/store/kv/contract.ts'
import { parseCounter } from '../../../src/store/kv/counter.ts'
import { all, bytes, type StoreUnderTest, texts } from './suite-store.ts'

export function blindWrites(store: StoreUnderTest): void {
  test('add: 64 transactions at once, never conflict and add up', async () => {
    let runs = 0
    const one = (index: number) =>
      store.kv.transact(async (transaction) => {
        runs += 1
        transaction.add(bytes('n'), index)
        transaction.add(bytes('n'), 1)
      })
    await Promise.all(Array.from({ length: 64 }, (_value, index) => one(index)))
    expect(parseCounter(await store.kv.get(bytes('n')))).toBe((63 * 64) / 2 + 64)
    expect(runs).toBe(64)
  })

  test('add: below 0, to beyond 32 bits and to 0, is stored in 64 bits and removed at 0', async () => {
    const add = (delta: number) =>
      store.kv.transact(async (transaction) => transaction.add(bytes('n'), delta))
    await add(-3)
    expect(await store.kv.get(bytes('n'))).toEqual(Uint8Array.of(0xfd, 255, 255, 255, 255, 255, 255, 255))
    await add(2 ** 40 + 3)
    expect(await store.kv.get(bytes('n'))).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0))
    await add(-(2 ** 40))
    expect(await store.kv.get(bytes('n'))).toBeNull()
  })

  test('bound: 64 transactions at once, exactly as many as fit commit, and none conflicts', async () => {
    let runs = 0
    const one = () =>
      store.kv.transact(async (transaction) => {
        runs += 1
        transaction.put(bytes(`k${runs}`), bytes('v'))
        transaction.bound(bytes('n'), 100)
        transaction.add(bytes('n'), 7)
      })
    const settled = await Promise.allSettled(Array.from({ length: 64 }, one))
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(14)
    expect(parseCounter(await store.kv.get(bytes('n')))).toBe(98)
    expect(runs).toBe(64)
    expect(await store.kv.range({ from: bytes('k'), to: bytes('l'), limit: 100 })).toHaveLength(14)
    for (const result of settled) {
      if (result.status === 'fulfilled') continue
      expect(result.reason).toBeInstanceOf(CounterBoundError)
      expect(result.reason).toMatchObject({ count: 98 })
    }
  })

  test('bound: reached exactly, or passed while the counter does not rise, is no refusal', async () => {
    const add = (deltas: readonly number[], countMax: number) =>
      store.kv.transact(async (transaction) => {
        for (const delta of deltas) transaction.add(bytes('n'), delta)
        transaction.bound(bytes('n'), countMax)
      })
    await add([10], 10)
    await expect(add([1], 10)).rejects.toThrow('a counter at 10 would pass its bound of 10')
    await add([5, -5], 3)
    await add([5, -6], 3)
    await add([], 3)
    expect(parseCounter(await store.kv.get(bytes('n')))).toBe(9)
  })

  test('add and append: reads of the same transaction, do not see them', async () => {
    const seen = await store.kv.transact(async (transaction) => {
      transaction.add(bytes('n'), 1)
      transaction.append('log', bytes('r'))
      return [await transaction.get(bytes('n')), await transaction.range(all())]
    })
    expect(seen).toEqual([null, []])
  })

  test('add: on a value that is no counter, is refused alone; others of the moment commit', async () => {
    await store.put(['n', 'abc'])
    const bad = store.kv.transact(async (transaction) => {
      transaction.put(bytes('half'), bytes('x'))
      transaction.add(bytes('n'), 1)
    })
    const good = store.put(['k', 'v'])
    await expect(bad).rejects.toThrow('a counter has 8 bytes')
    await good
    expect(texts(await store.kv.range(all()))).toEqual(['k=v', 'n=abc'])
  })

  test('append: 64 transactions at once, number from 1 without gap, each hash over all before', async () => {
    const one = (index: number) =>
      store.kv.transact(async (transaction) => {
        await transaction.get(bytes(`own${index}`))
        transaction.put(bytes(`own${index}`), bytes('x'))
        transaction.append('audit', bytes(`first ${index}`))
        transaction.append('other', bytes(`${index}`))
        transaction.append('audit', bytes(`second ${index}`))
      })
    await Promise.all(Array.from({ length: 64 }, (_value, index) => one(index)))
    const records = await verifiedChain(store, 'audit', 128)
    expect((await verifiedChain(store, 'other', 64)).length).toBe(64)
    for (let index = 0; index < 64; index += 1) {
      const place = records.indexOf(`first ${index}`)
      expect(records.indexOf(`second ${index}`)).toBe(place + 1)
    }
  })

  test('append: after a conflict and a refusal, leaves no gap', async () => {
    await store.put(['k', '0'])
    let runs = 0
    await store.kv.transact(async (transaction) => {
      runs += 1
      await transaction.get(bytes('k'))
      transaction.append('audit', bytes(`run ${runs}`))
      if (runs === 1) await store.put(['k', '1'])
    })
    const refused = store.kv.transact(async (transaction) => {
      transaction.append('audit', bytes('refused'))
      throw new Error('no')
    })
    await expect(refused).rejects.toThrow('no')
    await store.kv.transact(async (transaction) => transaction.append('audit', bytes('last')))
    expect(await verifiedChain(store, 'audit', 2)).toEqual(['run 2', 'last'])
  })

  test('a log: its keys put, deleted or added to, is refused', async () => {
    await store.kv.transact(async (transaction) => transaction.append('audit', bytes('r')))
    const key = logKey('audit', 1)
    await store.kv.transact(async (transaction) => {
      expect(() => transaction.put(key, bytes('x'))).toThrow('only append')
      expect(() => transaction.delete(key)).toThrow('only append')
      expect(() => transaction.add(logHeadKey('audit'), 1)).toThrow('only append')
    })
    expect(await verifiedChain(store, 'audit', 1)).toEqual(['r'])
  })
}

/** Recomputes every hash from the stored bytes; gives the records' texts. */
async function verifiedChain(store: StoreUnderTest, log: string, count: number): Promise<string[]> {
  const entries = await store.kv.range({ from: logKey(log, 0), to: logKey(log, 2 ** 53 - 1), limit: 1000 })
  expect(entries.length).toBe(count)
  let previous: Uint8Array = new Uint8Array(32)
  const records = entries.map(({ key, value }, index) => {
    const parsed = parseChainValue(value)
    expect(parsed.sequence).toBe(index + 1)
    expect(key).toEqual(logKey(log, index + 1))
    expect(parsed.previous).toEqual(previous)
    previous = chainHash(value)
    return Buffer.from(parsed.record).toString()
  })
  expect(parseChainHead(await store.kv.get(logHeadKey(log)))).toEqual({ sequence: count, hash: previous })
  return records
}
