import type { KeyValue } from './contract.ts'

/** The same store, whose transactions go through `transact`. */
export function withTransact(kv: KeyValue, transact: KeyValue['transact']): KeyValue {
  return {
    get: (key) => kv.get(key),
    getMany: (keys) => kv.getMany(keys),
    range: (options) => kv.range(options),
    snapshot: (read) => kv.snapshot(read),
    close: () => kv.close(),
    transact,
  }
}
