/** Records for pure tests, and the error that a call throws. */
import { epochMs } from '../../src/lib/units.ts'
import { S3Error } from '../../src/s3/s3-error.ts'
import type { BucketRecord } from '../../src/store/records.ts'

export type BucketOptions = { readonly objectLock?: 'Enabled'; readonly days?: number }

export function bucketRecord({ objectLock, days }: BucketOptions): BucketRecord {
  const defaultRetention =
    days === undefined ? null : ({ mode: 'GOVERNANCE', period: { unit: 'DAYS', count: days } } as const)
  return {
    id: '0000000000000001',
    name: 'bucket',
    accountId: '000000000000',
    region: 'us-east-1',
    createdMs: epochMs(0),
    createdTrustedMs: epochMs(0),
    revision: 1,
    versioning: objectLock === undefined ? 'Unversioned' : 'Enabled',
    objectLock:
      objectLock === undefined
        ? null
        : { status: objectLock, retention: { defaultRetention, prefixRules: [] } },
    owner: null,
    policy: null,
    profile: 'aws',
    requireChecksum: true,
    quotaBytes: null,
    documents: [],
  }
}

export function caught(work: () => unknown): S3Error {
  try {
    work()
  } catch (error) {
    if (error instanceof S3Error) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
