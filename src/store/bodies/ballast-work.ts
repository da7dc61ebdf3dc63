/**
 * What is done to the ballast while a store is open. It ends before the store is closed, and none begins after that: the folder's
 * path may then lead elsewhere.
 */
export class BallastWork {
  readonly #running = new Set<Promise<unknown>>()
  #isClosed = false

  /** `otherwise`: what it resolves with when nothing is begun any more. */
  async run<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    if (this.#isClosed) return otherwise
    const running = work()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#running)
  }
}
