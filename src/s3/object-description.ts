/**
 * What a write says about its object besides bytes and lock: stored headers, user metadata, and the headers whose promise
 * this server does not keep, which are refused and never silently dropped.
 */
import { limits } from '../lib/limits.ts'
import type { StoredHeaders } from '../store/records.ts'
import { S3Error } from './s3-error.ts'

type Headers = Readonly<Record<string, string>>

const storedNames = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
]

/** The headers that S3 keeps and returns. `aws-chunked` describes the transfer and is not kept. */
export function storedHeaders(headers: Headers): StoredHeaders {
  const kept: [string, string][] = []
  for (const name of storedNames) {
    const value = name === 'content-encoding' ? contentEncoding(headers[name]) : headers[name]
    if (value !== undefined && value !== '') kept.push([name, value])
  }
  return Object.fromEntries(kept)
}

function contentEncoding(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const codings = value.split(',').map((coding) => coding.trim())
  return codings.filter((coding) => coding.toLowerCase() !== 'aws-chunked').join(', ')
}

const metadataPrefix = 'x-amz-meta-'

/** Names without prefix; values as they came (RFC 2047 words are left alone). Errors: MetadataTooLarge. */
export function userMetadata(headers: Headers): Readonly<Record<string, string>> {
  const pairs = Object.entries(headers)
    .filter(([name]) => name.startsWith(metadataPrefix))
    .map(([name, value]) => [name.slice(metadataPrefix.length), value] as const)
  // A header arrives as one character per byte, so that lengths are bytes.
  const sizeBytes = pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (sizeBytes > limits.userMetadataBytesMax) {
    throw new S3Error('MetadataTooLarge', {
      extra: { Size: String(sizeBytes), MaxSizeAllowed: String(limits.userMetadataBytesMax) },
    })
  }
  return Object.fromEntries(pairs)
}

/** Headers of S3 that promise something this server does not do: taking them in silence would be a lie. */
const unkeptPromises = [
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-context',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-server-side-encryption-customer-key-md5',
  'x-amz-copy-source-server-side-encryption-customer-algorithm',
  'x-amz-copy-source-server-side-encryption-customer-key',
  'x-amz-copy-source-server-side-encryption-customer-key-md5',
  'x-amz-website-redirect-location',
  'x-amz-write-offset-bytes',
]

/** Errors: NotImplemented naming the header, InvalidStorageClass, AccessControlListNotSupported. */
export function refuseUnkeptPromises(headers: Headers): void {
  for (const name of unkeptPromises) {
    if (headers[name] !== undefined) throw headerNotImplemented(name)
  }
  const storageClass = headers['x-amz-storage-class']
  if (storageClass !== undefined && storageClass !== 'STANDARD') {
    throw new S3Error('InvalidStorageClass', { extra: { StorageClassRequested: storageClass } })
  }
  refuseAccessControl(headers)
}

/** Objects and buckets belong to their account, fully and only (BucketOwnerEnforced). */
export function refuseAccessControl(headers: Headers): void {
  const acl = headers['x-amz-acl']
  const granted = Object.keys(headers).some((name) => name.startsWith('x-amz-grant-'))
  if (!granted && (acl === undefined || acl === 'private' || acl === 'bucket-owner-full-control')) return
  throw new S3Error('AccessControlListNotSupported')
}

/** S3's answer to a header that it knows and does not do here. */
export function headerNotImplemented(name: string): S3Error {
  return new S3Error('NotImplemented', {
    message: 'A header you provided implies functionality that is not implemented',
    extra: { Header: name },
  })
}
