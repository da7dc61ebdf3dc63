/** What the operations on a bucket's policy, lifecycle, tags and CORS rules share: each is one document of the store. */
import { limits } from '../lib/limits.ts'
import type { BucketDocumentKind } from '../store/records.ts'
import { addressedBucket } from './addressed.ts'
import type { OperationContext } from './operation.ts'
import { S3Error } from './s3-error.ts'
import { noSuchBucket } from './store-results.ts'

/** Errors: MaxMessageLengthExceeded (as stored it is larger than as sent), NoSuchBucket. */
export async function putBucketDocument(
  context: OperationContext,
  kind: BucketDocumentKind,
  text: string,
): Promise<void> {
  const { name } = addressedBucket(context)
  const bytesMax = limits.bucketDocumentBytesMax
  if (Buffer.byteLength(text) > bytesMax)
    throw new S3Error('MaxMessageLengthExceeded', { extra: { MaxMessageLengthBytes: String(bytesMax) } })
  const result = await context.store.documents.put(context.actor, name, { kind, text })
  if (result.kind === 'noSuchBucket') throw noSuchBucket(name)
}

/** Also where there is none. Errors: NoSuchBucket. */
export async function deleteBucketDocument(
  context: OperationContext,
  kind: BucketDocumentKind,
): Promise<void> {
  const { name } = addressedBucket(context)
  const result = await context.store.documents.delete(context.actor, name, kind)
  if (result.kind === 'noSuchBucket') throw noSuchBucket(name)
}

/** Errors: `missing` where there is none. */
export async function readBucketDocument(
  context: OperationContext,
  kind: BucketDocumentKind,
  missing: 'NoSuchBucketPolicy' | 'NoSuchLifecycleConfiguration' | 'NoSuchTagSet' | 'NoSuchCORSConfiguration',
): Promise<string> {
  const bucket = addressedBucket(context)
  const text = await context.store.documents.read(bucket, kind)
  if (text === null) throw new S3Error(missing, { extra: { BucketName: bucket.name } })
  return text
}
