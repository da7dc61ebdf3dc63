/** Immutable bodies on a volume: staged, published under their id, read with a check of every block, removed once. */
import type { StagedBody } from '../store.ts'

/** What a record knows of a body in a file. */
export type BodyReference = { readonly bodyId: string; readonly sizeBytes: number }

/**
 * CRC32C of consecutive blocks of limits.bodyBlockBytes, the first being block `firstBlockIndex` of the body. For a
 * range, only the blocks that it touches are needed.
 */
export type BlockCrcs = { readonly firstBlockIndex: number; readonly crcs: Uint32Array }

export type ByteRange = { readonly startByte: number; readonly endByteExclusive: number }

export type StageOptions = {
  /** More than this is BodyTooLargeError. */
  readonly bytesMax: number
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

export type Space = { readonly availableBytes: number; readonly totalBytes: number }

/** A stage folder that another epoch left behind: it was not closed cleanly. */
export type AbandonedStage = { readonly name: string; readonly epoch: string; readonly worker: string }

/** Errors of all writing calls: BodyStoreFailedError, from then on always; the volume's state is unknown. */
export interface Bodies {
  /**
   * Reads `stream` to its end with back pressure. Few bytes (limits.inlineBodyBytesMax) stay in memory, more are in
   * a file that is flushed, but has no durable name yet. Errors: BodyTooLargeError, BodyStoreFullError, what the
   * stream throws; then nothing is left behind.
   */
  stage(stream: AsyncIterable<Uint8Array>, options: StageOptions): Promise<StagedBody>
  /** Gives a staged file its name; durable, with its bytes, when this resolves. Once for each staged body. */
  publish(staged: StagedBody): Promise<void>
  /** Forgets a staged body that was not published. May be called again. */
  discard(staged: StagedBody): Promise<void>
  /**
   * Every block is checked before any of its bytes is given out. Errors, from the iterator: BodyMissingError,
   * BodyCorruptError.
   */
  open(reference: BodyReference, crcs: BlockCrcs, range: ByteRange): BodyReader
  /**
   * The only removal of a published body; for the garbage collector, after the transaction that dropped the last
   * reference. Durable when it resolves; a body that is gone already is no error.
   */
  remove(bodyId: string): Promise<void>
  /**
   * Ids of published bodies whose id was made within the two instants (wall clock), in no order. An id is made
   * at the end of its stage, so a body that a crash left without a record is among the last before the crash.
   */
  list(window: { readonly fromMs: number; readonly toMs: number }): AsyncIterable<string>
  /** Stage folders of other epochs. */
  stages(): Promise<readonly AbandonedStage[]>
  /** Removes a stage folder with the unfinished files in it. */
  removeStage(stage: AbandonedStage): Promise<void>
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
/** Bytes on the volume are not those that were written. */
export class BodyCorruptError extends Error {
  override readonly name = 'BodyCorruptError'
}
