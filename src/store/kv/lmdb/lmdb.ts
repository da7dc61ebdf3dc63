/** The embedded engine: LMDB files in one directory, shared by any number of processes of one machine. */
import { AssertionError } from '../../../lib/assert.ts'
import { limits } from '../../../lib/limits.ts'
import {
  NoRoomError,
  type VolumeReadOnlyError,
  volumeFull,
  type WritesRefused,
  writesRefused,
} from '../../../lib/read-only.ts'
import { systemUptimeMs } from '../../../platform/clock.ts'
import { type CommitRoom, type KeyValue, StoreFailedError } from '../contract.ts'
import type { Snapshot, WritableView } from '../engine.ts'
import { type CommitOutcome, type Engine, OptimisticKeyValue, type Uptime } from '../optimistic.ts'
import { applyWrites, prepareWrites, type ReadSet, readsHold } from '../transaction.ts'
import type { WriteBuffer } from '../write-buffer.ts'
import { prepareDirectory } from './directory.ts'
import { type Environment, isReadOnlyFileSystem, openEnvironment, type ReadOrder } from './environment.ts'

export type LmdbOptions = {
  readonly directory: string
  /** True: for offline tools; a transact that writes is refused. */
  readonly readOnly?: boolean
  /** `scattered` for who serves requests; `inOrder` if left out. */
  readonly reads?: ReadOrder
  /** Told once, when the volume is found to take no writes until it is opened anew. */
  readonly onRefused?: (why: WritesRefused) => void
  /** Asked before commits; left out: there is room. */
  readonly room?: CommitRoom
  /** For tests. */
  readonly uptimeMs?: Uptime
}

/**
 * Opens or creates the store in `directory`. Errors: UnsupportedFileSystemError on network file systems, CorruptRecordError
 * for a file that LMDB must not open.
 * After a StoreFailedError: close, then open again, best in a new process.
 */
export async function openLmdb(options: LmdbOptions): Promise<KeyValue> {
  const access = options.readOnly === true ? 'readOnly' : 'readWrite'
  await prepareDirectory(options.directory, access)
  const environment = openEnvironment({
    directory: options.directory,
    access,
    reads: options.reads ?? 'inOrder',
  })
  const engine =
    access === 'readOnly'
      ? new ReadOnlyLmdbEngine(environment, writtenThoughReadOnly)
      : new LmdbEngine(environment, options)
  return new OptimisticKeyValue(engine, options.uptimeMs ?? systemUptimeMs)
}

/**
 * As openLmdb, of a store that a server serves; what is on a file system that takes no writes is served as it lies, and a transact
 * that writes is refused with VolumeReadOnlyError. LMDB cannot lock there, and need not as long as nobody writes.
 */
export async function openServedLmdb(options: Omit<LmdbOptions, 'readOnly' | 'reads'>): Promise<KeyValue> {
  const reads = 'scattered'
  try {
    return await openLmdb({ ...options, reads })
  } catch (error) {
    if (!isReadOnlyFileSystem(error)) throw error
  }
  const environment = openEnvironment({ directory: options.directory, access: 'readOnly', reads })
  options.onRefused?.('readOnly')
  const engine = new ReadOnlyLmdbEngine(environment, () => writesRefused('readOnly'))
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
  /** A commit failed: nothing more is written, also while it is found out why. */
  #hasFailed = false
  #failure: StoreFailedError | null = null
  #refusal: VolumeReadOnlyError | null = null
  readonly #onRefused: (why: WritesRefused) => void
  readonly #room: CommitRoom
  #closed: Promise<void> | null = null
  readonly #running = new Set<Promise<void>>()

  constructor(environment: Environment, options: Pick<LmdbOptions, 'onRefused' | 'room'> = {}) {
    this.#environment = environment
    this.#onRefused = options.onRefused ?? (() => {})
    this.#room = options.room ?? endlessRoom
  }

  openSnapshot(): Snapshot {
    if (this.#failure !== null) throw this.#failure
    return this.#environment.openSnapshot()
  }

  /** Begun where there is room alone: LMDB that meets the end of the disk cannot go on. */
  commit(reads: ReadSet, writes: WriteBuffer): Promise<CommitOutcome> {
    const hasRoom = this.#room.recent()
    if (typeof hasRoom !== 'boolean') return this.#beginIf(hasRoom, reads, writes)
    if (hasRoom) return this.#begin(reads, writes)
    return Promise.reject(this.#failure ?? this.#refusal ?? new NoRoomError(volumeFull))
  }

  async #beginIf(looking: Promise<boolean>, reads: ReadSet, writes: WriteBuffer): Promise<CommitOutcome> {
    // A disk that does not answer fails the commit, which has a limit of its own.
    const hasRoom = await withinMs(looking, limits.commitMsMax).catch(() => true)
    if (hasRoom) return await this.#begin(reads, writes)
    throw this.#failure ?? this.#refusal ?? new NoRoomError(volumeFull)
  }

  #begin(reads: ReadSet, writes: WriteBuffer): Promise<CommitOutcome> {
    const refusal = this.#failure ?? this.#refusal
    if (refusal !== null) return Promise.reject(refusal)
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
    const hadFailed = this.#failure !== null || this.#refusal !== null
    this.#failure ??= new StoreFailedError('the store is closed')
    await Promise.allSettled(this.#running)
    const closed = this.#environment.close()
    if (!hadFailed && !this.#hasFailed) return await closed
    // After a failed commit the library may wait for ever on what will not end: left to the exit.
    await Promise.allSettled([withinMs(closed, limits.closeMsMax)])
  }

  #schedule(): void {
    if (this.#isScheduled || this.#hasFailed) return
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
      this.#hasFailed = true
      const why = await this.#whyRefused(error)
      if (why !== null && this.#canRead()) this.#refuseWrites(why, error, batch)
      else this.#fail(error, batch)
      return
    }
    for (const { settle, result } of batch) {
      if (result === null) settle.reject(this.#fail(new Error('a commit ended without a result'), []))
      else if (result.kind === 'refused') settle.reject(result.error)
      else settle.resolve(result.kind)
    }
  }

  #takeBatch(batch: Commit[]): void {
    if (this.#hasFailed) return
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
    this.#rejectAll(batch, this.#failure)
    return this.#failure
  }

  /**
   * The state before is what is on the disk, and readers have it. A flush that failed is not tried again: not until the store is
   * opened anew.
   */
  #refuseWrites(why: WritesRefused, cause: unknown, batch: readonly Commit[]): void {
    this.#refusal = writesRefused(why, { cause })
    this.#rejectAll(batch, this.#refusal)
    this.#onRefused(why)
  }

  /** Of a full disk LMDB says EIO as often as ENOSPC, for it is met by a write that is short: what counts is the room that is left. */
  async #whyRefused(error: unknown): Promise<WritesRefused | null> {
    if (isReadOnlyFileSystem(error)) return 'readOnly'
    // It may still become durable: nothing is known of it.
    if (error instanceof LateError) return null
    const hasRoom = await withinMs(this.#room.look(), limits.closeMsMax).catch(() => true)
    return hasRoom ? null : 'full'
  }

  #rejectAll(batch: readonly Commit[], error: Error): void {
    const waiting = this.#waiting.splice(0)
    for (const { settle } of [...batch, ...waiting]) settle.reject(error)
  }

  /** LMDB gives out nothing any more when it was the new root that failed. */
  #canRead(): boolean {
    try {
      this.#environment.openSnapshot().release()
      return true
    } catch {
      return false
    }
  }
}

const endlessRoom: CommitRoom = { recent: () => true, look: async () => true }

class ReadOnlyLmdbEngine extends LmdbEngine {
  readonly #refusal: () => Error

  constructor(environment: Environment, refusal: () => Error) {
    super(environment)
    this.#refusal = refusal
  }

  override async commit(): Promise<CommitOutcome> {
    throw this.#refusal()
  }
}

function writtenThoughReadOnly(): Error {
  return new AssertionError('a store that is open for reading only was written to')
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

class LateError extends Error {
  override readonly name = 'LateError'
}

/** Rejects with LateError when `promise` has not settled after `ms`; the promise itself is left to itself, handled. */
async function withinMs<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | null = null
  promise.catch(() => {})
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new LateError(`not ended after ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    if (timer !== null) clearTimeout(timer)
  }
}
