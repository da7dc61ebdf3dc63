/** Answers of finished CompleteMultipartUploads, for clients that ask again because the first answer was lost. */
import { limits } from '../lib/limits.ts'
import type { EpochMs } from '../lib/units.ts'
import { matching, shape, text } from './fields.ts'
import { metaKey, parseMetaKey, rangeOf } from './keys.ts'
import type { KeyValue, KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { rowCodec, sealRow } from './row-codec.ts'
import { demand } from './tuple.ts'

export type CompletedUpload = {
  readonly bucketId: string
  readonly key: string
  readonly versionId: string
}

const completedCodec = rowCodec<CompletedUpload>(
  'completed upload',
  shape({ bucketId: matching(/^[0-9a-f]{16}$/), key: text, versionId: text }),
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
  const row = completedKey(uploadId)
  transaction.put(row, completedCodec.encode(row, completed))
  const expiry = expiryKey(trustedMs + limits.completedUploadMsMax, uploadId)
  transaction.put(expiry, sealRow(expiry, Uint8Array.of(1)))
}

export async function readCompleted(
  reader: KeyValueReader,
  uploadId: string,
): Promise<CompletedUpload | null> {
  const row = completedKey(uploadId)
  const value = await reader.get(row)
  return value === null ? null : completedCodec.decode(row, value)
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
    for (const { key } of page) {
      const [, , uploadId] = parseMetaKey(key)
      demand(uploadId !== undefined, 'the expiry of a completed upload names it')
      transaction.delete(key)
      transaction.delete(completedKey(uploadId))
    }
    return page.length
  })
}
