/**
 * Large buffers, used again: a fresh megabyte costs the kernel more to hand out and clear than we spend to
 * fill it.
 */
export class BufferPool {
  readonly #sizeBytes: number
  readonly #keptMax: number
  readonly #free: Buffer[] = []

  constructor(options: { readonly sizeBytes: number; readonly keptMax: number }) {
    this.#sizeBytes = options.sizeBytes
    this.#keptMax = options.keptMax
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes)
  }

  /** The caller must be the last user. */
  give(buffer: Buffer): void {
    if (buffer.length === this.#sizeBytes && this.#free.length < this.#keptMax) this.#free.push(buffer)
  }
}
