import { expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { type KeyValueTransaction, TransactionConflictError } from '../../../src/store/kv/contract.ts'
import { bytes, type StoreUnderTest } from './suite-store.ts'

/** Opens by hand: lets a test decide the order of two transactions. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { passed: promise, open: resolve }
}

/** Runs `read` in a transaction, `disturb` before its commit; gives how often the work ran. */
async function runsWhenDisturbed(
  store: StoreUnderTest,
  read: (transaction: KeyValueTransaction) => Promise<unknown>,
  disturb: () => Promise<void>,
): Promise<number> {
  let runs = 0
  await store.kv.transact(async (transaction) => {
    runs += 1
    await read(transaction)
    if (runs === 1) await disturb()
    transaction.put(bytes('out'), bytes(`${runs}`))
  })
  expect(await store.readText('out')).toBe(`${runs}`)
  return runs
}

export function conflicts(store: StoreUnderTest): void {
  const range = { from: bytes('k1'), to: bytes('k9'), limit: 100 }
  const remove = (key: string) => async () => {
    await store.kv.transact(async (transaction) => transaction.delete(bytes(key)))
  }
  const rows: [string, number, (t: KeyValueTransaction) => Promise<unknown>, () => Promise<void>][] = [
    ['a key that was read changes', 2, (t) => t.get(bytes('k2')), () => store.put(['k2', 'x'])],
    ['a key that was read goes', 2, (t) => t.get(bytes('k2')), () => remove('k2')()],
    ['a key that was absent comes', 2, (t) => t.get(bytes('k7')), () => store.put(['k7', 'x'])],
    [
      'a key of getMany changes',
      2,
      (t) => t.getMany([bytes('z'), bytes('k2')]),
      () => store.put(['k2', 'x']),
    ],
    ['another key changes', 1, (t) => t.get(bytes('k2')), () => store.put(['k3', 'x'])],
    ['a value in a range changes', 2, (t) => t.range(range), () => store.put(['k4', 'x'])],
    ['a key comes into a range', 2, (t) => t.range(range), () => store.put(['k5', 'x'])],
    [
      'a key comes into an empty range',
      2,
      (t) => t.range({ ...range, from: bytes('k5') }),
      () => store.put(['k6', 'x']),
    ],
    ['a key leaves a range', 2, (t) => t.range(range), () => remove('k4')()],
    ['a key comes behind a range', 1, (t) => t.range(range), () => store.put(['k9', 'x'])],
    ['a key comes before a range', 1, (t) => t.range(range), () => store.put(['k0', 'x'])],
    ['a key comes behind the limit', 1, (t) => t.range({ ...range, limit: 2 }), () => store.put(['k5', 'x'])],
    ['a key comes within the limit', 2, (t) => t.range({ ...range, limit: 2 }), () => store.put(['k1', 'x'])],
    [
      'a key comes behind the limit of a reverse range',
      1,
      (t) => t.range({ ...range, limit: 1, reverse: true }),
      () => store.put(['k3', 'x']),
    ],
    [
      'a key comes within a reverse range',
      2,
      (t) => t.range({ ...range, limit: 1, reverse: true }),
      () => store.put(['k5', 'x']),
    ],
  ]
  test.each(rows)(
    'transact: %s before its commit, work runs %i times',
    async (_name, runs, read, disturb) => {
      await store.put(['k2', '2'], ['k3', '3'], ['k4', '4'])
      if (_name.includes('limit of a reverse')) await remove('k3')()
      expect(await runsWhenDisturbed(store, read, disturb)).toBe(runs)
    },
  )

  test('transact: the bytes of a read changed by the caller, is no conflict and hides none', async () => {
    await store.put(['k', 'abc'])
    const read = async (transaction: KeyValueTransaction) => {
      const value = await transaction.get(bytes('k'))
      value?.set(bytes('new'))
      const [entry] = await transaction.range({ from: bytes('k'), to: bytes('l'), limit: 1 })
      entry?.value.set(bytes('new'))
    }
    expect(await runsWhenDisturbed(store, read, async () => {})).toBe(1)
    expect(await runsWhenDisturbed(store, read, () => store.put(['k', 'new']))).toBe(2)
  })

  test('transact: a counter that was read, conflicts with an add by another', async () => {
    const add = () => store.kv.transact(async (transaction) => transaction.add(bytes('n'), 1))
    expect(await runsWhenDisturbed(store, (transaction) => transaction.get(bytes('n')), add)).toBe(2)
  })

  test('transact: 40 read-modify-writes of one key at once, lose none or say so', async () => {
    const increment = async () => {
      try {
        await store.kv.transact(async (transaction) => {
          const value = await transaction.get(bytes('n'))
          transaction.put(
            bytes('n'),
            bytes(`${Number(value === null ? 0 : Buffer.from(value).toString()) + 1}`),
          )
        })
        return 1
      } catch (error) {
        expect(error).toBeInstanceOf(TransactionConflictError)
        return 0
      }
    }
    const counts = await Promise.all(Array.from({ length: 40 }, increment))
    const done = counts.reduce<number>((sum, count) => sum + count, 0)
    expect(await store.readText('n')).toBe(`${done}`)
    expect(done).toBeGreaterThanOrEqual(limits.transactionConflictsMax)
  })

  test('transact: two that read what the other writes, never both commit on the old state', async () => {
    await store.put(['x', '0'], ['y', '0'])
    const both = gate()
    let arrived = 0
    const move = (from: string, to: string) =>
      store.kv.transact(async (transaction) => {
        const value = Buffer.from((await transaction.get(bytes(from))) ?? []).toString()
        arrived += 1
        if (arrived === 2) both.open()
        await both.passed
        transaction.put(bytes(to), bytes(`${Number(value) + 1}`))
      })
    await Promise.all([move('x', 'y'), move('y', 'x')])
    const [x, y] = [await store.readText('x'), await store.readText('y')]
    // In either order the second reads what the first wrote; 1 and 1 is write skew.
    expect([`${x}${y}`]).toEqual([expect.stringMatching(/^(21|12)$/)])
  })

  test('transact: a conflict each time, rejects after the limit and writes nothing', async () => {
    let runs = 0
    const work = store.kv.transact(async (transaction) => {
      runs += 1
      await transaction.get(bytes('k'))
      await store.put(['k', `${runs}`])
      transaction.put(bytes('out'), bytes('x'))
    })
    await expect(work).rejects.toBeInstanceOf(TransactionConflictError)
    expect(runs).toBe(limits.transactionConflictsMax)
    expect(await store.readText('out')).toBeNull()
  })
}
