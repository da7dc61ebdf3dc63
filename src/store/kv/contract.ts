/**
 * An ordered key-value store with transactions: FoundationDB's contract, kept small. Keys and values are bytes;
 * keys are ordered by unsigned bytes. No word of S3 below this line.
 */
export type Entry = { readonly key: Uint8Array; readonly value: Uint8Array }

export type RangeOptions = {
  /** Inclusive. */
  readonly from: Uint8Array
  /** Exclusive. */
  readonly to: Uint8Array
  /** At least 1. */
  readonly limit: number
  /** True: descending from the last key below `to`. */
  readonly reverse?: boolean
}

/** A read returns bytes that the caller may keep: no view into the engine's memory. */
export interface KeyValueReader {
  get(key: Uint8Array): Promise<Uint8Array | null>
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]>
  range(options: RangeOptions): Promise<Entry[]>
}

/**
 * One transaction. Reads come from one snapshot, see the transaction's own puts and deletes, and are validated at
 * commit, also for keys that appeared inside a range that was read. `add` and `append` are blind: they
 * never conflict, and reads in the same transaction do not see them.
 */
export interface KeyValueTransaction extends KeyValueReader {
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  /**
   * Adds to a signed 64-bit little-endian counter; absent counts as 0, and a counter that reaches 0 is removed. Not
   * together with put or delete of the same key.
   */
  add(key: Uint8Array, delta: number): void
  /**
   * At commit: if this transaction raises the counter of `key` above `countMax`, nothing is written and `transact`
   * throws CounterBoundError. Exact however many raise it at once, and blind like `add`: nobody conflicts.
   */
  bound(key: Uint8Array, countMax: number): void
  /**
   * Appends `record` to the hash chain `log`. At commit the engine assigns sequence = last + 1, previous = the last
   * hash (32 zero bytes at the start), stores chainValue(sequence, previous, record) under logKey(log, sequence)
   * and its number and SHA-256 as the chain's head under logHeadKey(log) (chain.ts: parseChainHead). No other write
   * may touch a key that begins with the tag of logs.
   */
  append(log: string, record: Uint8Array): void
}

/** A snapshot for several reads that belong together. */
export interface KeyValue extends KeyValueReader {
  /**
   * Runs `read` on one snapshot. No network or body I/O inside. Errors: TransactionTooOldError after
   * limits.transactionMsMax, StoreFailedError.
   */
  snapshot<T>(read: (reader: KeyValueReader) => Promise<T>): Promise<T>
  /**
   * Runs `work`, commits what it buffered and resolves when that is durable on disk; visible implies durable.
   * `work` has no effect but the transaction's and may run again after a conflict. If it throws, nothing is written.
   * Errors: TransactionConflictError after limits.transactionConflictsMax conflicts, CounterBoundError, TransactionTooLargeError,
   * TransactionTooOldError after limits.transactionMsMax, StoreFailedError (commit failed: the store must be
   * reopened; every later call fails the same way), VolumeReadOnlyError (the file system takes no writes: every later commit
   * fails the same way, reads go on; VolumeFullError: so does one for want of room), NoRoomError (no commit was begun, because the
   * volume has too little room: later ones may be).
   */
  transact<T>(work: (transaction: KeyValueTransaction) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Whether there is room for a commit. */
export type CommitRoom = {
  /** At most limits.freeSpaceProbeMsMax old: one look serves all commits of that time. */
  recent(): boolean | Promise<boolean>
  /** Of this moment. */
  look(): Promise<boolean>
}

export class TransactionConflictError extends Error {
  override readonly name = 'TransactionConflictError'
}
/** A `bound` of the transaction would have been passed; nothing was written. `count` is the counter as it stays. */
export class CounterBoundError extends Error {
  override readonly name = 'CounterBoundError'
  readonly count: number
  readonly countMax: number
  constructor(count: number, countMax: number) {
    super(`a counter at ${count} would pass its bound of ${countMax}`)
    this.count = count
    this.countMax = countMax
  }
}
export class TransactionTooLargeError extends Error {
  override readonly name = 'TransactionTooLargeError'
}
export class TransactionTooOldError extends Error {
  override readonly name = 'TransactionTooOldError'
}
/** A commit failed (disk full, I/O error). Nothing after it can be trusted: stop serving writes and reopen. */
export class StoreFailedError extends Error {
  override readonly name = 'StoreFailedError'
}

/** The store cannot be on this file system: nothing was opened. */
export class UnsupportedFileSystemError extends Error {
  override readonly name = 'UnsupportedFileSystemError'
}
