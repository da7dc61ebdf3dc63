/** Answers of finished CompleteMultipartUploads, for clients that ask again because the first answer was lost. */
import { limits } from '../lib/limits.ts'
import type { EpochMs } from '../lib/units.ts'
import { matching, shape, text } from './fields.ts'
import { metaKey, rangeOf } from './keys.ts'
import type { KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { rowCodec } from './row-codec.ts'

export type CompletedUpload = {
  readonly bucketId: string
  readonly key: string
  readonly versionId: string
}

const completedCodec = rowCodec<CompletedUpload>(
  'completed upload',
  shape({ bucketId: matching(/^[0-9a-f]{16}$/), key: text, versionId: text }),
)
const expiryCodec = rowCodec<{ readonly uploadId: string }>(
  'expiry of a completed upload',
  shape({ uploadId: text }),
)

const completedKey = (uploadId: string): Uint8Array => metaKey('completed', uploadId)
const expiryPrefix = metaKey('completed-expiry')
/** 16 digits, so that text order is time order. */
const expiryKey = (expiresMs: number, uploadId: string): Uint8Array =>
  metaKey('completed-expiry', String(expiresMs).padStart(16, '0'), uploadId)

export function putCompleted(
  transaction: KeyValueTransaction,
  uploadId: string,
  { completed, trustedMs }: { readonly completed: CompletedUpload; readonly trustedMs: EpochMs },
): void {
  transaction.put(completedKey(uploadId), completedCodec.encode(completed))
  transaction.put(
    expiryKey(trustedMs + limits.completedUploadMsMax, uploadId),
    expiryCodec.encode({ uploadId }),
  )
}

export async function readCompleted(
  reader: KeyValueReader,
  uploadId: string,
): Promise<CompletedUpload | null> {
  const value = await reader.get(completedKey(uploadId))
  return value === null ? null : completedCodec.decode(value)
}

/** Forgets one page of those whose day is over; returns how many. */
export async function forgetCompleted(kv: KeyValue, trustedMs: EpochMs): Promise<number> {
  // Exclusive, so that one that ends now is among them.
  const to = expiryKey(trustedMs + 1, '')
  return kv.transact(async (transaction) => {
    const page = await transaction.range({
      from: rangeOf(expiryPrefix).from,
      to,
      limit: limits.garbagePageMax,
    })
    for (const { key, value } of page) {
      transaction.delete(key)
      transaction.delete(completedKey(expiryCodec.decode(value).uploadId))
    }
    return page.length
  })
}
