import { describe, expect, test } from 'vitest'
import { equalBytes } from '../../../src/lib/bytes.ts'
import { appendAudit } from '../../../src/store/audit-chain.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { metaKey } from '../../../src/store/keys.ts'
import { logKey } from '../../../src/store/kv/chain.ts'
import type { KeyValue, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { openMemory } from '../../../src/store/kv/memory/memory.ts'
import { createClock, createClockStore } from '../../../src/store/trusted-clock.ts'
import { denial, startMs, TestClock } from './support.ts'

async function open() {
  const clock = new TestClock()
  const kv = openMemory({ uptimeMs: () => 0 })
  await kv.transact(async (transaction) => createClock(transaction, clock))
  const store = createClockStore(kv, clock)
  const trusted = async () => (await store.now()).trustedMs - startMs
  return { clock, kv, store, trusted }
}

/** The store with one row changed under it. */
function withRow(kv: KeyValue, key: Uint8Array, change: (value: Uint8Array) => Uint8Array): KeyValue {
  const apply = (row: Uint8Array, value: Uint8Array) => (equalBytes(row, key) ? change(value) : value)
  const over = (reader: KeyValueReader): KeyValueReader => ({
    get: async (row) => {
      const value = await reader.get(row)
      return value === null ? null : apply(row, value)
    },
    getMany: (rows) => reader.getMany(rows),
    range: async (options) =>
      (await reader.range(options)).map((entry) => ({
        key: entry.key,
        value: apply(entry.key, entry.value),
      })),
  })
  return {
    ...over(kv),
    snapshot: (read) => kv.snapshot((reader) => read(over(reader))),
    transact: (work) =>
      kv.transact((transaction) =>
        work({
          ...over(transaction),
          put: (row, value) => transaction.put(row, value),
          delete: (row) => transaction.delete(row),
          add: (row, delta) => transaction.add(row, delta),
          bound: (row, countMax) => transaction.bound(row, countMax),
          append: (log, record) => transaction.append(log, record),
        }),
      ),
    close: () => kv.close(),
  }
}

describe('a damaged trusted clock', () => {
  test('TrustedClock: with any one bit of its record flipped, is an error and never another time', async () => {
    const { kv, store } = await open()
    const stored = (await kv.get(metaKey('clock'))) ?? new Uint8Array(0)
    const before = await store.report()
    expect(stored.length).toBeGreaterThan(100)
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const damaged = Uint8Array.from(stored)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await kv.transact(async (transaction) => transaction.put(metaKey('clock'), damaged))
      const report = await store.report().catch((error: unknown) => error)
      if (!(report instanceof CorruptRecordError)) expect(report).toEqual(before)
    }
  })

  test('TrustedClock: a reboot after a decision whose record was damaged, believes no time of it', async () => {
    const { clock, kv, store, trusted } = await open()
    const { trustedMs, wallMs } = await store.now()
    await kv.transact(async (transaction) => appendAudit(transaction, denial({ trustedMs, wallMs })))
    // 1 and 3 differ by one bit: a time in 2030 becomes one in 2093.
    const later = (value: Uint8Array) => {
      const text = Buffer.from(value).toString('latin1')
      return Buffer.from(text.replace('"trustedMs":1', '"trustedMs":3'), 'latin1')
    }
    const damaged = withRow(kv, logKey('audit', 1), later)
    clock.reboot(0)
    await createClockStore(damaged, clock).tick()
    expect(await trusted()).toBe(0)
  })
})
