/** Finding uploads and their parts, on the reader of the transaction that will write. */
import { decodeUpload } from './codec.ts'
import { partKey, statKey, uploadKey } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { isTimedId, timedId } from './random-ids.ts'
import type { BucketId, BucketRecord, UploadRecord } from './records.ts'
import type { TrustedNow } from './requests.ts'
import { type BucketAddress, isJudged, readBucket } from './version-rows.ts'

export type UploadAddress = { readonly bucket: string; readonly key: string; readonly uploadId: string }

export type FoundUpload =
  | { readonly kind: 'found'; readonly bucket: BucketRecord; readonly upload: UploadRecord }
  | { readonly kind: 'noSuchBucket' }
  | { readonly kind: 'noSuchUpload'; readonly bucket: BucketRecord }

/** By max(trusted, wall): uploads of a key are listed in the order of their beginning, and none is older than it is. */
export function newUploadId({ requestMs }: TrustedNow): string {
  return timedId(requestMs)
}

/** False: no upload ever had this id, and it may not even fit into a key. */
export function isUploadId(text: string): boolean {
  return isTimedId(text)
}

/** An upload of the bucket that `actor` was authorised by; reads may leave the actor out. Throws CorruptRecordError. */
export async function findUpload(
  reader: KeyValueReader,
  address: UploadAddress,
  actor: BucketAddress['actor'] = {},
): Promise<FoundUpload> {
  const bucket = await readBucket(reader, address.bucket)
  if (bucket === null || !isJudged(bucket, actor)) return { kind: 'noSuchBucket' }
  const upload = await readUpload(reader, bucket.id, address)
  return upload === null ? { kind: 'noSuchUpload', bucket } : { kind: 'found', bucket, upload }
}

export async function readUpload(
  reader: KeyValueReader,
  bucketId: BucketId,
  { key, uploadId }: Pick<UploadAddress, 'key' | 'uploadId'>,
): Promise<UploadRecord | null> {
  if (!isUploadId(uploadId)) return null
  const row = uploadKey(bucketId, key, uploadId)
  const value = await reader.get(row)
  return value === null ? null : decodeUpload(row, value)
}

/** In the place of part 0: counts the changes of the parts, so that Complete sees any since it read them. */
export function changeCounterKey(uploadId: string): Uint8Array {
  return partKey(uploadId, 0)
}

/** From here on no part can be put any more: UploadPart reads this row in its transaction. */
export function dropUpload(transaction: KeyValueTransaction, upload: UploadRecord): void {
  transaction.delete(uploadKey(upload.bucketId, upload.key, upload.uploadId))
  transaction.add(statKey(upload.bucketId, 'uploadCount'), -1)
}
