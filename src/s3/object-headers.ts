/** The headers of GetObject and HeadObject. */

import { formatIso } from '../lib/units.ts'
import type { ObjectChecksum, ObjectData, ObjectPart, VersionRecord } from '../store/records.ts'
import { formatHttpDate } from './dates.ts'
import type { OperationContext, S3Request } from './operation.ts'
import { invalidArgument } from './s3-error.ts'
import { versionIdHeader } from './version-id.ts'
import { checksumHeader } from './wanted-checksum.ts'

type Headers = Readonly<Record<string, string>>

/** A version that has bytes. */
export type ObjectVersion = VersionRecord & { readonly object: ObjectData }

export function isObject(version: VersionRecord): version is ObjectVersion {
  return version.object !== null
}

export function quotedEtag(etag: string): string {
  return `"${etag}"`
}

/** Query name to the header that it overrides. */
const overrides: Readonly<Record<string, string>> = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
}

/** The response-* parameters. Errors: InvalidArgument for a value that no header can carry. */
export function responseOverrides(query: URLSearchParams): Headers {
  const headers: [string, string][] = []
  for (const [name, header] of Object.entries(overrides)) {
    const value = query.get(name)
    if (value === null) continue
    // Node writes one byte per character, so text beyond ASCII goes out as its UTF-8 bytes.
    const written = Buffer.from(value, 'utf8').toString('latin1')
    if (/[^\t\x20-\x7e\x80-\xff]/.test(written))
      throw invalidArgument('Header value cannot be represented.', name, value)
    headers.push([header, written])
  }
  return Object.fromEntries(headers)
}

/** What a conditional answer (304) carries too. */
export function validatorHeaders(version: ObjectVersion): Headers {
  return { etag: quotedEtag(version.object.etag), 'last-modified': formatHttpDate(version.lastModifiedMs) }
}

/** What the answer says about the object, without length and range. */
export function objectHeaders(
  context: OperationContext,
  version: ObjectVersion,
  request: S3Request,
): Headers {
  const { object } = version
  const metadata = Object.entries(object.userMetadata).map(([name, value]) => [`x-amz-meta-${name}`, value])
  return {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    ...responseOverrides(request.query),
    ...Object.fromEntries(metadata),
    ...validatorHeaders(version),
    'accept-ranges': 'bytes',
    ...(context.bucket === null ? {} : versionIdHeader(context.bucket, version)),
    ...tagCountHeader(context, version),
    ...lockHeadersOf(context, version),
  }
}

function tagCountHeader(context: OperationContext, version: ObjectVersion): Headers {
  const count = Object.keys(version.object.tags).length
  const action = context.request.query.has('versionId') ? 's3:GetObjectVersionTagging' : 's3:GetObjectTagging'
  return count > 0 && context.may(action, version.key) ? { 'x-amz-tagging-count': String(count) } : {}
}

/** Shown only to who may read them, otherwise left out in silence, as S3 does. */
function lockHeadersOf(context: OperationContext, version: VersionRecord): Headers {
  const { lock } = version
  if (lock.kind === 'unknown') return {}
  const headers: [string, string][] = []
  if (lock.retention !== null && context.may('s3:GetObjectRetention', version.key)) {
    headers.push(['x-amz-object-lock-mode', lock.retention.mode])
    headers.push(['x-amz-object-lock-retain-until-date', formatIso(lock.retention.retainUntilMs)])
  }
  if (lock.legalHold !== null && context.may('s3:GetObjectLegalHold', version.key)) {
    headers.push(['x-amz-object-lock-legal-hold', lock.legalHold])
  }
  return Object.fromEntries(headers)
}

/** Checksums are of whole objects: S3 leaves them out of a range. */
export function checksumHeaders(request: S3Request, version: ObjectVersion): Headers {
  const { checksum } = version.object
  return asksChecksum(request) && checksum !== null ? checksumHeader(checksum) : {}
}

/** A part has its own, under the type of the object's. */
export function partChecksumHeaders(request: S3Request, version: ObjectVersion, part: ObjectPart): Headers {
  const checksum = asksChecksum(request) ? partChecksum(version.object, part) : null
  if (checksum === null) return {}
  return checksumHeader({ ...checksum, type: version.object.checksum?.type ?? checksum.type })
}

/** null: none, or one of another algorithm: a copy may have asked for another than the parts were uploaded with. */
export function partChecksum(object: ObjectData, { checksum }: ObjectPart): ObjectChecksum | null {
  return checksum?.algorithm === object.checksum?.algorithm ? checksum : null
}

function asksChecksum(request: S3Request): boolean {
  return request.headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED'
}
