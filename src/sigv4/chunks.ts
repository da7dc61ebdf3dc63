/**
 * Signatures inside an aws-chunked payload: each chunk's chains on the one before, the first on the request's
 * ("seed"). Source: "Signature Calculations … Multiple Chunks" and "… Including Trailing Headers", Amazon S3
 * API reference.
 */
import type { KeyObject } from 'node:crypto'
import { emptySha256, type Scope, scopeText, sha256Hex } from './canonical.ts'
import { signature } from './keys.ts'

export type ChunkContext = {
  readonly key: KeyObject
  /** `20130524T000000Z` */
  readonly amzDate: string
  readonly scope: Scope
}

/** The signature of a chunk whose bytes hash to `chunkSha256` (hex), after the one before. */
export function chunkSignature(context: ChunkContext, previous: string, chunkSha256: string): string {
  const lines = [
    'AWS4-HMAC-SHA256-PAYLOAD',
    context.amzDate,
    scopeText(context.scope),
    previous,
    emptySha256,
    chunkSha256,
  ]
  return signature(context.key, lines.join('\n'))
}

/** The signature of the trailers, each as `name:value\n` in the order sent, after the last chunk's. */
export function trailerSignature(context: ChunkContext, previous: string, canonicalTrailers: string): string {
  const hash = sha256Hex(canonicalTrailers)
  const lines = ['AWS4-HMAC-SHA256-TRAILER', context.amzDate, scopeText(context.scope), previous, hash]
  return signature(context.key, lines.join('\n'))
}
