/**
 * Large buffers, used again: a fresh megabyte costs the kernel more to hand out and clear than we spend to
 * fill it.
 */
export class BufferPool {
  readonly #sizeBytes: number
  readonly #keptMax: number
  readonly #free: Buffer[] = []
  /** What is read out of the pool's buffers, and whether it came back is not known yet. */
  readonly #lent = new WeakMap<Uint8Array, Buffer>()

  constructor(options: { readonly sizeBytes: number; readonly keptMax: number }) {
    this.#sizeBytes = options.sizeBytes
    this.#keptMax = options.keptMax
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes)
  }

  /** `view` lies in `buffer` and goes to somebody who may call `giveBack`, once. */
  lend(view: Uint8Array, buffer: Buffer): void {
    this.#lent.set(view, buffer)
  }

  /** Nothing for bytes that were not lent. The caller must be the last user. */
  giveBack(view: Uint8Array): void {
    const buffer = this.#lent.get(view)
    if (buffer === undefined) return
    this.#lent.delete(view)
    this.give(buffer)
  }

  /** The caller must be the last user. */
  give(buffer: Buffer): void {
    if (buffer.length === this.#sizeBytes && this.#free.length < this.#keptMax) this.#free.push(buffer)
  }
}
