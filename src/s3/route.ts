/**
 * The edge: turns the request line and the raw headers into one canonical form, once. Authentication,
 * authorization and the operations read nothing else: two parsers for one thing are how a check is
 * passed around.
 */
import { limits } from '../lib/limits.ts'
import type { QueryPairs } from '../sigv4/canonical.ts'
import type { Method } from './operation.ts'
import { invalidArgument, S3Error } from './s3-error.ts'

export type RawRequest = {
  readonly method: string
  /** As it came: origin-form, absolute-form or `*`. */
  readonly target: string
  /** Names and values in turn, as node:http gives them: bytes as latin1 characters. */
  readonly rawHeaders: readonly string[]
}

/** One request, decoded once. */
export type RequestHead = {
  readonly method: Method
  /** Decoded, beginning with `/`; never normalised. */
  readonly path: string
  readonly query: QueryPairs
  /** Lower-case names; repeated ones are joined with ','. */
  readonly headers: Readonly<Record<string, string>>
  readonly bucket: string | null
  readonly key: string | null
}

const methods: readonly Method[] = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS']

/**
 * Errors: MethodNotAllowed, InvalidURI (bytes that are no UTF-8, broken percent-encoding, U+0000),
 * InvalidArgument and InvalidRequest (a repeated control header or query, a host that contradicts itself),
 * InvalidBucketName, KeyTooLongError. `domain` enables virtual-hosted addressing below it; null: path style
 * only.
 */
export function route(raw: RawRequest, domain: string | null): RequestHead {
  const method = methods.find((known) => known === raw.method)
  // Wasabi renames buckets and objects by it.
  if (raw.method === 'MOVE')
    throw new S3Error('NotImplemented', { message: 'MOVE is not implemented by this server.' })
  if (method === undefined) throw methodNotAllowed(raw.method)
  const headers = readHeaders(raw.rawHeaders)
  const host = headers['host']
  if (host === undefined) throw new S3Error('InvalidRequest', { message: 'The request has no Host header.' })
  const target = readTarget(raw.target, host)
  const mark = target.indexOf('?')
  const path = decodeStrictly(mark === -1 ? target : target.slice(0, mark))
  const query = mark === -1 ? [] : readQuery(target.slice(mark + 1))
  const { bucket, key } = locate(path, virtualBucket(host, domain))
  if (bucket !== null) checkBucketName(bucket)
  if (key !== null) checkKey(key)
  return { method, path, query, headers, bucket, key }
}

export function methodNotAllowed(method: string): S3Error {
  return new S3Error('MethodNotAllowed', { extra: { Method: method, ResourceType: 'SERVICE' } })
}

// A second one of these could say something else to another reader than to us.
const singleHeaders = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
])

function isSingle(name: string): boolean {
  return singleHeaders.has(name) || (name.startsWith('x-amz-') && !name.startsWith('x-amz-meta-'))
}

function readHeaders(rawHeaders: readonly string[]): Readonly<Record<string, string>> {
  // No prototype: a header called `constructor` is a header.
  const headers: Record<string, string> = Object.create(null)
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase()
    const value = rawHeaders[index + 1] as string
    const before = headers[name]
    if (before !== undefined && isSingle(name)) {
      throw invalidArgument(`The header ${name} may be given only once.`, name)
    }
    headers[name] = before === undefined ? value : `${before},${value}`
  }
  return headers
}

/**
 * The origin-form of a target. An absolute-form (RFC 9112 section 3.2.2) must name the host that the Host
 * header names.
 */
function readTarget(target: string, host: string): string {
  if (target.startsWith('/')) return target
  const match = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target)
  if (match === null) throw new S3Error('InvalidURI', { extra: { URI: target } })
  const authority = match[1] as string
  if (bareHost(authority) !== bareHost(host)) {
    throw new S3Error('InvalidRequest', {
      message: 'The host of the request target is not the host of the Host header.',
    })
  }
  const rest = match[2] as string
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Lower case, without the port. */
function bareHost(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '')
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes percent-encoding once. Errors: InvalidURI. */
export function decodeStrictly(text: string): string {
  try {
    const bytes = Buffer.from(text, 'latin1')
    const decoded = text.includes('%') ? percentDecode(bytes) : bytes
    const result = utf8.decode(decoded)
    if (!result.includes('\0')) return result
  } catch (error) {
    if (error instanceof S3Error) throw error
  }
  throw new S3Error('InvalidURI', { extra: { URI: text } })
}

function percentDecode(bytes: Uint8Array): Uint8Array {
  const decoded = new Uint8Array(bytes.length)
  let length = 0
  for (let index = 0; index < bytes.length; index += 1) {
    let byte = bytes[index] as number
    if (byte === 0x25) {
      byte = hexPair(bytes[index + 1], bytes[index + 2])
      index += 2
    }
    decoded[length] = byte
    length += 1
  }
  return decoded.subarray(0, length)
}

function hexPair(high: number | undefined, low: number | undefined): number {
  const text = String.fromCharCode(high ?? 0, low ?? 0)
  if (!/^[0-9a-fA-F]{2}$/.test(text)) throw new S3Error('InvalidURI')
  return Number.parseInt(text, 16)
}

/** Decodes as AWS does, `+` is a space. A repeated name is refused: two readers could take two values. */
function readQuery(text: string): QueryPairs {
  const pairs: (readonly [string, string])[] = []
  const seen = new Set<string>()
  for (const part of text.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decodeStrictly(spaces(equals === -1 ? part : part.slice(0, equals)))
    const value = equals === -1 ? '' : decodeStrictly(spaces(part.slice(equals + 1)))
    if (seen.has(name)) throw invalidArgument(`The query parameter ${name} may be given only once.`, name)
    seen.add(name)
    pairs.push([name, value])
  }
  return pairs
}

function spaces(text: string): string {
  return text.replaceAll('+', ' ')
}

/** The bucket in front of `.domain` in the Host header, dots included; null: path style. */
function virtualBucket(host: string, domain: string | null): string | null {
  if (domain === null) return null
  const name = bareHost(host)
  const suffix = `.${domain.toLowerCase()}`
  return name.endsWith(suffix) && name.length > suffix.length ? name.slice(0, -suffix.length) : null
}

type Location = { readonly bucket: string | null; readonly key: string | null }

function locate(path: string, virtual: string | null): Location {
  if (virtual !== null) return { bucket: virtual, key: path.length > 1 ? path.slice(1) : null }
  const slash = path.indexOf('/', 1)
  const bucket = slash === -1 ? path.slice(1) : path.slice(1, slash)
  const key = slash === -1 ? '' : path.slice(slash + 1)
  // `//key` names no bucket but a key: nothing of S3 is there.
  if (bucket === '')
    return key === '' && slash === -1 ? { bucket: null, key: null } : { bucket: '', key: null }
  return { bucket, key: key === '' ? null : key }
}

const bucketNameShape = /^[a-z0-9][a-z0-9.-]*[a-z0-9]$/

/** S3's rules for general purpose buckets ("Bucket naming rules"). Errors: InvalidBucketName. */
export function checkBucketName(name: string): void {
  const lengthFits = name.length >= limits.bucketNameLengthMin && name.length <= limits.bucketNameLengthMax
  const isFree = !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name) && !reservedName(name)
  if (!lengthFits || !bucketNameShape.test(name) || !isFree) {
    throw new S3Error('InvalidBucketName', { extra: { BucketName: name } })
  }
}

function reservedName(name: string): boolean {
  const prefixes = ['xn--', 'sthree-']
  const suffixes = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3']
  return (
    prefixes.some((prefix) => name.startsWith(prefix)) || suffixes.some((suffix) => name.endsWith(suffix))
  )
}

/** Errors: KeyTooLongError. */
export function checkKey(key: string): void {
  const sizeBytes = Buffer.byteLength(key)
  if (sizeBytes <= limits.objectKeyBytesMax) return
  const extra = { Size: String(sizeBytes), MaxSizeAllowed: String(limits.objectKeyBytesMax) }
  throw new S3Error('KeyTooLongError', { extra })
}

/** `/bucket/key` as S3 prints it in Resource and Location, whichever way it was addressed. */
export function resourceOf(bucket: string | null, key: string | null): string {
  if (bucket === null) return '/'
  return key === null ? `/${bucket}` : `/${bucket}/${key}`
}
