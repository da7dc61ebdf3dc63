import { S3Error } from '../s3-error.ts'

/** The body ended before its frames did. */
function incomplete(): S3Error {
  return new S3Error('IncompleteBody')
}

/**
 * Takes lines and counted bytes from a stream that is cut anywhere. Holds at most one piece of the source.
 */
export class FrameReader {
  readonly #source: AsyncIterator<Uint8Array>
  #piece: Uint8Array = new Uint8Array(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** True when nothing is left. */
  async isAtEnd(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const next = await this.#source.next()
      if (next.done === true) return true
      this.#piece = next.value
    }
    return false
  }

  /**
   * A line without its CRLF, as latin1. Errors: IncompleteBody at the end, `fault` beyond `bytesMax` or on a
   * bare LF.
   */
  async line(bytesMax: number, fault: () => S3Error): Promise<string> {
    let text = ''
    for (;;) {
      if (await this.isAtEnd()) throw incomplete()
      const end = this.#piece.indexOf(0x0a)
      const part = this.#take(end === -1 ? this.#piece.length : end + 1)
      text += Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('latin1')
      if (text.length > bytesMax) throw fault()
      if (end !== -1) break
    }
    if (!text.endsWith('\r\n')) throw fault()
    const line = text.slice(0, -2)
    if (line.includes('\r')) throw fault()
    return line
  }

  /** Exactly `count` bytes, in pieces as they arrive. Errors: IncompleteBody. */
  async *bytes(count: number): AsyncGenerator<Uint8Array, void, void> {
    let rest = count
    while (rest > 0) {
      if (await this.isAtEnd()) throw incomplete()
      const part = this.#take(Math.min(rest, this.#piece.length))
      rest -= part.length
      yield part
    }
  }

  #take(count: number): Uint8Array {
    const part = this.#piece.subarray(0, count)
    this.#piece = this.#piece.subarray(count)
    return part
  }
}
