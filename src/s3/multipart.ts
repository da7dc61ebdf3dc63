/** What the multipart operations share: ids, part numbers, results of the store, the checksum of the whole object. */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import type { ChecksumAlgorithm, ObjectChecksum, UploadRecord } from '../store/records.ts'
import { addressedBucket, addressedKey } from './addressed.ts'
import { createChecksum, decodeDigest, encodeDigest } from './checksums.ts'
import { type CrcAlgorithm, crcJoiner } from './crc-combine.ts'
import type { OperationContext } from './operation.ts'
import { type LockFacts, lockFacts, pendingLock } from './policy/facts.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import { noSuchBucket, noSuchUpload } from './store-results.ts'

/** The uploadId parameter: operations that take one are matched on it. */
export function uploadIdOf(query: URLSearchParams): string {
  return query.get('uploadId') ?? ''
}

/** 1 to 10,000. Errors: InvalidArgument. */
export function partNumberOf(query: URLSearchParams): number {
  return partNumberFrom(query.get('partNumber') ?? '')
}

/** The same for a value that is there. */
export function partNumberFrom(value: string): number {
  const partNumber = Number(value)
  if (!/^\d{1,5}$/.test(value) || partNumber < 1 || partNumber > limits.partNumberMax) {
    throw invalidArgument(
      `Part number must be an integer between 1 and ${limits.partNumberMax}, inclusive`,
      'partNumber',
      value,
    )
  }
  return partNumber
}

/** The upload that a part goes to. Errors: NoSuchBucket, NoSuchUpload. */
export async function readUpload(context: OperationContext, uploadId: string): Promise<UploadRecord> {
  const bucket = addressedBucket(context).name
  const result = await context.store.uploads.read(bucket, addressedKey(context.request), uploadId)
  if (result.kind === 'found') return result.upload
  throw result.kind === 'noSuchBucket' ? noSuchBucket(bucket) : noSuchUpload(uploadId)
}

/** What Create asked for: a part and Complete ask for no other lock. An upload that is not there gets none at all. */
export async function lockOfUpload(context: OperationContext, uploadId: string): Promise<LockFacts> {
  const bucket = addressedBucket(context).name
  const result = await context.store.uploads.read(bucket, addressedKey(context.request), uploadId)
  if (result.kind !== 'found') return pendingLock
  const { explicitRetention, explicitLegalHold } = result.upload
  return lockFacts({ retention: explicitRetention, legalHold: explicitLegalHold })
}

export type ChecksumPlan = {
  readonly algorithm: ChecksumAlgorithm | null
  readonly type: ObjectChecksum['type'] | null
}

const isCrc = (algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm => algorithm.startsWith('CRC')

/** x-amz-checksum-algorithm and x-amz-checksum-type of CreateMultipartUpload. Errors: InvalidRequest. */
export function checksumPlan(algorithm: ChecksumAlgorithm | null, type: string | undefined): ChecksumPlan {
  if (type !== undefined && type !== 'COMPOSITE' && type !== 'FULL_OBJECT') {
    throw new S3Error('InvalidRequest', { message: 'Value for x-amz-checksum-type header is invalid.' })
  }
  if (algorithm === null) {
    if (type === undefined) return { algorithm: null, type: null }
    throw new S3Error('InvalidRequest', {
      message: 'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    })
  }
  const planned = type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE')
  const isPossible = planned === 'FULL_OBJECT' ? isCrc(algorithm) : algorithm !== 'CRC64NVME'
  if (!isPossible) {
    throw new S3Error('InvalidRequest', {
      message: `The ${planned} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    })
  }
  return { algorithm, type: planned }
}

export type PartChecksum = { readonly checksum: ObjectChecksum | null; readonly sizeBytes: number }

/**
 * The whole object's checksum out of its parts', without the bytes; null where the upload has none. Every part of an upload
 * with an algorithm was stored with its value.
 */
export async function checksumOfParts(
  upload: UploadRecord,
  parts: readonly PartChecksum[],
): Promise<ObjectChecksum | null> {
  const { checksumAlgorithm: algorithm, checksumType: type } = upload
  if (algorithm === null || type === null) return null
  const values = parts.map((part) => partDigest(algorithm, part))
  if (type === 'COMPOSITE') {
    return { algorithm, type, value: `${encodeDigest(await digestOf(algorithm, values))}-${parts.length}` }
  }
  assert(isCrc(algorithm), 'only CRCs have a full-object checksum')
  const join = crcJoiner(algorithm)
  const whole = values.reduce((before, after, index) => join(before, after, parts[index]?.sizeBytes ?? 0))
  return { algorithm, type, value: encodeDigest(whole) }
}

function partDigest(algorithm: ChecksumAlgorithm, { checksum }: PartChecksum): Uint8Array {
  const digest = checksum?.algorithm === algorithm ? decodeDigest(algorithm, checksum.value) : null
  assert(digest !== null, 'a part has the checksum of its upload')
  return digest
}

async function digestOf(algorithm: ChecksumAlgorithm, values: readonly Uint8Array[]): Promise<Uint8Array> {
  const checksum = await createChecksum(algorithm)
  for (const value of values) checksum.update(value)
  return checksum.digest()
}
