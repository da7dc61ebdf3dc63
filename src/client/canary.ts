/**
 * The canary: a version of the system's own under COMPLIANCE, whose deletion is tried through S3 as anybody's tool would, and
 * must be refused. What a server keeps of it, it keeps of everybody's.
 */
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { limits } from '../lib/limits.ts'
import { canaryBucket } from '../lib/system-buckets.ts'
import {
  type CanaryOutcome,
  type CanaryTime,
  ServerRefusedError,
  ServerUnreachableError,
} from './lock-server.ts'
import { s3Answer } from './s3-client.ts'

type Version = { readonly versionId: string; readonly retainUntilMs: number }

const address = { Bucket: canaryBucket, Key: 'canary' } as const
const accessDenied = 'AccessDenied'

/**
 * Tries the newest version whose lock is in force, and first writes one where none is for long enough; removes those whose
 * lock has ended. What a server cannot or will not do is `untried`. Errors: ServerUnreachableError when it cannot even list.
 */
export async function tryCanary(client: S3Client, now: CanaryTime): Promise<CanaryOutcome> {
  let isListed = false
  try {
    const page = await listVersions(client)
    isListed = true
    const versions = page === null ? await createBucket(client) : await readVersions(client, page)
    await removeExpired(client, versions, now)
    const newest = latest(versions.filter(({ retainUntilMs }) => retainUntilMs > now.trustedMs))
    const isFresh = newest !== null && newest.retainUntilMs - now.trustedMs > limits.canaryRenewMs
    return await tryToDelete(client, isFresh ? newest : await writeVersion(client, now))
  } catch (error) {
    const isFailure = error instanceof ServerUnreachableError && isListed
    if (isFailure || error instanceof ServerRefusedError) return { kind: 'untried', cause: error.message }
    throw error
  }
}

async function createBucket(client: S3Client): Promise<readonly Version[]> {
  const command = new CreateBucketCommand({ Bucket: canaryBucket, ObjectLockEnabledForBucket: true })
  await s3Answer(() => client.send(command))
  return []
}

async function readVersions(
  client: S3Client,
  page: ListObjectVersionsCommandOutput,
): Promise<readonly Version[]> {
  const versions: Version[] = []
  for (const { VersionId } of page.Versions ?? []) {
    if (VersionId === undefined) continue
    const version = await readVersion(client, VersionId)
    if (version !== null) versions.push(version)
  }
  return versions
}

/** null: there is no bucket yet. */
async function listVersions(client: S3Client): Promise<ListObjectVersionsCommandOutput | null> {
  const command = new ListObjectVersionsCommand({
    Bucket: canaryBucket,
    Prefix: address.Key,
    MaxKeys: limits.canaryVersionsMax,
  })
  try {
    return await s3Answer(() => client.send(command))
  } catch (error) {
    if (error instanceof ServerRefusedError && error.code === 'NoSuchBucket') return null
    throw error
  }
}

/** null: there is no such version. Without COMPLIANCE it counts as one whose lock has ended. */
async function readVersion(client: S3Client, versionId: string): Promise<Version | null> {
  try {
    const head = await s3Answer(() =>
      client.send(new HeadObjectCommand({ ...address, VersionId: versionId })),
    )
    const until = head.ObjectLockMode === 'COMPLIANCE' ? head.ObjectLockRetainUntilDate : undefined
    return { versionId, retainUntilMs: until?.getTime() ?? 0 }
  } catch (error) {
    // A HEAD has no body, and so no code.
    if (error instanceof ServerRefusedError && error.status === 404) return null
    throw error
  }
}

/** Through the gate, which has the last word: what it still keeps is tried again another time. */
async function removeExpired(client: S3Client, versions: readonly Version[], now: CanaryTime): Promise<void> {
  for (const { versionId, retainUntilMs } of versions) {
    if (retainUntilMs <= now.trustedMs) await deletionAnswer(client, versionId)
  }
}

async function writeVersion(client: S3Client, { trustedMs, wallMs }: CanaryTime): Promise<Version> {
  // In whole seconds, which is all that some headers say.
  const retainUntilMs = Math.ceil((Math.max(trustedMs, wallMs) + limits.canaryLockMs) / 1000) * 1000
  const command = new PutObjectCommand({
    ...address,
    Body: 'written by the operator, locked, and tried to be deleted',
    ContentType: 'text/plain',
    ObjectLockMode: 'COMPLIANCE',
    ObjectLockRetainUntilDate: new Date(retainUntilMs),
  })
  const { VersionId } = await s3Answer(() => client.send(command))
  if (VersionId === undefined)
    throw new ServerRefusedError(200, 'NoVersionId', 'PutObject gave no version id')
  return { versionId: VersionId, retainUntilMs }
}

async function tryToDelete(client: S3Client, before: Version): Promise<CanaryOutcome> {
  const { versionId } = before
  const answer = await deletionAnswer(client, versionId)
  const after = await readVersion(client, versionId)
  if (after === null) return { kind: 'deleted', versionId, answer: `${answer}, and the version is gone` }
  if (after.retainUntilMs < before.retainUntilMs)
    return { kind: 'deleted', versionId, answer: `${answer}, and the lock of the version is weaker` }
  if (answer === accessDenied) return { kind: 'refused' }
  if (answer === 'success') return { kind: 'deleted', versionId, answer }
  return { kind: 'untried', cause: `DeleteObject was answered with ${answer}` }
}

/** The code of the refusal, or `success`. */
async function deletionAnswer(client: S3Client, versionId: string): Promise<string> {
  try {
    await s3Answer(() => client.send(new DeleteObjectCommand({ ...address, VersionId: versionId })))
    return 'success'
  } catch (error) {
    if (error instanceof ServerRefusedError) return error.code
    throw error
  }
}

function latest(versions: readonly Version[]): Version | null {
  return versions.reduce<Version | null>(
    (found, each) => (found === null || each.retainUntilMs > found.retainUntilMs ? each : found),
    null,
  )
}
