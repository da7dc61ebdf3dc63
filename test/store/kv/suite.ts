import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compareBytes } from '../../../src/lib/bytes.ts'
import { limits } from '../../../src/lib/limits.ts'
import { chainHash, logHeadKey, logKey, parseChainHead, parseChainValue } from '../../../src/store/kv/chain.ts'
import {
  type Entry,
  type KeyValue,
  type KeyValueTransaction,
  TransactionConflictError,
  TransactionTooLargeError,
  TransactionTooOldError,
} from '../../../src/store/kv/contract.ts'
import { parseCounter } from '../../../src/store/kv/counter.ts'

export type EngineUnderTest = {
  readonly name: string
  /** A new, empty store; `uptimeMs` drives its deadlines. `remove` closes it and takes its files away. */
  readonly create: (uptimeMs: () => number) => Promise<{ kv: KeyValue; remove: () => Promise<void> }>
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

function texts(entries: readonly Entry[]): string[] {
  return entries.map(({ key, value }) => `${Buffer.from(key).toString('latin1')}=${Buffer.from(value)}`)
}

function all(options: { limit?: number; reverse?: boolean } = {}) {
  return { from: bytes(''), to: bytes('\xff\xff\xff\xff'), limit: options.limit ?? 1000, reverse: options.reverse ?? false }
}

/** Opens by hand: lets a test decide the order of two transactions. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { passed: promise, open: resolve }
}

/** Every engine must pass this, in the same words. */
export function keyValueSuite(engine: EngineUnderTest): void {
  describe(`${engine.name}`, () => {
    let kv: KeyValue
    let nowMs = 0
    let remove: () => Promise<void> = async () => {}

    beforeEach(async () => {
      nowMs = 0
      const created = await engine.create(() => nowMs)
      kv = created.kv
      remove = created.remove
    })
    afterEach(() => remove())

    async function put(...pairs: [string, string][]): Promise<void> {
      await kv.transact(async (transaction) => {
        for (const [key, value] of pairs) transaction.put(bytes(key), bytes(value))
      })
    }

    async function readText(key: string): Promise<string | null> {
      const value = await kv.get(bytes(key))
      return value === null ? null : Buffer.from(value).toString()
    }

    readsAndOrder()
    ownWrites()
    conflicts()
    blindWrites()
    bounds()

    function readsAndOrder(): void {
      test('get: an absent key, gives null; an empty value is not absent', async () => {
        await put(['k', ''])
        expect(await kv.get(bytes('absent'))).toBeNull()
        expect(await kv.get(bytes('k'))).toEqual(new Uint8Array(0))
      })

      test('getMany: present and absent keys, gives one value a key in the order asked for', async () => {
        await put(['b0', 'x'], ['b1', 'y'])
        const values = await kv.getMany([bytes('b1'), bytes('none'), bytes('b0')])
        expect(values).toEqual([bytes('y'), null, bytes('x')])
      })

      test('delete: a key and an absent key, leaves neither', async () => {
        await put(['k', 'v'])
        await kv.transact(async (transaction) => {
          transaction.delete(bytes('k'))
          transaction.delete(bytes('none'))
        })
        expect(await kv.range(all())).toEqual([])
      })

      test('range: bytes of all values, is ordered by unsigned bytes with the shorter key first', async () => {
        const keys = ['b', 'b\x00', 'b\x00\x00', 'b\x01', 'b\x7f', 'b\x80', 'b\xff', 'b\xff\x00', 'c']
        await put(...[...keys].reverse().map((key): [string, string] => [key, '']))
        const found = await kv.range(all())
        expect(found.map((entry) => Buffer.from(entry.key).toString('latin1'))).toEqual(keys)
      })

      test('range: from is inclusive and to exclusive, in both directions', async () => {
        await put(['k1', '1'], ['k2', '2'], ['k3', '3'], ['k4', '4'])
        const bound = { from: bytes('k2'), to: bytes('k4'), limit: 10 }
        expect(texts(await kv.range(bound))).toEqual(['k2=2', 'k3=3'])
        expect(texts(await kv.range({ ...bound, reverse: true }))).toEqual(['k3=3', 'k2=2'])
      })

      test('range: a limit, cuts at the end that the direction reaches last', async () => {
        await put(['k1', '1'], ['k2', '2'], ['k3', '3'])
        expect(texts(await kv.range(all({ limit: 2 })))).toEqual(['k1=1', 'k2=2'])
        expect(texts(await kv.range(all({ limit: 2, reverse: true })))).toEqual(['k3=3', 'k2=2'])
      })

      test('range: empty, inverted and beyond the last key, gives nothing', async () => {
        await put(['k1', '1'])
        for (const reverse of [false, true]) {
          expect(await kv.range({ from: bytes('k1'), to: bytes('k1'), limit: 5, reverse })).toEqual([])
          expect(await kv.range({ from: bytes('k2'), to: bytes('k1'), limit: 5, reverse })).toEqual([])
          expect(await kv.range({ from: bytes('k2'), to: bytes('k9'), limit: 5, reverse })).toEqual([])
          expect(await kv.range({ from: bytes(''), to: bytes(''), limit: 5, reverse })).toEqual([])
          expect(await kv.range({ from: bytes('b'), to: bytes('k1'), limit: 5, reverse })).toEqual([])
        }
      })

      test('a read: its bytes changed by the caller, leaves the store and a second read alone', async () => {
        await put(['k', 'abc'])
        const value = await kv.get(bytes('k'))
        value?.fill(0)
        const [entry] = await kv.range(all())
        entry?.value.fill(0)
        entry?.key.fill(0)
        expect(texts(await kv.range(all()))).toEqual(['k=abc'])
      })

      test('a put: its bytes changed before the commit, stores what was put', async () => {
        const value = bytes('abc')
        await kv.transact(async (transaction) => {
          transaction.put(bytes('k'), value)
          value.fill(0)
        })
        expect(await readText('k')).toBe('abc')
      })

      test('values: every size around pages and 64 KiB, come back byte by byte', async () => {
        const sizes = [1, 2000, 4095, 4096, 32_767, 32_768, 32_769, 65_536, 65_537, 1_000_000]
        for (const size of sizes) {
          const value = new Uint8Array(size).map((_byte, index) => (index * 31 + size) & 0xff)
          await kv.transact(async (transaction) => transaction.put(bytes(`k${size}`), value))
          const stored = await kv.get(bytes(`k${size}`))
          expect(stored !== null && compareBytes(stored, value) === 0).toBe(true)
        }
        const entries = await kv.range(all())
        expect(entries.map((entry) => entry.value.length).sort((a, b) => a - b)).toEqual(sizes)
        for (const { key, value } of entries) {
          const size = Number(Buffer.from(key).toString('latin1').slice(1))
          expect(value.every((byte, index) => byte === ((index * 31 + size) & 0xff))).toBe(true)
        }
      })

      test('snapshot: a commit in its middle, is not seen by it and seen after it', async () => {
        await put(['k', 'old'])
        const before = await kv.snapshot(async (reader) => {
          const first = await reader.get(bytes('k'))
          await put(['k', 'new'], ['k2', 'new'])
          return [first, await reader.get(bytes('k')), await reader.get(bytes('k2')), (await reader.range(all())).length]
        })
        expect(before).toEqual([bytes('old'), bytes('old'), null, 1])
        expect(await readText('k')).toBe('new')
      })

      test('a read after a commit: the commit resolved, sees it while an older snapshot is open', async () => {
        await put(['k', '0'])
        await kv.snapshot(async (reader) => {
          await reader.get(bytes('k'))
          for (let round = 1; round <= 20; round += 1) {
            await put(['k', `${round}`])
            expect(await readText('k')).toBe(`${round}`)
          }
          expect(await reader.get(bytes('k'))).toEqual(bytes('0'))
        })
      })

      test('range: any keys, bounds, limit and own writes, answers as a sorted list does', async () => {
        const key = fc.array(fc.constantFrom(0x00, 0x01, 0x62, 0x7f, 0x80, 0xff), { minLength: 1, maxLength: 3 })
        const change = fc.tuple(key, fc.option(fc.nat(9)))
        const query = fc.record({ from: key, to: key, limit: fc.integer({ min: 1, max: 6 }), reverse: fc.boolean() })
        const cases = fc.record({
          stored: fc.array(change, { maxLength: 12 }),
          own: fc.array(change, { maxLength: 8 }),
          queries: fc.array(query, { minLength: 1, maxLength: 4 }),
        })
        await fc.assert(fc.asyncProperty(cases, checkAgainstModel), { numRuns: 60 })
      })
    }

    type Change = [number[], number | null]
    type Query = { from: number[]; to: number[]; limit: number; reverse: boolean }
    type Case = { stored: Change[]; own: Change[]; queries: Query[] }

    async function checkAgainstModel({ stored, own, queries }: Case): Promise<void> {
      const left = await kv.range(all())
      await kv.transact(async (transaction) => {
        for (const entry of left) transaction.delete(entry.key)
      })
      const model = new Map<string, string>()
      await kv.transact(async (transaction) => change(transaction, model, stored))
      await kv.transact(async (transaction) => {
        change(transaction, model, own)
        for (const query of queries) {
          const from = Buffer.from(query.from).toString('latin1')
          const to = Buffer.from(query.to).toString('latin1')
          const expected = [...model].filter(([key]) => key >= from && key < to).sort(([a], [b]) => (a < b ? -1 : 1))
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

    function ownWrites(): void {
      test('transact: own puts and deletes, are seen by get and range of it', async () => {
        await put(['k1', '1'], ['k2', '2'], ['k3', '3'])
        const seen = await kv.transact(async (transaction) => {
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
        await kv.transact(async (transaction) => {
          transaction.put(bytes('k'), bytes('1'))
          transaction.delete(bytes('k'))
          transaction.put(bytes('k'), bytes('2'))
        })
        expect(await readText('k')).toBe('2')
      })

      test('transact: work that throws, rejects with its error and writes nothing', async () => {
        const failure = new Error('no')
        const work = kv.transact(async (transaction) => {
          transaction.put(bytes('k'), bytes('v'))
          transaction.add(bytes('n'), 1)
          transaction.append('log', bytes('r'))
          throw failure
        })
        await expect(work).rejects.toBe(failure)
        expect(await kv.range(all())).toEqual([])
      })

      test('transact: used after its end, is refused', async () => {
        let kept: KeyValueTransaction | null = null
        await kv.transact(async (transaction) => {
          kept = transaction
        })
        const late = kept as KeyValueTransaction | null
        expect(() => late?.put(bytes('k'), bytes('v'))).toThrow(TransactionTooOldError)
        await expect(late?.get(bytes('k'))).rejects.toThrow(TransactionTooOldError)
      })

      test('transact: nothing written, runs once and resolves with the result', async () => {
        await put(['k', 'v'])
        let runs = 0
        const value = await kv.transact(async (transaction) => {
          runs += 1
          const read = await transaction.get(bytes('k'))
          await put(['k', 'changed'])
          return read
        })
        expect([runs, value]).toEqual([1, bytes('v')])
      })
    }

    /** Runs `read` in a transaction, `disturb` before its commit; gives how often the work ran. */
    async function runsWhenDisturbed(
      read: (transaction: KeyValueTransaction) => Promise<unknown>,
      disturb: () => Promise<void>,
    ): Promise<number> {
      let runs = 0
      await kv.transact(async (transaction) => {
        runs += 1
        await read(transaction)
        if (runs === 1) await disturb()
        transaction.put(bytes('out'), bytes(`${runs}`))
      })
      expect(await readText('out')).toBe(`${runs}`)
      return runs
    }

    function conflicts(): void {
      const range = { from: bytes('k1'), to: bytes('k9'), limit: 100 }
      const remove = (key: string) => async () => {
        await kv.transact(async (transaction) => transaction.delete(bytes(key)))
      }
      const rows: [string, number, (t: KeyValueTransaction) => Promise<unknown>, () => Promise<void>][] = [
        ['a key that was read changes', 2, (t) => t.get(bytes('k2')), () => put(['k2', 'x'])],
        ['a key that was read goes', 2, (t) => t.get(bytes('k2')), () => remove('k2')()],
        ['a key that was absent comes', 2, (t) => t.get(bytes('k7')), () => put(['k7', 'x'])],
        ['a key of getMany changes', 2, (t) => t.getMany([bytes('z'), bytes('k2')]), () => put(['k2', 'x'])],
        ['another key changes', 1, (t) => t.get(bytes('k2')), () => put(['k3', 'x'])],
        ['a value in a range changes', 2, (t) => t.range(range), () => put(['k4', 'x'])],
        ['a key comes into a range', 2, (t) => t.range(range), () => put(['k5', 'x'])],
        ['a key comes into an empty range', 2, (t) => t.range({ ...range, from: bytes('k5') }), () => put(['k6', 'x'])],
        ['a key leaves a range', 2, (t) => t.range(range), () => remove('k4')()],
        ['a key comes behind a range', 1, (t) => t.range(range), () => put(['k9', 'x'])],
        ['a key comes before a range', 1, (t) => t.range(range), () => put(['k0', 'x'])],
        ['a key comes behind the limit', 1, (t) => t.range({ ...range, limit: 2 }), () => put(['k5', 'x'])],
        ['a key comes within the limit', 2, (t) => t.range({ ...range, limit: 2 }), () => put(['k1', 'x'])],
        [
          'a key comes behind the limit of a reverse range',
          1,
          (t) => t.range({ ...range, limit: 1, reverse: true }),
          () => put(['k3', 'x']),
        ],
        [
          'a key comes within a reverse range',
          2,
          (t) => t.range({ ...range, limit: 1, reverse: true }),
          () => put(['k5', 'x']),
        ],
      ]
      test.each(rows)('transact: %s before its commit, work runs %i times', async (_name, runs, read, disturb) => {
        await put(['k2', '2'], ['k3', '3'], ['k4', '4'])
        if (_name.includes('limit of a reverse')) await remove('k3')()
        expect(await runsWhenDisturbed(read, disturb)).toBe(runs)
      })

      test('transact: the bytes of a read changed by the caller, is no conflict and hides none', async () => {
        await put(['k', 'abc'])
        const read = async (transaction: KeyValueTransaction) => {
          const value = await transaction.get(bytes('k'))
          value?.set(bytes('new'))
          const [entry] = await transaction.range({ from: bytes('k'), to: bytes('l'), limit: 1 })
          entry?.value.set(bytes('new'))
        }
        expect(await runsWhenDisturbed(read, async () => {})).toBe(1)
        expect(await runsWhenDisturbed(read, () => put(['k', 'new']))).toBe(2)
      })

      test('transact: a counter that was read, conflicts with an add by another', async () => {
        const add = () => kv.transact(async (transaction) => transaction.add(bytes('n'), 1))
        expect(await runsWhenDisturbed((transaction) => transaction.get(bytes('n')), add)).toBe(2)
      })

      test('transact: 40 read-modify-writes of one key at once, lose none or say so', async () => {
        const increment = async () => {
          try {
            await kv.transact(async (transaction) => {
              const value = await transaction.get(bytes('n'))
              transaction.put(bytes('n'), bytes(`${Number(value === null ? 0 : Buffer.from(value).toString()) + 1}`))
            })
            return 1
          } catch (error) {
            expect(error).toBeInstanceOf(TransactionConflictError)
            return 0
          }
        }
        const counts = await Promise.all(Array.from({ length: 40 }, increment))
        const done = counts.reduce<number>((sum, count) => sum + count, 0)
        expect(await readText('n')).toBe(`${done}`)
        expect(done).toBeGreaterThanOrEqual(limits.transactionConflictsMax)
      })

      test('transact: two that read what the other writes, never both commit on the old state', async () => {
        await put(['x', '0'], ['y', '0'])
        const both = gate()
        let arrived = 0
        const move = (from: string, to: string) =>
          kv.transact(async (transaction) => {
            const value = Buffer.from((await transaction.get(bytes(from))) ?? []).toString()
            arrived += 1
            if (arrived === 2) both.open()
            await both.passed
            transaction.put(bytes(to), bytes(`${Number(value) + 1}`))
          })
        await Promise.all([move('x', 'y'), move('y', 'x')])
        const [x, y] = [await readText('x'), await readText('y')]
        // In either order the second reads what the first wrote; 1 and 1 is write skew.
        expect([`${x}${y}`]).toEqual([expect.stringMatching(/^(21|12)$/)])
      })

      test('transact: a conflict each time, rejects after the limit and writes nothing', async () => {
        let runs = 0
        const work = kv.transact(async (transaction) => {
          runs += 1
          await transaction.get(bytes('k'))
          await put(['k', `${runs}`])
          transaction.put(bytes('out'), bytes('x'))
        })
        await expect(work).rejects.toBeInstanceOf(TransactionConflictError)
        expect(runs).toBe(limits.transactionConflictsMax)
        expect(await readText('out')).toBeNull()
      })
    }

    function blindWrites(): void {
      test('add: 64 transactions at once, never conflict and add up', async () => {
        let runs = 0
        const one = (index: number) =>
          kv.transact(async (transaction) => {
            runs += 1
            transaction.add(bytes('n'), index)
            transaction.add(bytes('n'), 1)
          })
        await Promise.all(Array.from({ length: 64 }, (_value, index) => one(index)))
        expect(parseCounter(await kv.get(bytes('n')))).toBe((63 * 64) / 2 + 64)
        expect(runs).toBe(64)
      })

      test('add: below 0, to beyond 32 bits and to 0, is stored in 64 bits and removed at 0', async () => {
        const add = (delta: number) => kv.transact(async (transaction) => transaction.add(bytes('n'), delta))
        await add(-3)
        expect(await kv.get(bytes('n'))).toEqual(Uint8Array.of(0xfd, 255, 255, 255, 255, 255, 255, 255))
        await add(2 ** 40 + 3)
        expect(await kv.get(bytes('n'))).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0))
        await add(-(2 ** 40))
        expect(await kv.get(bytes('n'))).toBeNull()
      })

      test('add and append: reads of the same transaction, do not see them', async () => {
        const seen = await kv.transact(async (transaction) => {
          transaction.add(bytes('n'), 1)
          transaction.append('log', bytes('r'))
          return [await transaction.get(bytes('n')), await transaction.range(all())]
        })
        expect(seen).toEqual([null, []])
      })

      test('add: on a value that is no counter, is refused alone; others of the moment commit', async () => {
        await put(['n', 'abc'])
        const bad = kv.transact(async (transaction) => {
          transaction.put(bytes('half'), bytes('x'))
          transaction.add(bytes('n'), 1)
        })
        const good = put(['k', 'v'])
        await expect(bad).rejects.toThrow('a counter has 8 bytes')
        await good
        expect(texts(await kv.range(all()))).toEqual(['k=v', 'n=abc'])
      })

      test('append: 64 transactions at once, number from 1 without gap, each hash over all before', async () => {
        const one = (index: number) =>
          kv.transact(async (transaction) => {
            await transaction.get(bytes(`own${index}`))
            transaction.put(bytes(`own${index}`), bytes('x'))
            transaction.append('audit', bytes(`first ${index}`))
            transaction.append('other', bytes(`${index}`))
            transaction.append('audit', bytes(`second ${index}`))
          })
        await Promise.all(Array.from({ length: 64 }, (_value, index) => one(index)))
        const records = await verifiedChain('audit', 128)
        expect((await verifiedChain('other', 64)).length).toBe(64)
        for (let index = 0; index < 64; index += 1) {
          const place = records.indexOf(`first ${index}`)
          expect(records.indexOf(`second ${index}`)).toBe(place + 1)
        }
      })

      test('append: after a conflict and a refusal, leaves no gap', async () => {
        await put(['k', '0'])
        let runs = 0
        await kv.transact(async (transaction) => {
          runs += 1
          await transaction.get(bytes('k'))
          transaction.append('audit', bytes(`run ${runs}`))
          if (runs === 1) await put(['k', '1'])
        })
        const refused = kv.transact(async (transaction) => {
          transaction.append('audit', bytes('refused'))
          throw new Error('no')
        })
        await expect(refused).rejects.toThrow('no')
        await kv.transact(async (transaction) => transaction.append('audit', bytes('last')))
        expect(await verifiedChain('audit', 2)).toEqual(['run 2', 'last'])
      })

      test('a log: its keys put, deleted or added to, is refused', async () => {
        await kv.transact(async (transaction) => transaction.append('audit', bytes('r')))
        const key = logKey('audit', 1)
        await kv.transact(async (transaction) => {
          expect(() => transaction.put(key, bytes('x'))).toThrow('only append')
          expect(() => transaction.delete(key)).toThrow('only append')
          expect(() => transaction.add(logHeadKey('audit'), 1)).toThrow('only append')
        })
        expect(await verifiedChain('audit', 1)).toEqual(['r'])
      })
    }

    /** Recomputes every hash from the stored bytes; gives the records' texts. */
    async function verifiedChain(log: string, count: number): Promise<string[]> {
      const entries = await kv.range({ from: logKey(log, 0), to: logKey(log, 2 ** 53 - 1), limit: 1000 })
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
      expect(parseChainHead(await kv.get(logHeadKey(log)))).toEqual({ sequence: count, hash: previous })
      return records
    }

    function bounds(): void {
      test('keys: empty and longer than the limit, are refused by reads and writes; the longest is taken', async () => {
        const longest = new Uint8Array(limits.storeKeyBytesMax).fill(0xfe)
        for (const key of [new Uint8Array(0), new Uint8Array(limits.storeKeyBytesMax + 1)]) {
          await expect(kv.get(key)).rejects.toThrow('a key has at')
          await expect(kv.transact(async (transaction) => transaction.put(key, bytes('')))).rejects.toThrow('a key has')
          await expect(kv.transact(async (transaction) => transaction.add(key, 1))).rejects.toThrow('a key has')
        }
        await kv.transact(async (transaction) => transaction.put(longest, bytes('v')))
        expect(await kv.get(longest)).toEqual(bytes('v'))
        const after = new Uint8Array(limits.storeKeyBytesMax + 1).fill(0xfe)
        expect(texts(await kv.range({ from: longest, to: after, limit: 5, reverse: true })).length).toBe(1)
        expect(await kv.range({ from: after, to: bytes('\xff'), limit: 5 })).toEqual([])
      })

      test('transact: as many keys as allowed, commits; one more of any kind, is refused whole', async () => {
        const fill = (transaction: KeyValueTransaction, count: number) => {
          for (let index = 0; index < count; index += 1) transaction.put(bytes(`k${index}`), bytes('v'))
        }
        await kv.transact(async (transaction) => fill(transaction, limits.transactionKeysMax))
        const beyond: ((transaction: KeyValueTransaction) => void)[] = [
          (transaction) => transaction.put(bytes('more'), bytes('v')),
          (transaction) => transaction.delete(bytes('more')),
          (transaction) => transaction.add(bytes('more'), 1),
          (transaction) => transaction.append('log', bytes('r')),
        ]
        for (const write of beyond) {
          const work = kv.transact(async (transaction) => {
            transaction.put(bytes('mark'), bytes('v'))
            fill(transaction, limits.transactionKeysMax - 1)
            write(transaction)
          })
          await expect(work).rejects.toBeInstanceOf(TransactionTooLargeError)
        }
        expect(await readText('mark')).toBeNull()
      })

      test('transact: more bytes than allowed, is refused whole', async () => {
        const value = new Uint8Array(limits.transactionBytesMax - 10)
        const work = (key: string) =>
          kv.transact(async (transaction) => {
            transaction.put(bytes('b'), value)
            transaction.put(bytes(key), bytes('1'))
          })
        await expect(work('k234567890')).rejects.toBeInstanceOf(TransactionTooLargeError)
        expect(await kv.range(all())).toEqual([])
        await work('k2345678')
      })

      test('transact: longer than allowed, is refused and writes nothing', async () => {
        const work = (lastsMs: number) =>
          kv.transact(async (transaction) => {
            nowMs += lastsMs
            transaction.put(bytes('k'), bytes(`${lastsMs}`))
          })
        await expect(work(limits.transactionMsMax + 1)).rejects.toBeInstanceOf(TransactionTooOldError)
        expect(await readText('k')).toBeNull()
        await work(limits.transactionMsMax)
        expect(await readText('k')).toBe(`${limits.transactionMsMax}`)
      })

      test('transact: its time over while work waits, is refused and its snapshot freed', async () => {
        let transaction: KeyValueTransaction | null = null
        const first = async () => {
          nowMs += limits.transactionMsMax
          await put(['k', 'other'])
        }
        let runs = 0
        const work = kv.transact(async (current) => {
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
        await expect(kv.range({ from: bytes('b'), to: bytes('c'), limit: 0 })).rejects.toThrow('limit of at least 1')
      })

      test('close: every later call, fails', async () => {
        await put(['k', 'v'])
        await kv.close()
        await expect(kv.get(bytes('k'))).rejects.toThrow('closed')
        await expect(kv.snapshot(async (reader) => reader.get(bytes('k')))).rejects.toThrow('closed')
        await expect(put(['k', 'v'])).rejects.toThrow('closed')
      })

      test('close: with commits in flight, settles all of them', async () => {
        const writes = Array.from({ length: 20 }, (_value, index) => put([`k${index}`, 'v']))
        await new Promise((resolve) => setImmediate(resolve))
        await kv.close()
        const settled = await Promise.allSettled(writes)
        for (const { status } of settled) expect(['fulfilled', 'rejected']).toContain(status)
      })
    }
  })
}
