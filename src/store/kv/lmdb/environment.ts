/**
 * The only door to npm `lmdb`: a copy-on-write B+tree that is shared by processes, needs no log replay after
 * a
 * crash, and reads without a system call. FoundationDB's or PostgreSQL's client would stand here instead.
 */
import { constants } from 'node:os'
import { open, type RootDatabase, type RootDatabaseOptions, type Transaction } from 'lmdb'
import { assert } from '../../../lib/assert.ts'
import { FolderFailedError } from '../../../platform/files.ts'
import type { Entry, RangeOptions } from '../contract.ts'
import type { Snapshot, View, WritableView } from '../engine.ts'

export type Environment = {
  /** The newest state that is durable, fixed until released. */
  openSnapshot(): Snapshot
  /**
   * Runs `apply` inside a write transaction, alone among all threads and processes, and resolves when what it
   * wrote is durable. Calls that wait for the same lock may share one flush. If `apply` throws before its
   * first
   * write, nothing happens but the rejection; after it the commit fails, or the process ends before the
   * commit.
   */
  write(apply: (view: WritableView) => void): Promise<void>
  /** Waits for open snapshots to be released. */
  close(): Promise<void>
}

export type EnvironmentOptions = {
  readonly directory: string
  readonly access: 'readWrite' | 'readOnly'
  readonly reads: ReadOrder
}

/**
 * `scattered`: a page that is read says nothing of the next, as requests read. The kernel then fetches no neighbours, which in a
 * store larger than memory would push out pages that are in use: a read costs a quarter. `inOrder`: all of it, once, as copies read.
 */
export type ReadOrder = 'scattered' | 'inOrder'

/**
 * Virtual addresses, not memory or disk. Growing a map moves it while other threads read, so it starts larger
 * than
 * any volume that we expect; beyond it the library grows it all the same.
 */
const mapBytes = 2 ** 40
/** One slot per snapshot that is open at one moment, over all processes; 64 bytes each in the lock file. */
export const readersMax = 4094

export function openEnvironment(options: EnvironmentOptions): Environment {
  return new LmdbEnvironment(open<Uint8Array, Uint8Array>(options.directory, safeOptions(options)))
}

/**
 * Writes the newest state that is durable to `target`, an empty folder, while others read and write; not flushed. Held
 * meanwhile: one snapshot, so the file may grow. Errors: FolderFailedError where it cannot be written.
 */
export async function copyEnvironment(directory: string, target: string): Promise<void> {
  const database = open<Uint8Array, Uint8Array>(
    directory,
    safeOptions({ access: 'readOnly', reads: 'inOrder' }),
  )
  try {
    // Page by page, free ones too: a compacting copy refuses a store that ever lost a page.
    await database.backup(target, false).catch((error: unknown) => {
      // Of what is read a failure is no error, but a signal: this is what is written.
      throw error instanceof Error ? new FolderFailedError(target, error) : error
    })
  } finally {
    await database.close()
  }
}

/** Whether opening or a commit failed because the file system takes no writes. The library gives numbers of errors. */
export function isReadOnlyFileSystem(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { EROFS } = constants.errno
  return ('code' in error && error.code === EROFS) || isReadOnlyFileSystem(error.cause)
}

/** Every option that decides safety, whatever the library's default is today. */
export function safeOptions({ access, reads }: Omit<EnvironmentOptions, 'directory'>): RootDatabaseOptions {
  const settings = {
    noSubdir: false,
    readOnly: access === 'readOnly',
    // With overlapping sync (the library's default) a commit is visible before it is durable, and after a
    // crash
    // of the process alone unflushed state is believed while the boot id is the same. Off: visible implies
    // durable.
    overlappingSync: false,
    // Every commit flushes data, then the meta page. Never trade this.
    noSync: false,
    noMetaSync: false,
    // Promises resolve after the flush, not after visibility.
    separateFlushed: false,
    // Pages go through write(2), whose errors we see; a writable map turns a full disk into SIGBUS.
    useWritemap: false,
    mapAsync: false,
    // Unused parts of pages are zeroed: no heap memory, so no secret, gets into the file.
    noMemInit: false,
    usePreviousSnapshot: false,
    safeRestore: true,
    remapChunks: false,
    noReadAhead: reads === 'scattered',
    mapSize: mapBytes,
    pageSize: 4096,
    maxReaders: readersMax,
    maxDbs: 1,
    encoding: 'binary',
    keyEncoding: 'binary',
    compression: false,
    cache: false,
    useVersions: false,
    dupSort: false,
    // All that is written in one turn of the event loop is one commit; no commit waits for more to come.
    eventTurnBatching: true,
    commitDelay: 0,
  } as const
  return settings
}

type Database = RootDatabase<Uint8Array, Uint8Array> & {
  // Not in the library's types: the bytes live in a shared buffer, `lastSize` of them are the value.
  getBinaryFast(key: Uint8Array, options?: { transaction?: Transaction }): Uint8Array | undefined
  lastSize: number
}

class LmdbEnvironment implements Environment {
  readonly #database: Database
  #openSnapshots = 0
  /** Set by close; resolved when the last snapshot is released. */
  #closing: PromiseWithResolvers<void> | null = null

  constructor(database: RootDatabase<Uint8Array, Uint8Array>) {
    this.#database = database as Database
  }

  openSnapshot(): Snapshot {
    assert(this.#closing === null, 'a closed environment is not read')
    // The library shares one read transaction among all readers of about a millisecond. A request that
    // follows
    // another worker's answer must see that worker's commit, so each snapshot starts from the newest state.
    this.#database.resetReadTxn()
    const transaction = this.#database.useReadTransaction()
    let isReleased = false
    this.#openSnapshots += 1
    return {
      ...this.#view(transaction),
      release: () => {
        if (isReleased) return
        isReleased = true
        transaction.done()
        this.#openSnapshots -= 1
        if (this.#openSnapshots === 0) this.#closing?.resolve()
      },
    }
  }

  async write(apply: (view: WritableView) => void): Promise<void> {
    const database = this.#database
    let hasWritten = false
    const view: WritableView = {
      ...this.#view(undefined),
      put(key, value) {
        hasWritten = true
        database.put(key, value)
      },
      remove(key) {
        hasWritten = true
        database.remove(key)
      },
    }
    try {
      // The asynchronous form only: on a full disk `transactionSync` corrupts the heap.
      const written = database.transaction(() => {
        try {
          apply(view)
        } catch (error) {
          if (hasWritten) refuseHalfCommit(database)
          throw error
        }
      })
      quietBatchPromise(database)
      await written
    } catch (error) {
      quietInnerPromise(error)
      throw error
    }
  }

  async close(): Promise<void> {
    assert(this.#closing === null, 'an environment is closed once')
    this.#closing = Promise.withResolvers()
    // A read of a snapshot after the map is gone would end the process; each is released within seconds.
    if (this.#openSnapshots > 0) await this.#closing.promise
    await this.#database.close()
  }

  /** Inside a write callback the library reads from the write transaction, whatever is passed. */
  #view(transaction: Transaction | undefined): View {
    const database = this.#database
    const source = transaction === undefined ? {} : { transaction }
    return {
      get(key) {
        const bytes = database.getBinaryFast(key, source)
        if (bytes === undefined) return null
        const copy = new Uint8Array(database.lastSize)
        copy.set(bytes.subarray(0, database.lastSize))
        return copy
      },
      range(options) {
        return readRange(database, source, options)
      },
    }
  }
}

function readRange(
  database: Database,
  source: { transaction?: Transaction },
  options: RangeOptions,
): Entry[] {
  const { from, to, limit } = options
  if (to.length === 0) return []
  // No key is empty, so the range from nothing begins at the first possible key.
  const start = from.length === 0 ? new Uint8Array(1) : from
  const bounds =
    options.reverse === true
      ? { start: to, exclusiveStart: true, end: start, inclusiveEnd: true, reverse: true }
      : { start, end: to }
  const entries: Entry[] = []
  for (const { key, value } of database.getRange({ ...bounds, ...source, limit })) {
    entries.push({ key: plainBytes(key), value: plainBytes(value) })
  }
  assert(entries.length <= limit, 'a range gives at most its limit')
  return entries
}

/**
 * The library commits what a callback wrote even if it threw. After an error of its own LMDB refuses the
 * commit; seen
 * by a write that fails too. Otherwise half a transaction would be committed: better the process ends, and
 * with
 * it the write transaction.
 */
function refuseHalfCommit(database: Database): void {
  try {
    database.put(Uint8Array.of(0), Uint8Array.of(0))
  } catch {
    return
  }
  process.abort()
}

/**
 * The library gives Buffers of their own memory, some with a `length` property laid over: make them
 * plain.
 */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/**
 * The library begins each turn's batch with an operation of its own, whose promise is given to nobody: rejected by a failed
 * commit, it would end the process. After the turn that promise is the one of `committed`.
 */
function quietBatchPromise(database: Database): void {
  setImmediate(() => {
    database.committed.then(
      () => {},
      () => {},
    )
  })
}

/** A failed commit carries a second promise that rejects later; unhandled, it would end the process. */
function quietInnerPromise(error: unknown): void {
  if (!(error instanceof Error) || !('commitError' in error)) return
  const inner = error.commitError
  if (inner instanceof Promise) inner.catch((cause: unknown) => (error.cause = cause))
}
