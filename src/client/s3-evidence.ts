/**
 * The door to @aws-sdk/client-s3: what the lock server shows any S3 client. The SDK is used, rather than our own requests, so
 * that evidence in status is what a user's tool would see. Any S3 client could replace it.
 */
import {
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import type { DefaultRetention, RetentionPeriod } from '../lock/types.ts'
import { type ObservedObjectLock, ServerRefusedError, ServerUnreachableError } from './lock-server.ts'
import { agentsFor, type ServerTrust } from './trust.ts'

export type S3EvidenceOptions = {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly timeoutMs: number
  readonly trust: ServerTrust
}

export type S3Evidence = {
  /** null: the bucket does not exist. Errors: ServerUnreachableError, ServerRefusedError. */
  readonly observeObjectLock: (bucket: string) => Promise<ObservedObjectLock | null>
  readonly close: () => void
}

export function openS3Evidence(options: S3EvidenceOptions): S3Evidence {
  const agents = agentsFor(options.trust)
  const client = new S3Client({
    endpoint: options.endpoint,
    region: options.region,
    credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey },
    forcePathStyle: true,
    // The controllers' own backoff decides when to try again.
    maxAttempts: 1,
    requestHandler: {
      requestTimeout: options.timeoutMs,
      connectionTimeout: options.timeoutMs,
      httpAgent: agents.plain,
      httpsAgent: agents.tls,
    },
  })
  return {
    observeObjectLock: (bucket) => observeObjectLock(client, bucket),
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
    return await send()
  } catch (error) {
    if (!(error instanceof S3ServiceException)) {
      throw new ServerUnreachableError(
        `S3 did not answer: ${error instanceof Error ? error.message : 'no reason'}`,
        {
          cause: error,
        },
      )
    }
    if (absent.has(error.name)) return null
    const status = error.$metadata.httpStatusCode ?? 0
    if (status >= 500 || status === 0) throw new ServerUnreachableError(error.message, { cause: error })
    throw new ServerRefusedError(status, error.name, error.message)
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
