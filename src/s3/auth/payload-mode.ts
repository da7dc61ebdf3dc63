import { unsignedPayload } from '../../sigv4/canonical.ts'
import type { ChunkContext } from '../../sigv4/chunks.ts'
import { invalidArgument } from '../s3-error.ts'

/**
 * How the payload proves itself. Every mode is decided here and handled in one exhaustive switch
 * (`payload.ts`): a mode without its check is a hole (B-54, B-55).
 */
export type PayloadMode =
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'unsigned' }
  | {
      readonly kind: 'signedChunks'
      readonly trailers: 'none' | 'signed'
      /** The request's signature: the one before the first chunk's. */
      readonly seed: string
      readonly context: ChunkContext
    }
  | { readonly kind: 'unsignedChunks' }

/**
 * The mode that `x-amz-content-sha256` asks for. Errors: InvalidArgument for anything that is not listed
 * here.
 */
export function payloadMode(value: string, seed: string, context: ChunkContext): PayloadMode {
  switch (value) {
    case unsignedPayload:
      return { kind: 'unsigned' }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { kind: 'signedChunks', trailers: 'none', seed, context }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { kind: 'signedChunks', trailers: 'signed', seed, context }
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'unsignedChunks' }
    default:
      return hashMode(value)
  }
}

/** The modes of a presigned URL: nothing streams there, because its signature covers no chunk. */
export function presignedPayloadMode(value: string): PayloadMode {
  return value === unsignedPayload ? { kind: 'unsigned' } : hashMode(value)
}

function hashMode(value: string): PayloadMode {
  if (/^[0-9a-fA-F]{64}$/.test(value)) return { kind: 'sha256', hex: value.toLowerCase() }
  throw invalidArgument(
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, ' +
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid ' +
      'sha256 value.',
    'x-amz-content-sha256',
    value,
  )
}
