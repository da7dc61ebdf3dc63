import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes } from '../../../src/lib/bytes.ts'
import { type KeyValueTransaction, TransactionTooOldError } from '../../../src/store/kv/contract.ts'
import { all, bytes, type StoreUnderTest, texts } from './suite-store.ts'

export function readsAndOrder(store: StoreUnderTest): void {
  test('get: an absent key, gives null; an empty value is not absent', async () => {
    await store.put(['k', ''])
    expect(await store.kv.get(bytes('absent'))).toBeNull()
    expect(await store.kv.get(bytes('k'))).toEqual(new Uint8Array(0))
  })

  test('getMany: present and absent keys, gives one value a key in the order asked for', async () => {
    await store.put(['b0', 'x'], ['b1', 'y'])
    const values = await store.kv.getMany([bytes('b1'), bytes('none'), bytes('b0')])
    expect(values).toEqual([bytes('y'), null, bytes('x')])
  })

  test('delete: a key and an absent key, leaves neither', async () => {
    await store.put(['k', 'v'])
    await store.kv.transact(async (transaction) => {
      transaction.delete(bytes('k'))
      transaction.delete(bytes('none'))
    })
    expect(await store.kv.range(all())).toEqual([])
  })

  test('range: bytes of all values, is ordered by unsigned bytes with the shorter key first', async () => {
    const keys = ['b', 'b\x00', 'b\x00\x00', 'b\x01', 'b\x7f', 'b\x80', 'b\xff', 'b\xff\x00', 'c']
    await store.put(...[...keys].reverse().map((key): [string, string] => [key, '']))
    const found = await store.kv.range(all())
    expect(found.map((entry) => Buffer.from(entry.key).toString('latin1'))).toEqual(keys)
  })

  test('range: from is inclusive and to exclusive, in both directions', async () => {
    await store.put(['k1', '1'], ['k2', '2'], ['k3', '3'], ['k4', '4'])
    const bound = { from: bytes('k2'), to: bytes('k4'), limit: 10 }
    expect(texts(await store.kv.range(bound))).toEqual(['k2=2', 'k3=3'])
    expect(texts(await store.kv.range({ ...bound, reverse: true }))).toEqual(['k3=3', 'k2=2'])
  })

  test('range: a limit, cuts at the end that the direction reaches last', async () => {
    await store.put(['k1', '1'], ['k2', '2'], ['k3', '3'])
    expect(texts(await store.kv.range(all({ limit: 2 })))).toEqual(['k1=1', 'k2=2'])
    expect(texts(await store.kv.range(all({ limit: 2, reverse: true })))).toEqual(['k3=3', 'k2=2'])
  })

  test('range: empty, inverted and beyond the last key, gives nothing', async () => {
    await store.put(['k1', '1'])
    for (const reverse of [false, true]) {
      expect(await store.kv.range({ from: bytes('k1'), to: bytes('k1'), limit: 5, reverse })).toEqual([])
      expect(await store.kv.range({ from: bytes('k2'), to: bytes('k1'), limit: 5, reverse })).toEqual([])
      expect(await store.kv.range({ from: bytes('k2'), to: bytes('k9'), limit: 5, reverse })).toEqual([])
      expect(await store.kv.range({ from: bytes(''), to: bytes(''), limit: 5, reverse })).toEqual([])
      expect(await store.kv.range({ from: bytes('b'), to: bytes('k1'), limit: 5, reverse })).toEqual([])
    }
  })

  test('a read: its bytes changed by the caller, leaves the store and a second read alone', async () => {
    await store.put(['k', 'abc'])
    const value = await store.kv.get(bytes('k'))
    value?.fill(0)
    const [entry] = await store.kv.range(all())
    entry?.value.fill(0)
    entry?.key.fill(0)
    expect(texts(await store.kv.range(all()))).toEqual(['k=abc'])
  })

  test('a put: its bytes changed before the commit, stores what was put', async () => {
    const value = bytes('abc')
    await store.kv.transact(async (transaction) => {
      transaction.put(bytes('k'), value)
      value.fill(0)
    })
    expect(await store.readText('k')).toBe('abc')
  })

  test('values: every size around pages and 64 KiB, come back byte by byte', async () => {
    const sizes = [1, 2000, 4095, 4096, 32_767, 32_768, 32_769, 65_536, 65_537, 1_000_000]
    for (const size of sizes) {
      const value = new Uint8Array(size).map((_byte, index) => (index * 31 + size) & 0xff)
      await store.kv.transact(async (transaction) => transaction.put(bytes(`k${size}`), value))
      const stored = await store.kv.get(bytes(`k${size}`))
      expect(stored !== null && compareBytes(stored, value) === 0).toBe(true)
    }
    const entries = await store.kv.range(all())
    expect(entries.map((entry) => entry.value.length).sort((a, b) => a - b)).toEqual(sizes)
    for (const { key, value } of entries) {
      const size = Number(Buffer.from(key).toString('latin1').slice(1))
      expect(value.every((byte, index) => byte === ((index * 31 + size) & 0xff))).toBe(true)
    }
  })

  test('snapshot: a commit in its middle, is not seen by it and seen after it', async () => {
    await store.put(['k', 'old'])
    const before = await store.kv.snapshot(async (reader) => {
      const first = await reader.get(bytes('k'))
      await store.put(['k', 'new'], ['k2', 'new'])
      return [
        first,
        await reader.get(bytes('k')),
        await reader.get(bytes('k2')),
        (await reader.range(all())).length,
      ]
    })
    expect(before).toEqual([bytes('old'), bytes('old'), null, 1])
    expect(await store.readText('k')).toBe('new')
  })

  test('a read after a commit: the commit resolved, sees it while an older snapshot is open', async () => {
    await store.put(['k', '0'])
    await store.kv.snapshot(async (reader) => {
      await reader.get(bytes('k'))
      for (let round = 1; round <= 20; round += 1) {
        await store.put(['k', `${round}`])
        expect(await store.readText('k')).toBe(`${round}`)
      }
      expect(await reader.get(bytes('k'))).toEqual(bytes('0'))
    })
  })

  test('range: any keys, bounds, limit and own writes, answers as a sorted list does', async () => {
    const key = fc.array(fc.constantFrom(0x00, 0x01, 0x62, 0x7f, 0x80, 0xff), { minLength: 1, maxLength: 3 })
    const change = fc.tuple(key, fc.option(fc.nat(9)))
    const query = fc.record({
      from: key,
      to: key,
      limit: fc.integer({ min: 1, max: 6 }),
      reverse: fc.boolean(),
    })
    const cases = fc.record({
      stored: fc.array(change, { maxLength: 12 }),
      own: fc.array(change, { maxLength: 8 }),
      queries: fc.array(query, { minLength: 1, maxLength: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(cases, (input) => checkAgainstModel(store, input)),
      { numRuns: 60 },
    )
  })
}

type Change = [number[], number | null]
type Query = { from: number[]; to: number[]; limit: number; reverse: boolean }
type Case = { stored: Change[]; own: Change[]; queries: Query[] }

async function checkAgainstModel(store: StoreUnderTest, { stored, own, queries }: Case): Promise<void> {
  const left = await store.kv.range(all())
  await store.kv.transact(async (transaction) => {
    for (const entry of left) transaction.delete(entry.key)
  })
  const model = new Map<string, string>()
  await store.kv.transact(async (transaction) => change(transaction, model, stored))
  await store.kv.transact(async (transaction) => {
    change(transaction, model, own)
    for (const query of queries) {
      const from = Buffer.from(query.from).toString('latin1')
      const to = Buffer.from(query.to).toString('latin1')
      const expected = [...model]
        .filter(([key]) => key >= from && key < to)
        .sort(([a], [b]) => (a < b ? -1 : 1))
      if (query.reverse) expected.reverse()
      const options = { ...query, from: Uint8Array.from(query.from), to: Uint8Array.from(query.to) }
      const cut = expected.slice(0, query.limit).map(([key, value]) => `${key}=${value}`)
      expect(texts(await transaction.range(options))).toEqual(cut)
    }
  })
}

function change(transaction: KeyValueTransaction, model: Map<string, string>, changes: Change[]): void {
  for (const [key, value] of changes) {
    const text = Buffer.from(key).toString('latin1')
    if (value === null) {
      transaction.delete(Uint8Array.from(key))
      model.delete(text)
    } else {
      transaction.put(Uint8Array.from(key), bytes(`${value}`))
      model.set(text, `${value}`)
    }
  }
}

export function ownWrites(store: StoreUnderTest): void {
  test('transact: own puts and deletes, are seen by get and range of it', async () => {
    await store.put(['k1', '1'], ['k2', '2'], ['k3', '3'])
    const seen = await store.kv.transact(async (transaction) => {
      transaction.delete(bytes('k1'))
      transaction.put(bytes('k2'), bytes('own'))
      transaction.put(bytes('k4'), bytes('own'))
      return {
        points: await transaction.getMany([bytes('k1'), bytes('k2'), bytes('k4')]),
        first: texts(await transaction.range(all({ limit: 2 }))),
        last: texts(await transaction.range(all({ limit: 2, reverse: true }))),
      }
    })
    expect(seen.points).toEqual([null, bytes('own'), bytes('own')])
    expect(seen.first).toEqual(['k2=own', 'k3=3'])
    expect(seen.last).toEqual(['k4=own', 'k3=3'])
  })

  test('transact: put, delete, put of one key, stores the last', async () => {
    await store.kv.transact(async (transaction) => {
      transaction.put(bytes('k'), bytes('1'))
      transaction.delete(bytes('k'))
      transaction.put(bytes('k'), bytes('2'))
    })
    expect(await store.readText('k')).toBe('2')
  })

  test('transact: work that throws, rejects with its error and writes nothing', async () => {
    const failure = new Error('no')
    const work = store.kv.transact(async (transaction) => {
      transaction.put(bytes('k'), bytes('v'))
      transaction.add(bytes('n'), 1)
      transaction.append('log', bytes('r'))
      throw failure
    })
    await expect(work).rejects.toBe(failure)
    expect(await store.kv.range(all())).toEqual([])
  })

  test('transact: used after its end, is refused', async () => {
    let kept: KeyValueTransaction | null = null
    await store.kv.transact(async (transaction) => {
      kept = transaction
    })
    const late = kept as KeyValueTransaction | null
    expect(() => late?.put(bytes('k'), bytes('v'))).toThrow(TransactionTooOldError)
    await expect(late?.get(bytes('k'))).rejects.toThrow(TransactionTooOldError)
  })

  test('transact: nothing written, runs once and resolves with the result', async () => {
    await store.put(['k', 'v'])
    let runs = 0
    const value = await store.kv.transact(async (transaction) => {
      runs += 1
      const read = await transaction.get(bytes('k'))
      await store.put(['k', 'changed'])
      return read
    })
    expect([runs, value]).toEqual([1, bytes('v')])
  })
}
