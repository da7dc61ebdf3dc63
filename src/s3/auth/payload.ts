import { createHash } from 'node:crypto'
import { assert, unreachable } from '../../lib/assert.ts'
import type { RequestBody } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { type ChunkedOptions, decodeChunked } from './chunked-payload.ts'
import type { PayloadMode } from './payload-mode.ts'

type Headers = Readonly<Record<string, string>>
type Trailers = Readonly<Record<string, string>>
type Stream = AsyncIterable<Uint8Array>

/** How the mode turns the wire's bytes into the payload's. */
type Decoder = (source: Stream, onTrailers: (trailers: Trailers) => void) => Stream

/**
 * The decoded body of an authenticated request. The headers are judged now, the bytes while they are read.
 * Errors: MissingContentLength (streaming without x-amz-decoded-content-length), InvalidArgument (lengths
 * that are no numbers), InvalidRequest (trailers announced where the mode has none); the stream's errors are
 * the mode's.
 */
export function openPayload(source: Stream, mode: PayloadMode, headers: Headers): RequestBody {
  const trailerNames = announcedTrailers(headers)
  const isChunked = mode.kind === 'signedChunks' || mode.kind === 'unsignedChunks'
  const hasTrailers =
    mode.kind === 'unsignedChunks' || (mode.kind === 'signedChunks' && mode.trailers === 'signed')
  if (trailerNames.length > 0 && !hasTrailers) {
    throw new S3Error('InvalidRequest', {
      message: 'x-amz-trailer needs an x-amz-content-sha256 with -TRAILER.',
    })
  }
  const sizeBytes = declaredSize(headers, isChunked ? 'x-amz-decoded-content-length' : 'content-length')
  if (isChunked && sizeBytes === null) throw new S3Error('MissingContentLength')
  const decode = decoderOf(mode, { trailerNames, decodedSizeBytes: sizeBytes ?? 0 })
  let trailers: Trailers | null = null
  let isOpened = false
  const opened = (): Stream => {
    assert(!isOpened, 'a payload is read once')
    isOpened = true
    return source
  }
  return {
    sizeBytes,
    trailerNames,
    stream: () =>
      decode(opened(), (found) => {
        trailers = found
      }),
    ...(mode.kind === 'sha256'
      ? { unhashed: { stream: opened, verify: (hex) => demandSha256(hex, mode.hex) } }
      : {}),
    trailers: () => {
      assert(trailers !== null || !hasTrailers, 'trailers are read after the payload')
      return trailers ?? {}
    },
  }
}

type Framing = Pick<ChunkedOptions, 'trailerNames' | 'decodedSizeBytes'>

function decoderOf(mode: PayloadMode, framing: Framing): Decoder {
  switch (mode.kind) {
    case 'unsigned':
      return (source) => source
    case 'sha256':
      return (source) => verifySha256(source, mode.hex)
    case 'signedChunks': {
      const signing = { seed: mode.seed, context: mode.context }
      const trailers = mode.trailers === 'signed' ? 'expected' : 'none'
      return (source, onTrailers) => decodeChunked(source, { ...framing, signing, trailers, onTrailers })
    }
    case 'unsignedChunks':
      return (source, onTrailers) =>
        decodeChunked(source, { ...framing, signing: null, trailers: 'expected', onTrailers })
    default:
      return unreachable(mode, 'every payload mode is verified')
  }
}

async function* verifySha256(source: Stream, wanted: string): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash('sha256')
  for await (const piece of source) {
    hash.update(piece)
    yield piece
  }
  demandSha256(hash.digest('hex'), wanted)
}

function demandSha256(computed: string, wanted: string): void {
  if (computed === wanted) return
  const extra = { ClientComputedContentSHA256: wanted, S3ComputedContentSHA256: computed }
  throw new S3Error('XAmzContentSHA256Mismatch', { extra })
}

function announcedTrailers(headers: Headers): readonly string[] {
  const text = headers['x-amz-trailer']
  if (text === undefined) return []
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  const isClean = names.every((name) => /^[a-z0-9-]+$/.test(name)) && new Set(names).size === names.length
  if (!isClean) {
    throw new S3Error('InvalidRequest', {
      message: 'The value specified in the x-amz-trailer header is not supported',
    })
  }
  return names
}

function declaredSize(headers: Headers, name: string): number | null {
  const text = headers[name]
  if (text === undefined) return null
  if (!/^\d+$/.test(text)) {
    throw new S3Error('InvalidArgument', {
      message: `The header ${name} is not a length.`,
      extra: { ArgumentName: name, ArgumentValue: text },
    })
  }
  return Number(text)
}

/** Whether the wire carries aws-chunked frames: its token is then no part of the stored Content-Encoding. */
export function isFramed(mode: PayloadMode): boolean {
  return mode.kind === 'signedChunks' || mode.kind === 'unsignedChunks'
}
