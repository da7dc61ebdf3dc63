/** Writes one body to a stage file with two buffers: one fills while the other is written. */
import { type FileHandle, open } from 'node:fs/promises'
import { limits } from '../../lib/limits.ts'
import type { BufferPool } from './buffer-pool.ts'

/** Read-only for everybody from the start: no later opening may write to a body. */
const bodyMode = 0o440

export class StageFile {
  readonly path: string
  readonly #handle: FileHandle
  readonly #pool: BufferPool
  readonly #leave: (() => void) | null
  #filling: Buffer
  #filledBytes = 0
  #spare: Buffer
  #writing: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(path: string, handle: FileHandle, pool: BufferPool) {
    this.path = path
    this.#handle = handle
    this.#pool = pool
    this.#leave = pool.enter()
    const buffer = (): Buffer =>
      this.#leave === null ? Buffer.allocUnsafeSlow(limits.bodyBlockBytes) : pool.take()
    this.#filling = buffer()
    this.#spare = buffer()
  }

  static async create(path: string, pool: BufferPool): Promise<StageFile> {
    const handle = await open(path, 'wx', bodyMode)
    return new StageFile(path, handle, pool)
  }

  /** Copies `chunk`; resolves when there is room for more. */
  async add(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length; ) {
      const end = Math.min(chunk.length, offset + this.#filling.length - this.#filledBytes)
      this.#filling.set(chunk.subarray(offset, end), this.#filledBytes)
      this.#filledBytes += end - offset
      offset = end
      if (this.#filledBytes === this.#filling.length) await this.#swap()
    }
  }

  /** All bytes are handed to the kernel when this resolves. */
  async end(): Promise<void> {
    await this.#writing
    await writeAll(this.#handle, this.#filling.subarray(0, this.#filledBytes))
    this.#filledBytes = 0
    // The umask may have taken bits away at creation.
    await this.#handle.chmod(bodyMode)
  }

  /** The bytes are durable when this resolves; the name is not. */
  async flush(): Promise<void> {
    await this.#handle.sync()
  }

  /** Gives the buffers back once: a buffer with two users would mix two bodies. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writing.catch(() => {})
    this.#leave?.()
    this.#pool.give(this.#filling)
    this.#pool.give(this.#spare)
    await this.#handle.close()
  }

  async #swap(): Promise<void> {
    await this.#writing
    const full = this.#filling
    this.#filling = this.#spare
    this.#spare = full
    this.#filledBytes = 0
    this.#writing = writeAll(this.#handle, full)
    // Awaited by the next call; until then a failure must not count as unhandled.
    this.#writing.catch(() => {})
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.length - offset)
    offset += bytesWritten
  }
}
