/** The source of CopyObject and UploadPartCopy. */
import { unreachable } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { BucketRecord } from '../store/records.ts'
import { copySourceConditions, judgeConditions } from './conditional.ts'
import { isObject, type ObjectVersion } from './object-headers.ts'
import type { OperationContext } from './operation.ts'
import { checkBucketName, decodeStrictly } from './route.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import { noSuchBucket, noSuchKey, noSuchVersion, preconditionFailed } from './store-results.ts'
import { shownVersionId, versionIdError } from './version-id.ts'

export type CopySource = { readonly bucket: string; readonly key: string; readonly versionId: string | null }

const headerName = 'x-amz-copy-source'

/**
 * `bucket/key` or `/bucket/key`, URL-encoded, with `?versionId=` behind it. The query is cut off before anything is decoded:
 * an encoded `%3FversionId%3D` is part of the key and never chooses a version (B-62). Errors: InvalidArgument,
 * InvalidBucketName, E21.
 */
export function parseCopySource(header: string): CopySource {
  const mark = header.indexOf('?')
  const path = decoded(mark === -1 ? header : header.slice(0, mark))
  const versionId = mark === -1 ? null : versionIdIn(header.slice(mark + 1), header)
  const bare = path.startsWith('/') ? path.slice(1) : path
  const slash = bare.indexOf('/')
  const bucket = slash === -1 ? bare : bare.slice(0, slash)
  const key = slash === -1 ? '' : bare.slice(slash + 1)
  if (key === '' || Buffer.byteLength(key, 'utf8') > limits.objectKeyBytesMax) {
    throw invalidArgument('Invalid copy source object key', headerName, header)
  }
  checkBucketName(bucket)
  return { bucket, key, versionId }
}

/** S3 reads a `+` in the copy source as a space. */
function decoded(text: string): string {
  try {
    return decodeStrictly(text.replaceAll('+', ' '))
  } catch (error) {
    throw new S3Error('InvalidArgument', {
      message: 'Invalid copy source encoding',
      extra: { ArgumentName: headerName, ArgumentValue: text },
      cause: error,
    })
  }
}

function versionIdIn(query: string, header: string): string {
  if (!query.startsWith('versionId=')) throw invalidArgument('Invalid copy source query', headerName, header)
  const versionId = decoded(query.slice('versionId='.length))
  const error = versionIdError(versionId, 'versionId')
  if (error !== null) throw error
  return versionId
}

export type ReadSource = { readonly bucket: BucketRecord; readonly version: ObjectVersion }

/**
 * Reads the source with the rights that reading it takes, and judges the x-amz-copy-source-if-* conditions. Errors:
 * NoSuchBucket, AccessDenied, NoSuchKey, NoSuchVersion, InvalidRequest for a delete marker by id, PreconditionFailed.
 */
export async function readCopySource(context: OperationContext, source: CopySource): Promise<ReadSource> {
  const bucket = await context.store.buckets.read(source.bucket)
  if (bucket === null) throw noSuchBucket(source.bucket)
  await demandIn(context, bucket, source)
  const result = await context.store.versions.read(source)
  switch (result.kind) {
    case 'found':
      // Rights were judged by another bucket's record: its name has passed on meanwhile.
      if (result.bucket.id !== bucket.id) throw noSuchBucket(source.bucket)
      break
    case 'noSuchBucket':
      throw noSuchBucket(source.bucket)
    case 'noSuchKey':
      throw await hiddenOr(context, bucket, noSuchKey(source.key))
    case 'noSuchVersion':
      throw await hiddenOr(context, bucket, noSuchVersion(source.key, source.versionId))
    default:
      return unreachable(result, 'every result of a read has its answer')
  }
  const { version } = result
  if (!isObject(version)) throw await sourceIsMarker(context, bucket, source)
  const validators = { etag: version.object.etag, lastModifiedMs: version.lastModifiedMs }
  const condition = judgeConditions(context.request.headers, copySourceConditions, validators)
  if (condition.kind !== 'met') throw preconditionFailed(condition.condition)
  return { bucket, version }
}

async function demandIn(context: OperationContext, bucket: BucketRecord, source: CopySource): Promise<void> {
  const expected = context.request.headers['x-amz-source-expected-bucket-owner']
  const action = source.versionId === null ? 's3:GetObject' : 's3:GetObjectVersion'
  const isForeign = expected !== undefined && expected !== bucket.accountId
  if (isForeign || !(await context.mayIn(bucket, action, source.key))) throw new S3Error('AccessDenied')
}

async function hiddenOr(context: OperationContext, bucket: BucketRecord, error: S3Error): Promise<S3Error> {
  return (await context.mayIn(bucket, 's3:ListBucket', null)) ? error : new S3Error('AccessDenied')
}

async function sourceIsMarker(
  context: OperationContext,
  bucket: BucketRecord,
  source: CopySource,
): Promise<S3Error> {
  if (source.versionId === null) return hiddenOr(context, bucket, noSuchKey(source.key))
  return new S3Error('InvalidRequest', {
    message: 'The source of a copy request may not specifically refer to a delete marker by version id.',
  })
}

/** S3 copies at most 5 GiB in one request. */
export function checkCopySize(sizeBytes: number): void {
  if (sizeBytes <= limits.singleUploadBytesMax) return
  throw new S3Error('InvalidRequest', {
    message:
      'The specified copy source is larger than the maximum allowable size for a copy source: ' +
      `${limits.singleUploadBytesMax}`,
  })
}

/** Which version was copied, where the source bucket has ever been versioned. */
export function copySourceVersionHeader({ bucket, version }: ReadSource): Readonly<Record<string, string>> {
  if (bucket.versioning === 'Unversioned') return {}
  return { 'x-amz-copy-source-version-id': shownVersionId(version) }
}
