/**
 * Bodies as files: `stage/<epoch>-<worker>/<id>` while they grow, also `bodies/<xx>/<yy>/<id>` once
 * published, only
 * that once settled. A body file is the part's bytes and nothing else, so the data can be read without us.
 */
import { link, opendir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { CollectedBytes } from '../../lib/collected-bytes.ts'
import { limits } from '../../lib/limits.ts'
import { type VolumeAccess, VolumeAwayError, writesRefused } from '../../lib/read-only.ts'
import { errorCode, isVolumeFull, makeDirectory, unlinkIfThere } from '../../platform/files.ts'
import type { StagedBody } from '../store.ts'
import { BallastWork } from './ballast-work.ts'
import { bodyIdMs, isBodyId, newBodyId, shardOf, shardsBetween } from './body-id.ts'
import { BufferPool } from './buffer-pool.ts'
import {
  type AbandonedStage,
  type BlockCrcs,
  type Bodies,
  type BodiesHold,
  type BodyReader,
  type BodyReference,
  BodyStoreFailedError,
  BodyStoreFullError,
  BodyTooLargeError,
  BodyUnavailableError,
  type ByteRange,
  type Space,
  type StageOptions,
} from './contract.ts'
import { BodyDigest } from './digest.ts'
import { DirectorySyncs } from './directory-syncs.ts'
import { readBody } from './read-body.ts'
import { beginRemovals } from './removals.ts'
import { ensureBallast, freeSpace, releaseBallast } from './space.ts'
import { StageFile } from './stage-file.ts'
import { StageFolder } from './stage-folder.ts'

export type BodiesOptions = {
  readonly directory: string
  /** Differs at every start of the server; letters and digits. */
  readonly epoch: string
  /** Differs among the workers of one epoch; letters and digits. */
  readonly worker: string
  readonly clock: Clock
  /** Any other than `readWrite`, which it is if left out: makes nothing, and refuses whatever would write, with VolumeReadOnlyError. */
  readonly access?: VolumeAccess
  /** False: the volume was unmounted or moved, or another covers it, so nothing is begun that writes. Left out: always true. */
  readonly isInPlace?: () => boolean
}

const namePattern = /^[A-Za-z0-9]+$/

export async function openBodies(options: BodiesOptions): Promise<Bodies> {
  assert(namePattern.test(options.epoch), 'an epoch is letters and digits')
  assert(namePattern.test(options.worker), 'a worker is letters and digits')
  const stage = new StageFolder(join(options.directory, 'stage', `${options.epoch}-${options.worker}`))
  const folder = join(options.directory, 'bodies')
  if (accessOf(options) === 'readWrite') {
    await stage.makeIfRoom()
    await makeDirectory(folder)
  }
  return new FileBodies(options, stage)
}

function accessOf({ access = 'readWrite' }: BodiesOptions): VolumeAccess {
  return access
}

class FileBodies implements Bodies {
  readonly #directory: string
  readonly #options: BodiesOptions
  readonly #stage: StageFolder
  readonly #syncs = new DirectorySyncs()
  readonly #shards = new Map<string, Promise<void>>()
  /** Bodies in files by id, until settled or discarded. */
  readonly #staged = new Map<string, { readonly path: string; isPublished: boolean }>()
  readonly #readPool = new BufferPool(limits.bodyReadBytes)
  readonly #writePool = new BufferPool(limits.bodyWriteBytes)
  readonly #isInPlace: () => boolean
  readonly #ballast = new BallastWork()
  #failure: BodyStoreFailedError | null = null

  constructor(options: BodiesOptions, stage: StageFolder) {
    this.#options = options
    this.#isInPlace = options.isInPlace ?? (() => true)
    this.#directory = options.directory
    this.#stage = stage
  }

  async stage(stream: AsyncIterable<Uint8Array>, options: StageOptions): Promise<StagedBody> {
    this.#assertWorking()
    const bodyId = newBodyId(this.#options.clock.wallMs())
    const memoryBytesMax = options.place === 'file' ? -1 : limits.inlineBodyBytesMax
    const digest = new BodyDigest()
    const head = new CollectedBytes()
    let sizeBytes = 0
    let file: StageFile | null = null
    try {
      for await (const chunk of stream) {
        sizeBytes += chunk.length
        if (sizeBytes > options.bytesMax)
          throw new BodyTooLargeError(`a body has at most ${options.bytesMax} bytes`)
        options.onChunk?.(chunk)
        digest.update(chunk)
        if (file === null && sizeBytes <= memoryBytesMax) {
          head.add(chunk)
          continue
        }
        file ??= await this.#beginFile(bodyId, head)
        await this.#step(file.add(chunk))
      }
      if (options.place === 'file') file ??= await this.#beginFile(bodyId, head)
      if (file !== null) await this.#endFile(file)
    } catch (error) {
      if (file !== null) await this.#dropFile(file)
      throw error
    }
    if (file !== null) this.#staged.set(bodyId, { path: file.path, isPublished: false })
    const inline = file === null ? head.bytes() : null
    return { bodyId, sizeBytes, ...digest.finish(), inline }
  }

  async publish(staged: StagedBody): Promise<void> {
    this.#assertWorking()
    if (staged.inline !== null) return
    const body = this.#staged.get(staged.bodyId)
    assert(body !== undefined && !body.isPublished, 'a body is published once, by the worker that staged it')
    const shard = await this.#shardFor(staged.bodyId)
    await this.#step(link(body.path, join(shard, staged.bodyId)))
    // Before the flushes, which may fail: from here on a discard must remove both names.
    body.isPublished = true
    // The stage too: the trace must not be lost before the commit.
    await this.#step(Promise.all([this.#syncs.sync(shard), this.#syncs.sync(this.#stage.path)]))
  }

  async settle(staged: StagedBody): Promise<void> {
    const body = this.#staged.get(staged.bodyId)
    if (body === undefined) return
    assert(body.isPublished, 'a body is settled after it was published')
    this.#staged.delete(staged.bodyId)
    // Not flushed: should the unlink be lost, recovery finds the reference and drops the name again.
    await this.#step(unlinkIfThere(body.path))
  }

  async discard(staged: StagedBody): Promise<void> {
    const body = this.#staged.get(staged.bodyId)
    if (body === undefined) return
    // The trace goes last, so that a crash in between leaves it.
    if (body.isPublished) await this.#remove(staged.bodyId)
    this.#staged.delete(staged.bodyId)
    await unlessReadOnly(unlinkIfThere(body.path))
  }

  open(reference: BodyReference, crcs: BlockCrcs, range: ByteRange): BodyReader {
    const path = this.#pathOf(reference.bodyId)
    return readBody({ path, reference, crcs, range, pool: this.#readPool, isInPlace: this.#isInPlace })
  }

  recycle(chunk: Uint8Array): void {
    this.#readPool.giveBack(chunk)
  }

  async remove(bodyId: string): Promise<void> {
    this.#assertWorking()
    await this.#remove(bodyId)
  }

  /** Also while the volume is away: `directory` still leads to it, and what is discarded was never anybody's. */
  async #remove(bodyId: string): Promise<void> {
    this.#assertWhole()
    await this.#step(unlinkIfThere(this.#pathOf(bodyId)))
    // Also when it was gone: the removal before may not have reached the disk.
    const shard = await this.#shardFor(bodyId)
    await this.#step(this.#syncs.sync(shard))
  }

  beginRemovals(): Promise<BodiesHold | null> {
    return beginRemovals(this.#directory)
  }

  async *list(window: { readonly fromMs: number; readonly toMs: number }): AsyncIterable<string> {
    for (const shard of shardsBetween(window.fromMs, window.toMs)) {
      const path = join(this.#directory, 'bodies', ...shard)
      for await (const name of namesIn(path)) {
        if (!isBodyId(name)) continue
        const madeMs = bodyIdMs(name)
        if (madeMs >= window.fromMs && madeMs <= window.toMs) yield name
      }
    }
  }

  async stages(): Promise<readonly AbandonedStage[]> {
    // None where a volume was restored, and there was no room to make the first.
    const names: string[] = []
    for await (const name of namesIn(join(this.#directory, 'stage'))) names.push(name)
    return names.flatMap((name) => {
      const [epoch, worker, ...rest] = name.split('-')
      if (epoch === undefined || worker === undefined || rest.length > 0) return []
      return epoch === this.#options.epoch ? [] : [{ name, epoch, worker }]
    })
  }

  async *tracesIn(stage: AbandonedStage): AsyncIterable<string> {
    for await (const name of this.#namesInStage(stage)) if (isBodyId(name)) yield name
  }

  async resolveTrace(stage: AbandonedStage, bodyId: string, fate: 'keep' | 'remove'): Promise<void> {
    const path = join(this.#abandonedPath(stage), bodyId)
    if (fate === 'remove') await this.remove(bodyId)
    await this.#step(unlinkIfThere(path))
  }

  async removeStage(stage: AbandonedStage): Promise<'removed' | 'foreignNames' | 'traces'> {
    const path = this.#abandonedPath(stage)
    let hasForeignNames = false
    for await (const name of this.#namesInStage(stage)) {
      if (isBodyId(name)) return 'traces'
      hasForeignNames = true
    }
    if (hasForeignNames) return 'foreignNames'
    try {
      await this.#removeStageFolder(path)
    } catch (error) {
      // Staged between the look and here.
      if (errorCode(error) === 'ENOTEMPTY') return 'traces'
      throw this.#judged(error)
    }
    return 'removed'
  }

  failure(): BodyStoreFailedError | null {
    return this.#failure
  }

  async freeSpace(): Promise<Space> {
    try {
      return await freeSpace(this.#directory)
    } catch (error) {
      if (errorCode(error) === null) throw error
      throw new BodyUnavailableError('the free space of the volume cannot be read now', { cause: error })
    }
  }

  async ensureBallast(): Promise<boolean> {
    if (!this.#isWritten() || !this.#isInPlace()) return false
    return this.#ballast.run(() => ensureBallast(this.#directory, this.#options), false)
  }

  async releaseBallast(): Promise<void> {
    if (!this.#isWritten() || !this.#isInPlace()) return
    await this.#ballast.run(() => releaseBallast(this.#directory), undefined)
  }

  async close(): Promise<void> {
    await this.#ballast.close()
    // A failed store, or one with bodies still staged, leaves its folder: the next start looks closer.
    if (!this.#isWritten() || this.#failure !== null || this.#staged.size > 0) return
    this.#failure = new BodyStoreFailedError('the store of bodies is closed')
    // Traces of a worker of the same name that died in this epoch: they are for the next start, too.
    for await (const name of namesIn(this.#stage.path)) if (isBodyId(name)) return
    await unlessReadOnly(this.#removeStageFolder(this.#stage.path))
  }

  async #beginFile(bodyId: string, head: CollectedBytes): Promise<StageFile> {
    await this.#step(this.#stage.make())
    const path = join(this.#stage.path, bodyId)
    const file = await this.#step(StageFile.create(path, this.#writePool))
    await this.#step(file.add(head.bytes()))
    return file
  }

  async #endFile(file: StageFile): Promise<void> {
    await this.#step(file.end())
    await this.#step(file.flush())
    await file.close()
  }

  async #dropFile(file: StageFile): Promise<void> {
    await file.close().catch(() => {})
    await unlessReadOnly(unlinkIfThere(file.path))
  }

  /**
   * Judges the failure of a step. A volume that is full, or takes no writes, refuses one body and breaks nothing. A failed flush may have
   * dropped
   * the pages that it was to write: a second one would succeed and prove nothing, so nothing is tried again.
   */
  async #step<T>(step: Promise<T>): Promise<T> {
    try {
      return await step
    } catch (error) {
      throw this.#judged(error)
    }
  }

  #judged(cause: unknown): Error {
    if (errorCode(cause) === 'EROFS') return writesRefused('readOnly', { cause })
    if (isVolumeFull(cause)) return new BodyStoreFullError('the volume has no room for the body', { cause })
    this.#failure ??= new BodyStoreFailedError('the volume of bodies failed: start the server again', {
      cause,
    })
    return this.#failure
  }

  /** Of a folder that cannot be read nothing is resolved, and it is not asked again. */
  async *#namesInStage(stage: AbandonedStage): AsyncIterable<string> {
    const path = this.#abandonedPath(stage)
    try {
      yield* namesIn(path)
    } catch (error) {
      throw this.#judged(error)
    }
  }

  #isWritten(): boolean {
    return accessOf(this.#options) === 'readWrite'
  }

  #assertWhole(): void {
    const access = accessOf(this.#options)
    if (access !== 'readWrite') throw writesRefused(access)
    if (this.#failure !== null) throw this.#failure
  }

  #assertWorking(): void {
    this.#assertWhole()
    if (!this.#isInPlace()) throw new VolumeAwayError()
  }

  #abandonedPath(stage: AbandonedStage): string {
    assert(stage.epoch !== this.#options.epoch, 'the stage of a running epoch stays')
    assert(stage.name === `${stage.epoch}-${stage.worker}`, 'a stage is named after its epoch and worker')
    return join(this.#directory, 'stage', stage.name)
  }

  #pathOf(bodyId: string): string {
    return join(this.#directory, 'bodies', ...shardOf(bodyId), bodyId)
  }

  /** The directory of a body, its name durable; flushed here even if another worker made it. */
  async #shardFor(bodyId: string): Promise<string> {
    const [outer, inner] = shardOf(bodyId)
    const outerPath = join(this.#directory, 'bodies', outer)
    const path = join(outerPath, inner)
    const made = this.#shards.get(path) ?? this.#makeShard(outerPath, path)
    this.#shards.set(path, made)
    try {
      await this.#step(made)
    } catch (error) {
      this.#shards.delete(path)
      throw error
    }
    return path
  }

  async #makeShard(outerPath: string, path: string): Promise<void> {
    await makeDirectory(path)
    await this.#syncs.sync(outerPath)
    await this.#syncs.sync(join(this.#directory, 'bodies'))
  }

  async #removeStageFolder(path: string): Promise<void> {
    try {
      await rmdir(path)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
    await this.#syncs.sync(join(this.#directory, 'stage'))
  }
}

/** Where the file system takes no writes, names in the stage are left to the recovery of the next start. */
async function unlessReadOnly(removed: Promise<void>): Promise<void> {
  try {
    await removed
  } catch (error) {
    if (errorCode(error) !== 'EROFS') throw error
  }
}

async function* namesIn(path: string): AsyncIterable<string> {
  try {
    for await (const entry of await opendir(path)) yield entry.name
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}
