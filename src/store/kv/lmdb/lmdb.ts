/** The embedded engine: LMDB files in one directory, shared by any number of processes of one machine. */
import { AssertionError } from '../../../lib/assert.ts'
import { limits } from '../../../lib/limits.ts'
import { systemUptimeMs } from '../../../platform/clock.ts'
import { type KeyValue, StoreFailedError } from '../contract.ts'
import type { Snapshot, WritableView } from '../engine.ts'
import { type CommitOutcome, type Engine, OptimisticKeyValue, type Uptime } from '../optimistic.ts'
import { applyWrites, prepareWrites, type ReadSet, readsHold } from '../transaction.ts'
import type { WriteBuffer } from '../write-buffer.ts'
import { prepareDirectory } from './directory.ts'
import { type Environment, openEnvironment } from './environment.ts'

export type LmdbOptions = {
  readonly directory: string
  /** True: for offline tools; a transact that writes is refused. */
  readonly readOnly?: boolean
  /** For tests. */
  readonly uptimeMs?: Uptime
}

/**
 * Opens or creates the store in `directory`. Errors: UnsupportedFileSystemError on network file systems.
 * After a StoreFailedError: close, then open again, best in a new process.
 */
export async function openLmdb(options: LmdbOptions): Promise<KeyValue> {
  const access = options.readOnly === true ? 'readOnly' : 'readWrite'
  await prepareDirectory(options.directory, access)
  const environment = openEnvironment({ directory: options.directory, access })
  const engine = access === 'readOnly' ? new ReadOnlyLmdbEngine(environment) : new LmdbEngine(environment)
  return new OptimisticKeyValue(engine, options.uptimeMs ?? systemUptimeMs)
}

type Commit = {
  readonly reads: ReadSet
  readonly writes: WriteBuffer
  readonly settle: { resolve(outcome: CommitOutcome): void; reject(error: unknown): void }
  result: { readonly kind: CommitOutcome } | { readonly kind: 'refused'; readonly error: unknown } | null
}

/**
 * Group commit: what arrives while a commit is being flushed waits in `#waiting` and goes, all together, into
 * the
 * next one. The write transaction takes the list only once it holds the lock, so a long flush of another
 * process
 * makes the batch larger, not the queue longer.
 */
export class LmdbEngine implements Engine {
  readonly #environment: Environment
  #waiting: Commit[] = []
  #isScheduled = false
  #failure: StoreFailedError | null = null
  #closed: Promise<void> | null = null
  readonly #running = new Set<Promise<void>>()

  constructor(environment: Environment) {
    this.#environment = environment
  }

  openSnapshot(): Snapshot {
    if (this.#failure !== null) throw this.#failure
    return this.#environment.openSnapshot()
  }

  commit(reads: ReadSet, writes: WriteBuffer): Promise<CommitOutcome> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ reads, writes, settle: { resolve, reject }, result: null })
      this.#schedule()
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const hadFailed = this.#failure !== null
    this.#failure ??= new StoreFailedError('the store is closed')
    await Promise.allSettled(this.#running)
    const closed = this.#environment.close()
    if (!hadFailed) return await closed
    // After a failed commit the library may wait for ever on what will not end: left to the exit.
    await Promise.allSettled([withinMs(closed, limits.closeMsMax)])
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const run = this.#runBatch().finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  async #runBatch(): Promise<void> {
    const batch: Commit[] = []
    try {
      const written = this.#environment.write((view) => {
        this.#isScheduled = false
        // After a failure nothing waits any more: a lock that comes late writes nothing.
        this.#takeBatch(batch)
        for (const commit of batch) commit.result = attempt(commit, view)
      })
      await withinMs(written, limits.commitMsMax)
    } catch (error) {
      this.#fail(error, batch)
      return
    }
    for (const { settle, result } of batch) {
      if (result === null) settle.reject(this.#fail(new Error('a commit ended without a result'), []))
      else if (result.kind === 'refused') settle.reject(result.error)
      else settle.resolve(result.kind)
    }
  }

  #takeBatch(batch: Commit[]): void {
    let sizeBytes = 0
    const count = this.#waiting.findIndex(({ writes }) => {
      sizeBytes += writes.sizeBytes
      return sizeBytes > limits.commitBatchBytesMax
    })
    batch.push(...this.#waiting.splice(0, count < 0 ? this.#waiting.length : count))
    if (this.#waiting.length > 0) queueMicrotask(() => this.#schedule())
  }

  /** From here on nothing is believed: what was in flight may or may not be on disk. */
  #fail(cause: unknown, batch: readonly Commit[]): StoreFailedError {
    this.#failure ??= new StoreFailedError('a commit failed: the store must be reopened', { cause })
    const failure = this.#failure
    const waiting = this.#waiting.splice(0)
    for (const { settle } of [...batch, ...waiting]) settle.reject(failure)
    return failure
  }
}

class ReadOnlyLmdbEngine extends LmdbEngine {
  override async commit(): Promise<CommitOutcome> {
    throw new AssertionError('a store that is open for reading only was written to')
  }
}

function attempt(commit: Commit, view: WritableView): Commit['result'] {
  let writes: ReturnType<typeof prepareWrites>
  try {
    if (!readsHold(commit.reads, view)) return { kind: 'conflict' }
    writes = prepareWrites(commit.writes, view)
  } catch (error) {
    // Nothing of this transaction is written yet: the others of the batch go on.
    return { kind: 'refused', error }
  }
  applyWrites(writes, view)
  return { kind: 'committed' }
}

/** Rejects when `promise` has not settled after `ms`; the promise itself is left to itself, handled. */
async function withinMs<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | null = null
  promise.catch(() => {})
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not ended after ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    if (timer !== null) clearTimeout(timer)
  }
}
