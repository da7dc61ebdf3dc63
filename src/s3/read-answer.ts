/** What GetObject and HeadObject share: conditions, part or range, headers. */
import { limits } from '../lib/limits.ts'
import type { ObjectPart } from '../store/records.ts'
import { addressedBucket } from './addressed.ts'
import { judgeConditions, rangeApplies, readConditions } from './conditional.ts'
import { partNumberFrom } from './multipart.ts'
import {
  checksumHeaders,
  type ObjectVersion,
  objectHeaders,
  partChecksumHeaders,
  responseOverrides,
  validatorHeaders,
} from './object-headers.ts'
import type { OperationContext, ParseInput } from './operation.ts'
import { type ByteRange, contentRange, parseRange } from './range.ts'
import { readObject } from './read-version.ts'
import { S3Error } from './s3-error.ts'
import { preconditionFailed } from './store-results.ts'
import { versionIdHeader, versionIdOf } from './version-id.ts'

export type ReadInput = { readonly versionId: string | null; readonly partNumber: number | null }

/** Errors: InvalidArgument for a version id, a part number or an override; InvalidRequest for a part with a range. */
export function parseRead({ request }: ParseInput): ReadInput {
  responseOverrides(request.query)
  const partNumber = parsePartNumber(request.query)
  if (partNumber !== null && request.headers['range'] !== undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Cannot specify both Range header and partNumber query parameter',
    })
  }
  return { versionId: versionIdOf(request.query), partNumber }
}

/** The partNumber parameter; null: none. */
export function parsePartNumber(query: URLSearchParams): number | null {
  const value = query.get('partNumber')
  if (value === null) return null
  return partNumberFrom(value)
}

type Headers = Readonly<Record<string, string>>

export type ReadAnswer = {
  readonly status: 200 | 206
  readonly headers: Headers
  readonly version: ObjectVersion
  /** null: the whole object. */
  readonly range: ByteRange | null
}

/** Errors: those of `readObject`, NotModified, PreconditionFailed, InvalidRange, InvalidPartNumber. */
export async function answerRead(context: OperationContext, input: ReadInput): Promise<ReadAnswer> {
  const { request } = context
  const version = await readObject(context, input.versionId)
  const validators = { etag: version.object.etag, lastModifiedMs: version.lastModifiedMs }
  const condition = judgeConditions(request.headers, readConditions, validators)
  if (condition.kind === 'failed') throw preconditionFailed(condition.condition)
  if (condition.kind === 'notModified') {
    const versionId = versionIdHeader(addressedBucket(context), version)
    throw new S3Error('NotModified', { headers: { ...validatorHeaders(version), ...versionId } })
  }
  const { sizeBytes } = version.object
  const part = input.partNumber === null ? null : await partOf(context, version, input.partNumber)
  const ranged = rangeApplies(request.headers, validators)
    ? parseRange(request.headers['range'], sizeBytes)
    : null
  const range = part?.range ?? ranged
  const isWhole = range === null
  const headers = {
    ...objectHeaders(context, version, request),
    ...(part?.headers ?? {}),
    ...(isWhole ? checksumHeaders(request, version) : { 'content-range': contentRange(range, sizeBytes) }),
    'content-length': String(isWhole ? sizeBytes : range.endByte - range.startByte),
  }
  return { status: isWhole ? 200 : 206, headers, version, range }
}

type Part = { readonly range: ByteRange | null; readonly headers: Headers }

/** The bytes of one part; an object that was not uploaded in parts is its own first part. */
async function partOf(context: OperationContext, version: ObjectVersion, partNumber: number): Promise<Part> {
  const { partCount, sizeBytes } = version.object
  if (partNumber > (partCount ?? 1)) {
    throw new S3Error('InvalidPartNumber', {
      extra: { ActualPartCount: String(partCount ?? 1), PartNumberRequested: String(partNumber) },
    })
  }
  // A range cannot say "no bytes": an empty object is answered whole.
  if (sizeBytes === 0) return { range: null, headers: {} }
  if (partCount === null) {
    return { range: { startByte: 0, endByte: sizeBytes }, headers: checksumHeaders(context.request, version) }
  }
  const { range, part } = await findPart(context, version, partNumber)
  const headers = {
    'x-amz-mp-parts-count': String(partCount),
    ...partChecksumHeaders(context.request, version, part),
  }
  return { range, headers }
}

type FoundPart = { readonly range: ByteRange; readonly part: ObjectPart }

async function findPart(
  context: OperationContext,
  version: ObjectVersion,
  partNumber: number,
): Promise<FoundPart> {
  let startByte = 0
  let partCount = 0
  while (partCount < partNumber) {
    const limit = Math.min(limits.bodiesPerListChunkMax, partNumber - partCount)
    const parts = await context.store.versions.parts(version, partCount, limit)
    const part = parts.at(-1)
    if (part === undefined) throw new S3Error('InternalError')
    partCount += parts.length
    const endByte = startByte + parts.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
    if (partCount >= partNumber) return { range: { startByte: endByte - part.sizeBytes, endByte }, part }
    startByte = endByte
  }
  throw new S3Error('InternalError')
}
