/**
 * Canonical request and string to sign of AWS Signature Version 4 as S3 uses it (path encoded once, never
 * normalised). Source: "Signature Calculations for the Authorization Header", Amazon S3 API reference. Texts
 * are latin1: header values are the bytes of the wire, one character each.
 */
import { hash } from 'node:crypto'
import { uriEncode, uriEncodePath } from './encode.ts'

/** Decoded names and values; a name without `=` has the value ''. */
export type QueryPairs = readonly (readonly [name: string, value: string])[]

export type CanonicalInput = {
  readonly method: string
  /** Decoded once, beginning with `/`. */
  readonly path: string
  readonly query: QueryPairs
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Lower-case names in the order in which they were declared. */
  readonly signedHeaders: readonly string[]
  /** What stands for the payload: a hash, UNSIGNED-PAYLOAD or a STREAMING- constant. */
  readonly payloadHash: string
}

export type Scope = {
  /** `20130524` */
  readonly date: string
  readonly region: string
  readonly service: string
}

export const algorithm = 'AWS4-HMAC-SHA256'
export const unsignedPayload = 'UNSIGNED-PAYLOAD'
export const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** `20130524/us-east-1/s3/aws4_request` */
export function scopeText(scope: Scope): string {
  return `${scope.date}/${scope.region}/${scope.service}/aws4_request`
}

export function canonicalRequest(input: CanonicalInput): string {
  const headerLines = input.signedHeaders.map(
    (name) => `${name}:${canonicalValue(input.headers[name] ?? '')}\n`,
  )
  return [
    input.method,
    uriEncodePath(input.path),
    canonicalQuery(input.query),
    headerLines.join(''),
    input.signedHeaders.join(';'),
    input.payloadHash,
  ].join('\n')
}

/** Trimmed of HTTP's own white space, runs of spaces collapsed. Not trim(): 0xA0 is the last byte of many a letter in UTF-8. */
function canonicalValue(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, '').replace(/ +/g, ' ')
}

/** Sorted by encoded name, then by encoded value. */
function canonicalQuery(query: QueryPairs): string {
  const encoded = query.map(([name, value]): readonly [string, string] => [uriEncode(name), uriEncode(value)])
  encoded.sort(([nameA, valueA], [nameB, valueB]) => compareText(nameA, nameB) || compareText(valueA, valueB))
  return encoded.map(([name, value]) => `${name}=${value}`).join('&')
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** `amzDate` is the request's time as `20130524T000000Z`. */
export function stringToSign(amzDate: string, scope: Scope, canonical: string): string {
  return [algorithm, amzDate, scopeText(scope), sha256Hex(canonical)].join('\n')
}

/** Hex SHA-256 of bytes, or of a text whose characters are bytes. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', typeof data === 'string' ? Buffer.from(data, 'latin1') : data, 'hex')
}
