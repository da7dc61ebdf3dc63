/** What all that writes bucket records shares. */
import type { DefaultRetention } from '../lock/types.ts'
import { encodeBucket } from './codec.ts'
import { bucketKey } from './keys.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import { idHex } from './random-ids.ts'
import type { BucketId, BucketRecord } from './records.ts'

/** Eight random bytes: a bucket that is created again under its old name inherits no row. */
export function newBucketId(): BucketId {
  return idHex(8)
}

export function writeBucket(transaction: KeyValueTransaction, bucket: BucketRecord): void {
  transaction.put(bucketKey(bucket.name), encodeBucket(bucket))
}

/** Like `COMPLIANCE 30 DAYS`, for audit records and people. */
export function describeDefault(rule: DefaultRetention | null): string {
  return rule === null ? 'none' : `${rule.mode} ${rule.period.count} ${rule.period.unit}`
}
