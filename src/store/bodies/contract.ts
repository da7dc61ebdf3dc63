/**
 * Immutable bodies on a volume: staged, published under their id, referenced by a KV commit, settled, read
 * with a check
 * of every block, removed once. Until it is settled a body keeps its stage name beside its own: the trace by
 * which a
 * crash between publish and commit is found (docs/decisions/0012-stage-link.md).
 */
import type { StagedBody } from '../store.ts'

/** What a record knows of a body in a file. */
export type BodyReference = { readonly bodyId: string; readonly sizeBytes: number }

/**
 * CRC32C of consecutive blocks of limits.bodyBlockBytes, the first being block `firstBlockIndex` of the body.
 * For a
 * range, only the blocks that it touches are needed.
 */
export type BlockCrcs = { readonly firstBlockIndex: number; readonly crcs: Uint32Array }

export type ByteRange = { readonly startByte: number; readonly endByteExclusive: number }

export type StageOptions = {
  /** More than this is BodyTooLargeError. */
  readonly bytesMax: number
  /** Where the bytes may be; default `memoryIfFew`. */
  readonly place?: 'memoryIfFew' | 'file'
  /** Sees every chunk once, before it is written; a throw aborts the stage. Must not keep the chunk. */
  readonly onChunk?: (chunk: Uint8Array) => void
}

/**
 * The bytes of a range in order. A chunk belongs to the consumer; one that it gives to `recycle` must not be
 * touched again by anybody (so: not before the socket has taken its bytes), and saves an allocation.
 */
export interface BodyReader extends AsyncIterable<Uint8Array> {
  recycle(chunk: Uint8Array): void
}

export type Space = {
  readonly availableBytes: number
  readonly totalBytes: number
  /** Files and folders that still fit; null where the file system has no such limit. */
  readonly availableFiles: number | null
}

/** A stage folder that another epoch left behind: it was not closed cleanly. */
export type AbandonedStage = { readonly name: string; readonly epoch: string; readonly worker: string }

/** Kept by one process; it ends with it. */
export type BodiesHold = { readonly release: () => Promise<void> }

/**
 * Errors of all writing calls: BodyStoreFailedError, from then on always; the volume's state is unknown. VolumeReadOnlyError: the
 * file system takes no writes.
 */
export interface Bodies {
  /**
   * Reads `stream` to its end with back pressure. Few bytes (limits.inlineBodyBytesMax) stay in memory, more
   * are in
   * a file that is flushed, but has no durable name yet. Errors: BodyTooLargeError, BodyStoreFullError, what
   * the
   * stream throws; then nothing is left behind.
   */
  stage(stream: AsyncIterable<Uint8Array>, options: StageOptions): Promise<StagedBody>
  /**
   * Gives a staged file its own name beside the stage name; durable, with its bytes, when this resolves. Once
   * for each
   * staged body; nothing to do for bytes in memory.
   */
  publish(staged: StagedBody): Promise<void>
  /** Drops the stage name, after the commit that refers to the body. */
  settle(staged: StagedBody): Promise<void>
  /**
   * Forgets a staged body, published or not, that no commit refers to and none can any more. May be called
   * again; does
   * nothing to a settled one.
   */
  discard(staged: StagedBody): Promise<void>
  /**
   * Every block is checked before any of its bytes is given out. Errors, from the iterator: BodyMissingError,
   * BodyCorruptError, BodyUnavailableError.
   */
  open(reference: BodyReference, crcs: BlockCrcs, range: ByteRange): BodyReader
  /** What a reader's `recycle` does, for a chunk of whichever of them. */
  recycle(chunk: Uint8Array): void
  /**
   * The only removal of a settled body; for the garbage collector, after the transaction that dropped the
   * last
   * reference. Durable when it resolves; a body that is gone already is no error.
   */
  remove(bodyId: string): Promise<void>
  /** Asked before removals, released after them. null: a backup copies bodies, so nothing may be removed now. */
  beginRemovals(): Promise<BodiesHold | null>
  /**
   * Ids of published bodies whose id was made within the two instants (wall clock), in no order. An id is
   * made when
   * its stage begins.
   */
  list(window: { readonly fromMs: number; readonly toMs: number }): AsyncIterable<string>
  /** Stage folders of other epochs. */
  stages(): Promise<readonly AbandonedStage[]>
  /** Ids that an abandoned stage has a trace of: unfinished, published or referenced bodies, in no order. */
  tracesIn(stage: AbandonedStage): AsyncIterable<string>
  /** Drops a trace: `keep` leaves the body, `remove` removes it first, durably. Idempotent. */
  resolveTrace(stage: AbandonedStage, bodyId: string, fate: 'keep' | 'remove'): Promise<void>
  /**
   * Removes a stage folder whose traces are all resolved; one with files that are not ours stays, and so does
   * one with traces: a worker of an ended epoch may stage for a moment longer, though it commits nothing.
   */
  removeStage(stage: AbandonedStage): Promise<'removed' | 'foreignNames' | 'traces'>
  /** Why nothing is written or removed any more until the server starts again; null: nothing has failed. */
  failure(): BodyStoreFailedError | null
  /** Errors: BodyUnavailableError where the file system does not say. */
  freeSpace(): Promise<Space>
  /** Makes the ballast file if it is missing and the volume has room; true when it is there. */
  ensureBallast(): Promise<boolean>
  /** Frees the ballast for deletes and lock extensions. */
  releaseBallast(): Promise<void>
  /** Removes the own stage folder, which says that this epoch ended cleanly. */
  close(): Promise<void>
}

export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError'
}
/** The volume has no room for this body; nothing else is wrong. */
export class BodyStoreFullError extends Error {
  override readonly name = 'BodyStoreFullError'
}
/** A write or flush failed: what is on the volume is unknown until the server starts again. */
export class BodyStoreFailedError extends Error {
  override readonly name = 'BodyStoreFailedError'
}
export class BodyMissingError extends Error {
  override readonly name = 'BodyMissingError'
}
/** Nothing is known to be wrong: the process, or the machine, has too many files open, or the file system does not answer now. */
export class BodyUnavailableError extends Error {
  override readonly name = 'BodyUnavailableError'
}
/** Bytes on the volume are not those that were written, or the disk does not give them out. */
export class BodyCorruptError extends Error {
  override readonly name = 'BodyCorruptError'
}
