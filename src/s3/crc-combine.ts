import { assert } from '../lib/assert.ts'

/** The algorithms whose values can be joined without the bytes. */
export type CrcAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME'

type Field = { readonly polynomial: bigint; readonly bits: bigint; readonly top: bigint }

// Reflected polynomials: the bit of x^0 is the highest one.
const fields: Readonly<Record<CrcAlgorithm, Field>> = {
  CRC32: { polynomial: 0xedb88320n, bits: 32n, top: 1n << 31n },
  CRC32C: { polynomial: 0x82f63b78n, bits: 32n, top: 1n << 31n },
  CRC64NVME: { polynomial: 0x9a6c9329ac4bc9b5n, bits: 64n, top: 1n << 63n },
}

export type CrcJoiner = (before: Uint8Array, after: Uint8Array, afterSizeBytes: number) => Uint8Array

/**
 * A function that gives the CRC of `before`'s bytes followed by `after`'s, from the two CRCs and the length
 * of the second (zlib's crc32_combine). It remembers the factor of the last length: the parts of an upload
 * mostly have one size.
 */
export function crcJoiner(algorithm: CrcAlgorithm): CrcJoiner {
  const field = fields[algorithm]
  let memory = { sizeBytes: 0, factor: field.top }
  return (before, after, afterSizeBytes) => {
    assert(Number.isSafeInteger(afterSizeBytes) && afterSizeBytes >= 0, 'a length is a whole number of bytes')
    if (memory.sizeBytes !== afterSizeBytes) {
      memory = { sizeBytes: afterSizeBytes, factor: powerOfX(field, BigInt(afterSizeBytes) * 8n) }
    }
    return toBytes(field, multiply(field, memory.factor, fromBytes(before)) ^ fromBytes(after))
  }
}

/** x to the power `exponent`, modulo the polynomial. */
function powerOfX(field: Field, exponent: bigint): bigint {
  let result = field.top
  let square = field.top >> 1n
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = multiply(field, result, square)
    square = multiply(field, square, square)
  }
  return result
}

function multiply(field: Field, a: bigint, b: bigint): bigint {
  let product = 0n
  let shifted = b
  for (let mask = field.top; mask > 0n; mask >>= 1n) {
    if ((a & mask) !== 0n) product ^= shifted
    shifted = (shifted & 1n) === 1n ? (shifted >> 1n) ^ field.polynomial : shifted >> 1n
  }
  return product
}

function fromBytes(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function toBytes(field: Field, value: bigint): Uint8Array {
  const bytes = new Uint8Array(Number(field.bits / 8n))
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number((value >> (field.bits - 8n - BigInt(index) * 8n)) & 0xffn)
  }
  return bytes
}
