import { limits } from '../../lib/limits.ts'

/**
 * Large buffers, used again: a fresh megabyte costs the kernel more to hand out and clear than we spend to
 * fill it.
 */
export class BufferPool {
  readonly #sizeBytes: number
  readonly #keptMax: number
  readonly #usersMax: number
  #userCount = 0
  readonly #free: Buffer[] = []
  /** What is read out of the pool's buffers, and whether it came back is not known yet. */
  readonly #lent = new WeakMap<Uint8Array, Buffer>()

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
    this.#keptMax = limits.bodyBuffersKeptMax
    this.#usersMax = limits.bodyBufferUsersMax
  }

  /**
   * Asked once for a body that is read or staged. Gives what is to be called, once, at its end; null: so many use large buffers that
   * this one makes do with small ones of its own, so that bodies whose clients stall take little memory, however many they are.
   */
  enter(): (() => void) | null {
    if (this.#userCount >= this.#usersMax) return null
    this.#userCount += 1
    return () => {
      this.#userCount -= 1
    }
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
