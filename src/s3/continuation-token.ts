import { crc32 } from 'node:zlib'
import { limits } from '../lib/limits.ts'
import { invalidArgument } from './s3-error.ts'

/**
 * A position in a listing as an opaque token: version byte, CRC32 and the UTF-8 of the last name, in base64url. The CRC is
 * against mistakes only; a token carries no right, since every page is authorised anew.
 */
const version = 1

export function continuationToken(last: string): string {
  const name = Buffer.from(last, 'utf8')
  const head = Buffer.alloc(5)
  head.writeUInt8(version, 0)
  head.writeUInt32BE(crc32(name), 1)
  return Buffer.concat([head, name]).toString('base64url')
}

/** The name that the next page begins after. Errors: InvalidArgument for anything this server did not print. */
export function parseContinuationToken(token: string): string {
  const bytes = Buffer.from(token, 'base64url')
  const name = bytes.subarray(5)
  const valid =
    bytes.length > 5 &&
    bytes.length <= 5 + limits.objectKeyBytesMax &&
    bytes.toString('base64url') === token &&
    bytes.readUInt8(0) === version &&
    bytes.readUInt32BE(1) === crc32(name)
  if (!valid)
    throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token)
  return name.toString('utf8')
}
