/**
 * Immutable bodies on a volume. A body is staged (durable, nobody's), published (durable under its own name, still
 * nobody's), then referenced by a KV commit and settled. Until it is settled its stage name remains as a trace, so
 * that a crash leaves nothing that recovery cannot find (docs/decisions/0012-stage-link.md).
 */
import type { StagedBody } from '../store.ts'

export type BodyLocation = { readonly bodyId: string; readonly sizeBytes: number }
/** `endByteExclusive` at most the body's size. */
export type BodyRange = { readonly startByte: number; readonly endByteExclusive: number }
export type StageOptions = {
  /** A longer stream ends in BodyTooLargeError and leaves nothing. */
  readonly bytesMax: number
  /** Up to this size the bytes stay in memory; default limits.inlineBodyBytesMax; -1: always a file. */
  readonly inlineBytesMax?: number
}
/** One file that an earlier server left in its stage. */
export type StageTrace = { readonly stage: string; readonly bodyId: string }
export type FreeSpace = { readonly availableBytes: number; readonly totalBytes: number }

export interface Bodies {
  /** Resolves when the bytes are durable in this process' stage, or in memory when they are few. */
  stage(stream: AsyncIterable<Uint8Array>, options: StageOptions): Promise<StagedBody>
  /** link(2) to the body's own name and fsync of its directory; the stage name stays. Nothing for inline bodies. */
  publish(staged: StagedBody): Promise<void>
  /** After the commit that references the body: drops the stage name. Nothing for inline bodies. */
  settle(staged: StagedBody): Promise<void>
  /** For a body that no commit references: removes both names. Nothing for inline bodies. */
  discard(staged: StagedBody): Promise<void>
  /**
   * Reads a published body. `crcs`: CRC32C of every 64 KiB block of the whole body; each block is verified before
   * its bytes leave. Errors: BodyCorruptError, BodyMissingError.
   */
  open(body: BodyLocation, crcs: Uint32Array, range: BodyRange): AsyncIterable<Uint8Array>
  /** CRC32C of each 64 KiB block of bytes in memory. */
  blockCrcs(bytes: Uint8Array): Uint32Array
  /** Unlinks and syncs the directories; bodies that are gone already count as removed. Only garbage calls it. */
  remove(bodyIds: readonly string[]): Promise<void>
  /** What stages of other epochs still hold, at most `limit`; empty stages are removed on the way. */
  traces(limit: number): Promise<readonly StageTrace[]>
  /** Drops a trace: the stage name only (`keep`), or the published name with it (`remove`). */
  resolveTrace(trace: StageTrace, fate: 'keep' | 'remove'): Promise<void>
  freeSpace(): Promise<FreeSpace>
  /** 64 MiB kept for deletes and lock extensions on a full disk. */
  ballast(): Promise<'held' | 'released'>
  releaseBallast(): Promise<void>
  holdBallast(): Promise<void>
}

/** The stream is longer than it may be. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError'
}
/** A block does not have its checksum; none of its bytes was handed out. */
export class BodyCorruptError extends Error {
  override readonly name = 'BodyCorruptError'
}
/** The body is not on the volume: removed since its record was read, or lost. */
export class BodyMissingError extends Error {
  override readonly name = 'BodyMissingError'
}
/** A sync or write failed: nothing about the bytes is known. Never retried as if nothing had happened. */
export class BodyStoreFailedError extends Error {
  override readonly name = 'BodyStoreFailedError'
}
