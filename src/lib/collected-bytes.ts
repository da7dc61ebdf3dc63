/**
 * Bytes that come in pieces, kept in one place: a sender that cuts them into single bytes makes us hold no more than one that does not.
 */
export class CollectedBytes {
  #held = new Uint8Array(0)
  #sizeBytes = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Copies the piece. At most twice the bytes are held, and what one piece brought alone is held once. */
  add(piece: Uint8Array): void {
    const sizeBytes = this.#sizeBytes + piece.length
    if (sizeBytes > this.#held.length) {
      const larger = new Uint8Array(Math.max(sizeBytes, 2 * this.#held.length))
      larger.set(this.#held)
      this.#held = larger
    }
    this.#held.set(piece, this.#sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  /** All of them in a buffer of just their size. Nothing is added after it. */
  bytes(): Uint8Array {
    return this.#held.length === this.#sizeBytes ? this.#held : this.#held.slice(0, this.#sizeBytes)
  }
}
