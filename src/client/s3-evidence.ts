/** What the lock server shows any S3 client of a bucket's Object Lock. */
import {
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { DefaultRetention, RetentionPeriod } from '../lock/types.ts'
import { tryCanary } from './canary.ts'
import {
  type CanaryOutcome,
  type CanaryTime,
  type ObservedObjectLock,
  ServerRefusedError,
} from './lock-server.ts'
import { openS3Client, type S3ClientOptions, s3Answer } from './s3-client.ts'

export type S3Evidence = {
  /** null: the bucket does not exist. Errors: ServerUnreachableError, ServerRefusedError. */
  readonly observeObjectLock: (bucket: string) => Promise<ObservedObjectLock | null>
  /** Errors: ServerUnreachableError before it began; else see CanaryOutcome. */
  readonly tryCanary: (now: CanaryTime) => Promise<CanaryOutcome>
  readonly close: () => void
}

export function openS3Evidence(options: S3ClientOptions): S3Evidence {
  const client = openS3Client(options)
  return {
    observeObjectLock: (bucket) => observeObjectLock(client, bucket),
    tryCanary: (now) => tryCanary(client, now),
    close: () => client.destroy(),
  }
}

async function observeObjectLock(client: S3Client, bucket: string): Promise<ObservedObjectLock | null> {
  const versioning = await answerOf(() => client.send(new GetBucketVersioningCommand({ Bucket: bucket })))
  if (versioning === null) return null
  const lock = await answerOf(() => client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket })))
  const configuration = lock?.ObjectLockConfiguration
  return {
    versioning: versioning.Status ?? null,
    objectLockEnabled: configuration?.ObjectLockEnabled === 'Enabled',
    defaultRetention: toDefaultRetention(configuration?.Rule?.DefaultRetention),
  }
}

const absent = new Set(['NoSuchBucket', 'ObjectLockConfigurationNotFoundError'])

/** null: what was asked for does not exist. */
async function answerOf<T>(send: () => Promise<T>): Promise<T | null> {
  try {
    return await s3Answer(send)
  } catch (error) {
    if (error instanceof ServerRefusedError && absent.has(error.code)) return null
    throw error
  }
}

type WireRetention = {
  readonly Mode?: 'GOVERNANCE' | 'COMPLIANCE' | undefined
  readonly Days?: number | undefined
  readonly Years?: number | undefined
}

function toDefaultRetention(rule: WireRetention | undefined): DefaultRetention | null {
  if (rule?.Mode === undefined) return null
  const period = toPeriod(rule)
  return period === null ? null : { mode: rule.Mode, period }
}

function toPeriod({ Days, Years }: WireRetention): RetentionPeriod | null {
  if (Days !== undefined) return { unit: 'DAYS', count: Days }
  if (Years !== undefined) return { unit: 'YEARS', count: Years }
  return null
}
