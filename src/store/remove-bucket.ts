/** The end of a bucket: whether there is nothing in it, and every row of its own. */
import { deleteLastDenials } from './bucket-denials.ts'
import { deleteDocuments } from './bucket-documents.ts'
import { deleteExisting } from './existing-rows.ts'
import { bucketKey, lifecycleKey, rangeOf, uploadsPrefix, versionsPrefix } from './keys.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import type { BucketRecord } from './records.ts'

/** Neither a version nor a delete marker nor an upload. Read in the transaction: what comes in between is a conflict. */
export async function isEmptyBucket(
  transaction: KeyValueTransaction,
  { id }: BucketRecord,
): Promise<boolean> {
  const rows = await Promise.all([
    transaction.range({ ...rangeOf(versionsPrefix(id, '')), limit: 1 }),
    transaction.range({ ...rangeOf(uploadsPrefix(id, '')), limit: 1 }),
  ])
  return rows.every((found) => found.length === 0)
}

/** Of a bucket that was seen empty in the same transaction. */
export function removeBucket(transaction: KeyValueTransaction, bucket: BucketRecord): void {
  transaction.delete(bucketKey(bucket.name))
  deleteDocuments(transaction, bucket)
  deleteExisting(transaction, bucket.id)
  transaction.delete(lifecycleKey(bucket.id))
  deleteLastDenials(transaction, bucket.id)
}
