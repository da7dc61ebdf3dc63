/** Reads that nobody waits for take no more of the disk than they are given. */
import { setTimeout as pause } from 'node:timers/promises'

export class ReadPace {
  readonly #signal: AbortSignal
  readonly #bytesPerSecond: number
  /** Bytes that are read, but not yet waited for. */
  #owedBytes = 0

  constructor(signal: AbortSignal, bytesPerSecond: number) {
    this.#signal = signal
    this.#bytesPerSecond = bytesPerSecond
  }

  /** After each read. Throws the signal's reason once it is aborted. */
  async wait(byteCount: number): Promise<void> {
    this.#owedBytes += byteCount
    if (this.#owedBytes < this.#bytesPerSecond / 20) return
    const waitMs = (this.#owedBytes / this.#bytesPerSecond) * 1000
    this.#owedBytes = 0
    await pause(waitMs, undefined, { signal: this.#signal })
  }
}
