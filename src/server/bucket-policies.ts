/**
 * The policies of buckets, as requests need them. What a process remembers is under the revision of the bucket's record, which
 * every request reads from the store: a change of the policy is a change of the record, so nothing old is ever believed.
 */
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { type BucketPolicy, parsePolicy } from '../s3/policy/parse-policy.ts'
import { S3Error } from '../s3/s3-error.ts'
import { CorruptRecordError } from '../store/fields.ts'
import type { BucketRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'

export type StoredPolicy =
  | { readonly kind: 'none' }
  /** There is one, and it cannot be read: everybody who does not own it is denied. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'policy'; readonly policy: BucketPolicy }

export type BucketPolicies = { readonly of: (bucket: BucketRecord) => Promise<StoredPolicy> }

type Remembered = { readonly revision: number; readonly stored: StoredPolicy }

export function createBucketPolicies(store: Store, log: Log): BucketPolicies {
  const remembered = new Map<string, Remembered>()
  return {
    of: async (bucket) => {
      if (!bucket.documents.includes('policy')) return { kind: 'none' }
      const found = remembered.get(bucket.id)
      if (found?.revision === bucket.revision) return found.stored
      const stored = await readPolicy(store, log, bucket)
      // One that could not be read is asked for again.
      if (stored.kind === 'policy') remember(remembered, bucket, stored)
      return stored
    },
  }
}

function remember(remembered: Map<string, Remembered>, bucket: BucketRecord, stored: StoredPolicy): void {
  remembered.delete(bucket.id)
  if (remembered.size >= limits.policiesRememberedMax) {
    for (const oldest of [...remembered.keys()].slice(0, 1)) remembered.delete(oldest)
  }
  remembered.set(bucket.id, { revision: bucket.revision, stored })
}

async function readPolicy(store: Store, log: Log, asked: BucketRecord): Promise<StoredPolicy> {
  let bucket = asked
  for (let attempt = 0; attempt < readAttemptsMax; attempt += 1) {
    try {
      const text = await store.documents.read(bucket, 'policy')
      return text === null ? { kind: 'none' } : { kind: 'policy', policy: parsePolicy(text, bucket.name) }
    } catch (error) {
      if (!(error instanceof CorruptRecordError) && !(error instanceof S3Error)) throw error
      // The record was read before the row: in between the policy may have gone, or changed.
      const now = await store.buckets.read(bucket.name)
      if (now === null || now.id !== bucket.id || now.revision === bucket.revision) {
        log.error({ error, bucket: bucket.name }, 'a bucket policy cannot be read')
        return { kind: 'unreadable' }
      }
      bucket = now
    }
  }
  return { kind: 'unreadable' }
}

const readAttemptsMax = 3
