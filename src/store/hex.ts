/** Bytes and hashes as text: lower-case hex, as the audit log and its exports print them. */
import { createHash } from 'node:crypto'

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Text is hashed as UTF-8. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
