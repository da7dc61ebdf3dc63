/** Random bytes for ids: drawn from the kernel's generator in blocks, for a call by itself costs more than the rest of an id. */
import { randomBytes } from 'node:crypto'
import { assert } from '../lib/assert.ts'
import { type EpochMs, epochMs } from '../lib/units.ts'

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

/** 48 bits of a clock in milliseconds and 80 random bits in hex: ids grow with time. */
export function timedId(timeMs: number): string {
  return timeMs.toString(16).padStart(12, '0') + idHex(10)
}

export const timedIdPattern = /^[0-9a-f]{32}$/

export function isTimedId(text: string): boolean {
  return timedIdPattern.test(text)
}

/** The time that the id was made with. */
export function timeOfId(id: string): EpochMs {
  assert(isTimedId(id), 'an id with a time is 32 hex digits')
  return epochMs(Number.parseInt(id.slice(0, 12), 16))
}

/** Lower case. */
export function idHex(lengthBytes: number): string {
  return Buffer.from(idBytes(lengthBytes)).toString('hex')
}

/** As S3's: 16 capital hex digits. */
export function newRequestId(): string {
  return idHex(8).toUpperCase()
}
