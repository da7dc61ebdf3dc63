/** Random bytes for ids: drawn from the kernel's generator in blocks, for a call by itself costs more than the rest of an id. */
import { randomBytes } from 'node:crypto'
import { assert } from '../lib/assert.ts'

const blockBytes = 4096

let block: Uint8Array = new Uint8Array(0)
let usedBytes = 0

/** `lengthBytes` that no other call was or will be given. */
export function idBytes(lengthBytes: number): Uint8Array {
  assert(lengthBytes >= 0 && lengthBytes <= blockBytes, 'an id is short')
  if (usedBytes + lengthBytes > block.length) {
    block = randomBytes(blockBytes)
    usedBytes = 0
  }
  const bytes = block.subarray(usedBytes, usedBytes + lengthBytes)
  usedBytes += lengthBytes
  return bytes
}

/** 48 bits of wall clock and 80 random bits in hex: ids grow with time. */
export function timedId(wallMs: number): string {
  return wallMs.toString(16).padStart(12, '0') + idHex(10)
}

/** Lower case. */
export function idHex(lengthBytes: number): string {
  return Buffer.from(idBytes(lengthBytes)).toString('hex')
}

/** As S3's: 16 capital hex digits. */
export function newRequestId(): string {
  return idHex(8).toUpperCase()
}
