/**
 * Checksums of bodies: incremental, combinable where S3 combines them, and what a request declares about its
 * own. One door per package: CRC32C comes from @node-rs/crc32 and CRC64NVME from hash-wasm; the rest is
 * Node's.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { createCRC64, type IHasher } from 'hash-wasm'
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { ChecksumAlgorithm } from '../store/records.ts'

export type DigestAlgorithm = ChecksumAlgorithm | 'MD5'

/** Takes the bytes in order; `digest` ends it and gives the raw big-endian value. */
export type Checksum = {
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Uint8Array
}

export const checksumAlgorithms: readonly ChecksumAlgorithm[] = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
]

const digestBytes: Readonly<Record<DigestAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  MD5: 16,
}

/** Length of the raw value. */
export function digestLength(algorithm: DigestAlgorithm): number {
  return digestBytes[algorithm]
}

/** A fresh checksum. It is asynchronous because CRC64NVME runs in WebAssembly. */
export async function createChecksum(algorithm: DigestAlgorithm): Promise<Checksum> {
  switch (algorithm) {
    case 'CRC32':
      return crcChecksum(crc32)
    case 'CRC32C':
      return crcChecksum(crc32c)
    case 'CRC64NVME':
      return crc64Checksum()
    case 'SHA1':
      return hashChecksum('sha1')
    case 'SHA256':
      return hashChecksum('sha256')
    case 'MD5':
      return hashChecksum('md5')
  }
}

function crcChecksum(next: (bytes: Uint8Array, value: number) => number): Checksum {
  let value = 0
  return {
    update: (bytes) => {
      value = next(bytes, value)
    },
    digest: () => uint32Bytes(value),
  }
}

function uint32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

function hashChecksum(name: 'sha1' | 'sha256' | 'md5'): Checksum {
  const hash = createHash(name)
  return {
    update: (bytes) => {
      hash.update(bytes)
    },
    digest: () => hash.digest(),
  }
}

// The reflected polynomial of CRC-64/NVME; "123456789" gives ae8b14860a799888 (a test holds it to that).
const nvmePolynomial = '9a6c9329ac4bc9b5'

/** Those that gave their value. To make one is a WebAssembly instance, which costs more than a small body's checksum. */
const idleHashers: IHasher[] = []

async function crc64Checksum(): Promise<Checksum> {
  let hasher: IHasher | null = idleHashers.pop() ?? (await createCRC64(nvmePolynomial))
  hasher.init()
  return {
    update: (bytes) => {
      assert(hasher !== null, 'a checksum takes bytes before its end')
      hasher.update(bytes)
    },
    digest: () => {
      assert(hasher !== null, 'a checksum ends once')
      const value = hasher.digest('binary')
      // From here on it is another body's.
      if (idleHashers.length < limits.idleHashersMax) idleHashers.push(hasher)
      hasher = null
      return value
    },
  }
}

export function encodeDigest(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('base64')
}

/**
 * The raw value of a base64 text of the algorithm's length, null if it is not one. Strict: RFC 4648 with
 * padding.
 */
export function decodeDigest(algorithm: DigestAlgorithm, text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64')
  const isExact = bytes.length === digestBytes[algorithm] && bytes.toString('base64') === text
  return isExact ? bytes : null
}

/** `x-amz-checksum-crc32` and so on. */
export function checksumHeaderName(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`
}

/**
 * The algorithm that an `x-amz-checksum-*` name or an algorithm header's value means; null: none of the five.
 */
export function checksumAlgorithmOf(name: string): ChecksumAlgorithm | null {
  const wanted = name.toUpperCase()
  return checksumAlgorithms.find((algorithm) => algorithm === wanted) ?? null
}
