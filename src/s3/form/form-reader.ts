import { CollectedBytes } from '../../lib/collected-bytes.ts'
import { limits } from '../../lib/limits.ts'
import { S3Error } from '../s3-error.ts'

const crlf = Buffer.from('\r\n')
const closing = Buffer.from('--')

export function malformedForm(): S3Error {
  return new S3Error('MalformedPOSTRequest')
}

/**
 * The framing of multipart/form-data (RFC 7578, RFC 2046 section 5.1) over a stream that is cut anywhere. One reading only:
 * no preamble, no padding behind a delimiter, no epilogue but one CRLF, and a line that begins like a delimiter is one or a
 * fault. Two readers can then never disagree on where a file ends. Everything but `content` counts against
 * limits.formBytesMax. Errors: MalformedPOSTRequest (also when the source ends early), MaxPostPreDataLengthExceeded.
 */
export class FormReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #delimiter: Buffer
  #held: Buffer = Buffer.alloc(0)
  #takenBytes = 0
  #formBytes = 0

  constructor(source: AsyncIterable<Uint8Array>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]()
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** Bytes of the source that were taken so far. */
  get takenBytes(): number {
    return this.#takenBytes
  }

  /** The end of a form as clients write it: the delimiter, two hyphens and a CRLF. */
  get endBytes(): number {
    return this.#delimiter.length + closing.length + crlf.length
  }

  /** The delimiter that a form begins with, which has no line end before it. */
  async begin(): Promise<void> {
    const first = this.#delimiter.subarray(crlf.length)
    if (!(await this.#takeIf(first))) throw malformedForm()
  }

  /** After a delimiter: one more part, or the end of the form and of the source. */
  async next(): Promise<'part' | 'end'> {
    if (await this.#takeIf(crlf)) return 'part'
    if (!(await this.#takeIf(closing))) throw malformedForm()
    await this.#takeIf(crlf)
    if (this.#held.length > 0 || (await this.#more())) throw malformedForm()
    return 'end'
  }

  /** A line of a part's header without its CRLF. A lone CR or LF is a fault. */
  async line(): Promise<Buffer> {
    for (;;) {
      const end = this.#held.indexOf(0x0a)
      if (end !== -1) {
        const line = this.#count(this.#take(end + 1))
        const text = line.subarray(0, -2)
        if (line.at(-2) !== 0x0d || text.includes(0x0d)) throw malformedForm()
        return text
      }
      this.#checkBudget(this.#held.length)
      await this.#need()
    }
  }

  /** The content of a part that is counted: a field, or what stands behind the file. */
  async value(): Promise<Buffer> {
    const collected = new CollectedBytes()
    for await (const piece of this.content()) collected.add(this.#count(piece))
    return Buffer.from(collected.bytes())
  }

  /** The content of a part as it arrives, with the delimiter after it taken. */
  async *content(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const end = this.#held.indexOf(this.#delimiter)
      if (end !== -1) {
        if (end > 0) yield this.#take(end)
        this.#count(this.#take(this.#delimiter.length))
        return
      }
      // The last bytes may be the beginning of a delimiter.
      const certain = this.#held.length - this.#delimiter.length + 1
      if (certain > 0) yield this.#take(certain)
      await this.#need()
    }
  }

  #take(count: number): Buffer {
    const taken = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    this.#takenBytes += count
    return taken
  }

  /** Takes `expected` if it is what comes next. */
  async #takeIf(expected: Buffer): Promise<boolean> {
    while (this.#held.length < expected.length && (await this.#more()));
    if (!this.#held.subarray(0, expected.length).equals(expected)) return false
    this.#count(this.#take(expected.length))
    return true
  }

  #count<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
    this.#checkBudget(bytes.length)
    this.#formBytes += bytes.length
    return bytes
  }

  #checkBudget(moreBytes: number): void {
    if (this.#formBytes + moreBytes <= limits.formBytesMax) return
    throw new S3Error('MaxPostPreDataLengthExceeded', {
      extra: { MaxPostPreDataLengthBytes: String(limits.formBytesMax) },
    })
  }

  async #need(): Promise<void> {
    if (!(await this.#more())) throw malformedForm()
  }

  /** false: the source has ended. */
  async #more(): Promise<boolean> {
    for (;;) {
      const next = await this.#source.next()
      if (next.done === true) return false
      if (next.value.length === 0) continue
      this.#held = Buffer.concat([this.#held, next.value])
      return true
    }
  }
}
