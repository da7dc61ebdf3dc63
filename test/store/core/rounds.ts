import type { KeyValue, KeyValueReader, KeyValueTransaction } from '../../../src/store/kv/contract.ts'

/**
 * Counts rounds of reads as a remote engine would see them: every read is answered one turn of the event loop later,
 * so reads that are asked for together are one round.
 */
export class RoundCounter {
  rounds = 0
  commits = 0
  readonly kv: KeyValue
  #isRoundOpen = false

  constructor(kv: KeyValue) {
    this.kv = {
      ...this.#reader(kv),
      snapshot: (read) => kv.snapshot((reader) => read(this.#reader(reader))),
      transact: (work) => {
        this.commits += 1
        return kv.transact((transaction) => work(this.#transaction(transaction)))
      },
      close: () => kv.close(),
    }
  }

  reset(): void {
    this.rounds = 0
    this.commits = 0
  }

  #reader(reader: KeyValueReader): KeyValueReader {
    return {
      get: (key) => this.#read(() => reader.get(key)),
      getMany: (keys) => this.#read(() => reader.getMany(keys)),
      range: (options) => this.#read(() => reader.range(options)),
    }
  }

  #transaction(transaction: KeyValueTransaction): KeyValueTransaction {
    return {
      ...this.#reader(transaction),
      put: (key, value) => transaction.put(key, value),
      delete: (key) => transaction.delete(key),
      add: (key, delta) => transaction.add(key, delta),
      bound: (key, countMax) => transaction.bound(key, countMax),
      append: (log, record) => transaction.append(log, record),
    }
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    if (!this.#isRoundOpen) {
      this.#isRoundOpen = true
      this.rounds += 1
      setImmediate(() => {
        this.#isRoundOpen = false
      })
    }
    await new Promise((resolve) => setImmediate(resolve))
    return read()
  }
}
