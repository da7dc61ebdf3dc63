/** The contract's KeyValue over an engine that can open snapshots and commit. */
import { limits } from '../../lib/limits.ts'
import {
  type Entry,
  type KeyValue,
  type KeyValueReader,
  type KeyValueTransaction,
  type RangeOptions,
  TransactionConflictError,
  TransactionTooOldError,
} from './contract.ts'
import type { Snapshot } from './engine.ts'
import { OptimisticTransaction, type ReadSet, SnapshotReader, transactionEnded } from './transaction.ts'
import type { WriteBuffer } from './write-buffer.ts'

export type CommitOutcome = 'committed' | 'conflict'

export type Engine = {
  /** The newest committed state. Throws StoreFailedError. */
  openSnapshot(): Snapshot
  /**
   * Checks the reads and applies the writes as one step; resolves when that is durable, or with `conflict`
   * when nothing was written. Errors: StoreFailedError, CorruptRecordError for a damaged counter or chain head.
   */
  commit(reads: ReadSet, writes: WriteBuffer): Promise<CommitOutcome>
  close(): Promise<void>
}

/** Milliseconds of a clock that never goes back, for deadlines only. */
export type Uptime = () => number

export class OptimisticKeyValue implements KeyValue {
  readonly #engine: Engine
  readonly #uptimeMs: Uptime

  constructor(engine: Engine, uptimeMs: Uptime) {
    this.#engine = engine
    this.#uptimeMs = uptimeMs
  }

  get(key: Uint8Array): Promise<Uint8Array | null> {
    return this.#once((reader) => reader.get(key))
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]> {
    return this.#once((reader) => reader.getMany(keys))
  }

  range(options: RangeOptions): Promise<Entry[]> {
    return this.#once((reader) => reader.range(options))
  }

  async snapshot<T>(read: (reader: KeyValueReader) => Promise<T>): Promise<T> {
    const reader = new SnapshotReader(this.#engine.openSnapshot())
    return await this.#bounded(reader, read, limits.transactionMsMax)
  }

  async transact<T>(work: (transaction: KeyValueTransaction) => Promise<T>): Promise<T> {
    const startedMs = this.#uptimeMs()
    for (let conflicts = 0; conflicts < limits.transactionConflictsMax; conflicts += 1) {
      const transaction = new OptimisticTransaction(this.#engine.openSnapshot())
      const leftMs = startedMs + limits.transactionMsMax - this.#uptimeMs()
      const result = await this.#bounded(transaction, work, leftMs)
      if (transaction.writes.isEmpty()) return result
      // Measured again: a blocked event loop lets `work` end before the timer that bounds it.
      if (this.#uptimeMs() - startedMs > limits.transactionMsMax) throw tooOld()
      const outcome = await this.#engine.commit(transaction.reads, transaction.writes)
      if (outcome === 'committed') return result
    }
    throw new TransactionConflictError(`a transaction met ${limits.transactionConflictsMax} conflicts`)
  }

  close(): Promise<void> {
    return this.#engine.close()
  }

  // A single read needs no timer: engines read at once.
  async #once<T>(read: (reader: KeyValueReader) => Promise<T>): Promise<T> {
    const reader = new SnapshotReader(this.#engine.openSnapshot())
    try {
      return await read(reader)
    } finally {
      reader.end(transactionEnded)
    }
  }

  /** Ends `reader` after `leftMs` even if `work` never returns: an old snapshot keeps the file growing. */
  async #bounded<Reader extends SnapshotReader, T>(
    reader: Reader,
    work: (reader: Reader) => Promise<T>,
    leftMs: number,
  ): Promise<T> {
    let timer: NodeJS.Timeout | null = null
    const expired = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => {
          const error = tooOld()
          reader.end(error)
          reject(error)
        },
        Math.max(leftMs, 0),
      )
    })
    try {
      return await Promise.race([work(reader), expired])
    } finally {
      if (timer !== null) clearTimeout(timer)
      reader.end(transactionEnded)
    }
  }
}

function tooOld(): TransactionTooOldError {
  return new TransactionTooOldError(`a transaction lasts at most ${limits.transactionMsMax} ms`)
}
