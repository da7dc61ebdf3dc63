/** ListMultipartUploads: by key in byte order, then by the beginning of the upload. */
import { decodeUpload } from './codec.ts'
import { keyAfter, parseUploadKey, rangeOf, uploadKey, uploadPrefix, uploadsPrefix } from './keys.ts'
import type { KeyValue, KeyValueReader } from './kv/contract.ts'
import { commonPrefixesOf, isLongerThanKeys, lastName, laterRow, rowsOf, startAfter } from './listings.ts'
import { collectPage, type WalkedPage } from './page-walk.ts'
import type { BucketId, UploadRecord } from './records.ts'
import type { ListPage, NoSuchBucket } from './requests.ts'
import { isUploadId } from './upload-rows.ts'
import { readBucket } from './version-rows.ts'

export type ListUploads = ListPage & {
  readonly bucket: string
  readonly keyMarker: string | null
  readonly uploadIdMarker: string | null
}
export type ListUploadsResult =
  | {
      readonly kind: 'page'
      readonly uploads: readonly UploadRecord[]
      readonly commonPrefixes: readonly string[]
      readonly isTruncated: boolean
      readonly nextKeyMarker: string | null
      readonly nextUploadIdMarker: string | null
    }
  | NoSuchBucket

const chunkRowsMax = 256

/** Throws CorruptRecordError. */
export function listUploads(kv: KeyValue, input: ListUploads): Promise<ListUploadsResult> {
  return kv.snapshot(async (reader) => {
    const bucket = await readBucket(reader, input.bucket)
    if (bucket === null) return { kind: 'noSuchBucket' }
    const { items, isTruncated } = await walkUploads(reader, bucket.id, input)
    const last = isTruncated ? (items.at(-1) ?? null) : null
    return {
      kind: 'page',
      uploads: rowsOf(items).map(({ row }) => row),
      commonPrefixes: commonPrefixesOf(items),
      isTruncated,
      nextKeyMarker: isTruncated ? lastName(items) : null,
      nextUploadIdMarker: last?.kind === 'row' ? last.row.uploadId : null,
    }
  })
}

async function walkUploads(
  reader: KeyValueReader,
  bucketId: BucketId,
  input: ListUploads,
): Promise<WalkedPage<UploadRecord>> {
  if (isLongerThanKeys(input.prefix)) return { items: [], isTruncated: false, stoppedAfter: null }
  const groupEnd = (commonPrefix: string) => rangeOf(uploadsPrefix(bucketId, commonPrefix)).to
  const { from, to } = rangeOf(uploadsPrefix(bucketId, input.prefix))
  return collectPage({
    ...input,
    reader,
    from: laterRow(from, resumeAt(bucketId, input, groupEnd)),
    to,
    keyOf: (row) => parseUploadKey(row).key,
    accept: ({ key: row, value }) => decodeUpload(row, value),
    groupEnd,
    chunkRowsMax,
  })
}

function resumeAt(
  bucketId: BucketId,
  input: ListUploads,
  groupEnd: (commonPrefix: string) => Uint8Array,
): Uint8Array {
  const { keyMarker, uploadIdMarker } = input
  if (keyMarker === null) return new Uint8Array(0)
  if (uploadIdMarker !== null && isUploadId(uploadIdMarker) && !isLongerThanKeys(keyMarker)) {
    return keyAfter(uploadKey(bucketId, keyMarker, uploadIdMarker))
  }
  return startAfter(input, keyMarker, groupEnd, (key) => rangeOf(uploadPrefix(bucketId, key)).to)
}
