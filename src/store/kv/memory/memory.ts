/**
 * The engine for tests: exact in what it answers, keeps nothing. A state is an immutable sorted list, so a
 * snapshot
 * is a reference. Never imported by the product.
 */
import { copyBytes, keyBytes, keyText } from '../bytes-key.ts'
import { type Entry, type KeyValue, type RangeOptions, StoreFailedError } from '../contract.ts'
import type { Snapshot, View, WritableView } from '../engine.ts'
import { type CommitOutcome, type Engine, OptimisticKeyValue, type Uptime } from '../optimistic.ts'
import { applyWrites, prepareWrites, type ReadSet, readsHold } from '../transaction.ts'
import type { WriteBuffer } from '../write-buffer.ts'

export type MemoryOptions = {
  readonly uptimeMs: Uptime
  /** Called before each commit; `conflict` makes it one, `failed` fails the store for good. */
  readonly beforeCommit?: () => 'proceed' | 'conflict' | 'failed'
}

export function openMemory(options: MemoryOptions): KeyValue {
  return new OptimisticKeyValue(new MemoryEngine(options), options.uptimeMs)
}

type State = ReadonlyMap<string, Uint8Array>

class MemoryEngine implements Engine {
  readonly #beforeCommit: () => 'proceed' | 'conflict' | 'failed'
  #state: State = new Map()
  #failure: StoreFailedError | null = null

  constructor(options: MemoryOptions) {
    this.#beforeCommit = options.beforeCommit ?? (() => 'proceed')
  }

  openSnapshot(): Snapshot {
    if (this.#failure !== null) throw this.#failure
    return { ...viewOf(this.#state), release() {} }
  }

  async commit(reads: ReadSet, writes: WriteBuffer): Promise<CommitOutcome> {
    // One turn later, as on a disk: other transactions run between work and commit.
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#failure !== null) throw this.#failure
    const fate = this.#beforeCommit()
    if (fate === 'conflict') return 'conflict'
    if (fate === 'failed') {
      this.#failure = new StoreFailedError('the test asked for a failed commit')
      throw this.#failure
    }
    const next = new Map(this.#state)
    const view = writableViewOf(next)
    if (!readsHold(reads, view)) return 'conflict'
    applyWrites(prepareWrites(writes, view), view)
    this.#state = next
    return 'committed'
  }

  async close(): Promise<void> {
    this.#failure = new StoreFailedError('the store is closed')
  }
}

function viewOf(state: State): View {
  return {
    get(key) {
      const value = state.get(keyText(key))
      return value === undefined ? null : copyBytes(value)
    },
    range(options) {
      return rangeOf(state, options)
    },
  }
}

function writableViewOf(state: Map<string, Uint8Array>): WritableView {
  return {
    ...viewOf(state),
    put(key, value) {
      state.set(keyText(key), copyBytes(value))
    },
    remove(key) {
      state.delete(keyText(key))
    },
  }
}

function rangeOf(state: State, options: RangeOptions): Entry[] {
  const from = keyText(options.from)
  const to = keyText(options.to)
  const keys = [...state.keys()].filter((key) => key >= from && key < to).sort()
  if (options.reverse === true) keys.reverse()
  return keys
    .slice(0, options.limit)
    .map((key) => ({ key: keyBytes(key), value: copyBytes(state.get(key) as Uint8Array) }))
}
