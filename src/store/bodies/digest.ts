/** All that is computed of a body while its bytes pass: MD5 (S3's ETag), SHA-256, and a CRC32C per block. */
import { createHash } from 'node:crypto'
import { limits } from '../../lib/limits.ts'
import { crc32c } from './crc32c.ts'

export type Digests = { readonly md5: string; readonly sha256: string; readonly blockCrcs: Uint32Array }

export class BodyDigest {
  readonly #md5 = createHash('md5')
  readonly #sha256 = createHash('sha256')
  readonly #crcs: number[] = []
  #blockCrc = 0
  #blockBytes = 0

  update(chunk: Uint8Array): void {
    this.#md5.update(chunk)
    this.#sha256.update(chunk)
    for (let offset = 0; offset < chunk.length; ) {
      const end = Math.min(chunk.length, offset + limits.bodyBlockBytes - this.#blockBytes)
      this.#blockCrc = crc32c(chunk.subarray(offset, end), this.#blockCrc)
      this.#blockBytes += end - offset
      offset = end
      if (this.#blockBytes === limits.bodyBlockBytes) this.#endBlock()
    }
  }

  finish(): Digests {
    if (this.#blockBytes > 0) this.#endBlock()
    return {
      md5: this.#md5.digest('hex'),
      sha256: this.#sha256.digest('hex'),
      blockCrcs: Uint32Array.from(this.#crcs),
    }
  }

  #endBlock(): void {
    this.#crcs.push(this.#blockCrc)
    this.#blockCrc = 0
    this.#blockBytes = 0
  }
}
