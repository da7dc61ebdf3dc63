import { afterEach, beforeEach } from 'vitest'
import type { Entry, KeyValue } from '../../../src/store/kv/contract.ts'

export type EngineUnderTest = {
  readonly name: string
  /** A new, empty store; `uptimeMs` drives its deadlines. `remove` closes it and takes its files away. */
  readonly create: (uptimeMs: () => number) => Promise<{ kv: KeyValue; remove: () => Promise<void> }>
}

/** The store of the running test, and its clock. */
export type StoreUnderTest = {
  readonly kv: KeyValue
  nowMs: number
  put(...pairs: [string, string][]): Promise<void>
  readText(key: string): Promise<string | null>
}

/** A new store for each test of the describe block that calls this. */
export function storeForEachTest(engine: EngineUnderTest): StoreUnderTest {
  let current: { kv: KeyValue; remove: () => Promise<void> } | null = null
  const store: StoreUnderTest = {
    get kv() {
      if (current === null) throw new Error('no test is running')
      return current.kv
    },
    nowMs: 0,
    async put(...pairs) {
      await store.kv.transact(async (transaction) => {
        for (const [key, value] of pairs) transaction.put(bytes(key), bytes(value))
      })
    },
    async readText(key) {
      const value = await store.kv.get(bytes(key))
      return value === null ? null : Buffer.from(value).toString()
    },
  }
  beforeEach(async () => {
    store.nowMs = 0
    current = await engine.create(() => store.nowMs)
  })
  afterEach(async () => {
    await current?.remove()
    current = null
  })
  return store
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

export function texts(entries: readonly Entry[]): string[] {
  return entries.map(({ key, value }) => `${Buffer.from(key).toString('latin1')}=${Buffer.from(value)}`)
}

/** The range of every key that the tests write. */
export function all(options: { limit?: number; reverse?: boolean } = {}) {
  const to = bytes('\xff\xff\xff\xff')
  return { from: bytes(''), to, limit: options.limit ?? 1000, reverse: options.reverse ?? false }
}
