/**
 * The aws-chunked framing: `hex-size[;chunk-signature=…]\r\n bytes \r\n` … `0[;…]\r\n [trailers] \r\n`, and
 * nothing after. Source: "Signature Calculations … Multiple Chunks / Including Trailing Headers", Amazon S3
 * API reference. The frames are never data (B-65). Bytes leave as they arrive, so that nothing is held; the stream of a body
 * ends only when every signature held, and before that end its bytes are nothing.
 */
import { createHash } from 'node:crypto'
import { limits } from '../../lib/limits.ts'
import { type ChunkContext, chunkSignature, trailerSignature } from '../../sigv4/chunks.ts'
import { sameSignature } from '../../sigv4/keys.ts'
import { S3Error } from '../s3-error.ts'
import { FrameReader } from './frame-reader.ts'

/** `seed` is the request's signature. */
export type ChunkSigning = { readonly seed: string; readonly context: ChunkContext }

export type ChunkedOptions = {
  /** null: neither chunks nor trailers carry a signature. */
  readonly signing: ChunkSigning | null
  /** `none`: the last chunk ends the body. */
  readonly trailers: 'none' | 'expected'
  /** Announced in x-amz-trailer, lower case: only these may come. */
  readonly trailerNames: readonly string[]
  /** x-amz-decoded-content-length. */
  readonly decodedSizeBytes: number
  /** Gets the trailers once they are verified. */
  readonly onTrailers: (trailers: Readonly<Record<string, string>>) => void
}

function malformedFrame(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'The aws-chunked encoding of the body is not well-formed.',
  })
}

function malformedTrailer(): S3Error {
  return new S3Error('MalformedTrailerError')
}

function badSignature(): S3Error {
  return new S3Error('SignatureDoesNotMatch', {
    message: 'The chunk or trailer signature we calculated does not match the signature you provided.',
  })
}

/**
 * Yields the decoded bytes; whoever takes them uses none before the end. Errors: IncompleteBody (ends early, or another length than declared),
 * InvalidRequest (framing, bytes after the end), InvalidChunkSizeError (a signed chunk beyond
 * limits.chunkBytesMax), SignatureDoesNotMatch, MalformedTrailerError.
 */
export async function* decodeChunked(
  source: AsyncIterable<Uint8Array>,
  options: ChunkedOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = new FrameReader(source)
  let previous = options.signing?.seed ?? ''
  let decodedBytes = 0
  for (;;) {
    const header = parseChunkHeader(await reader.line(limits.chunkHeaderBytesMax, malformedFrame), options)
    decodedBytes += header.sizeBytes
    if (decodedBytes > options.decodedSizeBytes) throw new S3Error('IncompleteBody')
    if (options.signing === null) yield* reader.bytes(header.sizeBytes)
    else yield* verifiedChunk(reader, header, { context: options.signing.context, previous })
    previous = header.signature
    if (header.sizeBytes === 0) break
    await emptyLine(reader)
  }
  if (decodedBytes !== options.decodedSizeBytes) throw new S3Error('IncompleteBody')
  const trailers = await readEnd(reader, options, previous)
  if (!(await reader.isAtEnd())) throw malformedFrame()
  options.onTrailers(trailers)
}

/** Two bytes leave room for CRLF and nothing else. */
async function emptyLine(reader: FrameReader): Promise<void> {
  await reader.line(2, malformedFrame)
}

type ChunkHeader = { readonly sizeBytes: number; readonly signature: string }

function parseChunkHeader(line: string, options: ChunkedOptions): ChunkHeader {
  const shape =
    options.signing === null
      ? /^([0-9a-fA-F]{1,13})$/
      : /^([0-9a-fA-F]{1,13});chunk-signature=([0-9a-f]{64})$/
  const match = shape.exec(line)
  if (match === null) throw malformedFrame()
  return { sizeBytes: Number.parseInt(match[1] as string, 16), signature: match[2] ?? '' }
}

type Link = { readonly context: ChunkContext; readonly previous: string }

/** The chunk's pieces as they come. Errors: SignatureDoesNotMatch behind the last of them, InvalidChunkSizeError before the first. */
async function* verifiedChunk(
  reader: FrameReader,
  header: ChunkHeader,
  link: Link,
): AsyncGenerator<Uint8Array, void, void> {
  if (header.sizeBytes > limits.chunkBytesMax) {
    throw new S3Error('InvalidChunkSizeError', {
      message: `A signed chunk has at most ${limits.chunkBytesMax} bytes.`,
    })
  }
  const hash = createHash('sha256')
  for await (const piece of reader.bytes(header.sizeBytes)) {
    hash.update(piece)
    yield piece
  }
  const expected = chunkSignature(link.context, link.previous, hash.digest('hex'))
  if (!sameSignature(expected, header.signature)) throw badSignature()
}

/** What follows the last chunk: the trailers if the mode has them, and the empty line. */
async function readEnd(
  reader: FrameReader,
  options: ChunkedOptions,
  lastSignature: string,
): Promise<Readonly<Record<string, string>>> {
  if (options.trailers === 'none') {
    await emptyLine(reader)
    return {}
  }
  const lines = await readLines(reader, limits.trailerBytesMax)
  if (options.signing === null) return parseTrailers(lines, options.trailerNames)
  const { context } = options.signing
  return verifiedTrailers(lines, { context, previous: lastSignature }, options.trailerNames)
}

async function readLines(reader: FrameReader, bytesMax: number): Promise<readonly string[]> {
  const lines: string[] = []
  let bytes = 0
  for (;;) {
    const line = await reader.line(bytesMax - bytes, malformedTrailer)
    if (line === '') return lines
    bytes += line.length + 2
    lines.push(line)
  }
}

const signatureTrailer = 'x-amz-trailer-signature'

/** The signature is the last trailer, over all before it in their order. */
function verifiedTrailers(
  lines: readonly string[],
  link: Link,
  announced: readonly string[],
): Readonly<Record<string, string>> {
  const [name, given] = splitTrailer(lines.at(-1) ?? '')
  if (name !== signatureTrailer) throw malformedTrailer()
  const signed = lines.slice(0, -1)
  const canonical = signed.map((line) => `${splitTrailer(line).join(':')}\n`).join('')
  if (!sameSignature(trailerSignature(link.context, link.previous, canonical), given)) throw badSignature()
  return parseTrailers(signed, announced)
}

function parseTrailers(
  lines: readonly string[],
  announced: readonly string[],
): Readonly<Record<string, string>> {
  const trailers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const [name, value] = splitTrailer(line)
    if (!announced.includes(name) || trailers[name] !== undefined) throw malformedTrailer()
    trailers[name] = value
  }
  if (announced.some((name) => trailers[name] === undefined)) throw malformedTrailer()
  return trailers
}

function splitTrailer(line: string): readonly [name: string, value: string] {
  const colon = line.indexOf(':')
  if (colon < 1) throw malformedTrailer()
  return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
}
