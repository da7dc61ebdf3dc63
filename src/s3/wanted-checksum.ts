/**
 * What a request declares about the bytes it carries, and the check of it (semantics E16, E17, E24, decision
 * "wrong checksum").
 */
import type { ChecksumAlgorithm, ObjectChecksum } from '../store/records.ts'
import {
  checksumAlgorithmOf,
  checksumHeaderName,
  createChecksum,
  decodeDigest,
  encodeDigest,
} from './checksums.ts'
import { S3Error } from './s3-error.ts'

type Headers = Readonly<Record<string, string>>

/** The checksum of one algorithm: its base64 value is in a header, or comes in the trailer of this name. */
export type DeclaredChecksum =
  | { readonly kind: 'header'; readonly algorithm: ChecksumAlgorithm; readonly value: string }
  | { readonly kind: 'trailer'; readonly algorithm: ChecksumAlgorithm; readonly name: string }

export type WantedChecksum = {
  /** Base64, decodable; null: no Content-MD5. */
  readonly md5: string | null
  readonly declared: DeclaredChecksum | null
}

// Names of the family that do not carry a value.
const notValues = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type'])
const familyPrefix = 'x-amz-checksum-'

/**
 * Reads Content-MD5, `x-amz-checksum-*` and `x-amz-sdk-checksum-algorithm`; `trailerNames` are the announced
 * trailers. Errors: InvalidDigest for an undecodable Content-MD5; InvalidRequest for an undecodable value,
 * two algorithms, one both as header and trailer, an unknown algorithm, or a named algorithm without any
 * value (unless Content-MD5 stands in for it: the QStorage sample of semantics 2.2).
 */
export function wantedChecksum(headers: Headers, trailerNames: readonly string[]): WantedChecksum {
  const md5 = headers['content-md5'] ?? null
  if (md5 !== null && decodeDigest('MD5', md5) === null) throw new S3Error('InvalidDigest')
  const found = [...fromHeaders(headers), ...fromTrailers(trailerNames)]
  if (found.length > 1) {
    throw invalid('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  }
  const declared = found[0] ?? null
  checkNamedAlgorithm(headers['x-amz-sdk-checksum-algorithm'], md5, declared)
  return { md5, declared }
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}

function fromHeaders(headers: Headers): readonly DeclaredChecksum[] {
  const names = Object.keys(headers).filter((name) => name.startsWith(familyPrefix) && !notValues.has(name))
  return names.map((name) => {
    const algorithm = algorithmOfHeader(name)
    const value = headers[name] ?? ''
    if (decodeDigest(algorithm, value) === null) throw invalid(`Value for ${name} header is invalid.`)
    return { kind: 'header', algorithm, value }
  })
}

function fromTrailers(trailerNames: readonly string[]): readonly DeclaredChecksum[] {
  const names = trailerNames.filter((name) => name.startsWith(familyPrefix))
  return names.map((name) => ({ kind: 'trailer', algorithm: algorithmOfHeader(name), name }))
}

function algorithmOfHeader(name: string): ChecksumAlgorithm {
  const algorithm = checksumAlgorithmOf(name.slice(familyPrefix.length))
  if (algorithm === null) throw invalid(`The checksum header ${name} is not one that this server knows.`)
  return algorithm
}

function checkNamedAlgorithm(
  named: string | undefined,
  md5: string | null,
  declared: DeclaredChecksum | null,
): void {
  if (named === undefined) return
  const algorithm = checksumAlgorithmOf(named)
  if (algorithm === null) {
    throw invalid(
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: ' +
        '[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    )
  }
  if (declared === null && md5 === null) {
    throw invalid(
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer ' +
        'headers were found.',
    )
  }
  if (declared !== null && declared.algorithm !== algorithm) {
    throw invalid('Value for x-amz-sdk-checksum-algorithm header is invalid.')
  }
}

/** Whether the request proves its bytes: what E16 and E17 demand. */
export function hasChecksum(wanted: WantedChecksum): boolean {
  return wanted.md5 !== null || wanted.declared !== null
}

/** Counts a body along while it passes; `verify` after its end, with the trailers that came. */
export type ChecksumTap = {
  readonly update: (bytes: Uint8Array) => void
  /**
   * Errors: BadDigest for any mismatch, MalformedTrailerError when an announced value did not come or is not
   * one.
   */
  readonly verify: (trailers: Headers) => ObjectChecksum | null
}

/**
 * Checks what was declared and computes `fallback` where nothing was (S3 stores a CRC64NVME then; null:
 * nothing is computed). The result of `verify` is the checksum to store with the object.
 */
export async function checksumTap(
  wanted: WantedChecksum,
  fallback: ChecksumAlgorithm | null,
): Promise<ChecksumTap> {
  const algorithm = wanted.declared?.algorithm ?? fallback
  const md5 = wanted.md5 === null ? null : await createChecksum('MD5')
  const checksum = algorithm === null ? null : await createChecksum(algorithm)
  return {
    update: (bytes) => {
      md5?.update(bytes)
      checksum?.update(bytes)
    },
    verify: (trailers) => {
      if (md5 !== null && encodeDigest(md5.digest()) !== wanted.md5) throw contentMd5Mismatch()
      if (checksum === null || algorithm === null) return null
      const value = encodeDigest(checksum.digest())
      if (wanted.declared !== null) expectValue(wanted.declared, value, trailers)
      return { algorithm, type: 'FULL_OBJECT', value }
    },
  }
}

/** E24. */
export function contentMd5Mismatch(): S3Error {
  return new S3Error('BadDigest', {
    message: 'The Content-MD5 you specified did not match what we received.',
  })
}

function expectValue(declared: DeclaredChecksum, value: string, trailers: Headers): void {
  if (declared.kind === 'header') {
    if (declared.value !== value) throw badDigest(declared.algorithm)
    return
  }
  const given = trailers[declared.name]
  if (given === undefined || decodeDigest(declared.algorithm, given) === null)
    throw new S3Error('MalformedTrailerError')
  if (given !== value) throw badDigest(declared.algorithm)
}

function badDigest(algorithm: ChecksumAlgorithm): S3Error {
  const message = `The ${algorithm} you specified did not match the calculated checksum.`
  return new S3Error('BadDigest', { message })
}

/** Checks a document that is wholly in memory. Errors as `ChecksumTap.verify`. */
export async function verifyDocument(
  wanted: WantedChecksum,
  bytes: Uint8Array,
  trailers: Headers,
): Promise<void> {
  const tap = await checksumTap(wanted, null)
  tap.update(bytes)
  tap.verify(trailers)
}

/** The header that answers carry for a stored checksum. */
export function checksumHeader(checksum: ObjectChecksum): Readonly<Record<string, string>> {
  return { [checksumHeaderName(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type }
}
