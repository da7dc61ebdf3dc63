/** Proves on a bucket of its own that the server keeps what is under legal hold, and leaves nothing behind. */
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { ServerRefusedError } from './lock-server.ts'
import { openS3Client, type S3ClientOptions, s3Answer } from './s3-client.ts'

export type HoldProofOptions = S3ClientOptions & {
  /** Must not exist yet. */
  readonly bucket: string
  /** Told of every step that is done. */
  readonly onStep: (sentence: string) => void
}

/** The server did what it must never do, or the bytes are not those that were written. */
export class HoldBrokenError extends Error {
  override readonly name = 'HoldBrokenError'
}

type Version = { readonly Bucket: string; readonly Key: string; readonly VersionId: string }

const key = 'held'
const attempts = [
  { sentence: 'DeleteObject of the held version', bypass: {} },
  {
    sentence: 'DeleteObject of the held version with bypass of GOVERNANCE',
    bypass: { BypassGovernanceRetention: true },
  },
] as const

/** Errors: HoldBrokenError, ServerRefusedError, ServerUnreachableError. Whatever happens, it tries to remove its bucket. */
export async function proveHold(options: HoldProofOptions): Promise<void> {
  const client = openS3Client(options)
  try {
    await s3Answer(() =>
      client.send(new CreateBucketCommand({ Bucket: options.bucket, ObjectLockEnabledForBucket: true })),
    )
    options.onStep(`bucket ${options.bucket} with Object Lock`)
    await proveInBucket(client, options)
  } finally {
    client.destroy()
  }
}

async function proveInBucket(client: S3Client, options: HoldProofOptions): Promise<void> {
  let version: Version | null = null
  try {
    version = await writeHeld(client, options)
    await tryToDelete(client, version, options)
  } catch (error) {
    // What went wrong first is what the caller is told.
    await cleanUp(client, version, options).catch(() => options.onStep(`bucket ${options.bucket} stays`))
    throw error
  }
  await cleanUp(client, version, options)
}

async function writeHeld(client: S3Client, { bucket, onStep }: HoldProofOptions): Promise<Version> {
  const { VersionId } = await s3Answer(() =>
    client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: bodyOf(bucket),
        ObjectLockLegalHoldStatus: 'ON',
        ChecksumAlgorithm: 'CRC32',
      }),
    ),
  )
  if (VersionId === undefined) throw new HoldBrokenError('PutObject into a locked bucket gave no version id')
  onStep(`version ${VersionId} under legal hold`)
  return { Bucket: bucket, Key: key, VersionId }
}

async function tryToDelete(client: S3Client, version: Version, options: HoldProofOptions): Promise<void> {
  for (const { sentence, bypass } of attempts) {
    const code = await refusalOf(() => client.send(new DeleteObjectCommand({ ...version, ...bypass })))
    if (code !== 'AccessDenied') {
      throw new HoldBrokenError(`${sentence} was answered with ${code ?? 'success'}, not with AccessDenied`)
    }
    options.onStep(`${sentence}: refused, AccessDenied`)
  }
  const code = await refusalOf(() => client.send(new DeleteBucketCommand({ Bucket: version.Bucket })))
  if (code !== 'BucketNotEmpty') {
    throw new HoldBrokenError(`DeleteBucket was answered with ${code ?? 'success'}, not with BucketNotEmpty`)
  }
  const answer = await s3Answer(() => client.send(new GetObjectCommand(version)))
  if ((await answer.Body?.transformToString()) !== bodyOf(version.Bucket)) {
    throw new HoldBrokenError('the held version does not have the bytes that were written')
  }
  options.onStep('the held version is there, with its bytes')
}

/** A hold can be lifted, unlike retention: nothing of a proof stays for years. */
async function cleanUp(client: S3Client, version: Version | null, options: HoldProofOptions): Promise<void> {
  if (version !== null) {
    const off = new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'OFF' } })
    await s3Answer(() => client.send(off))
    await s3Answer(() => client.send(new DeleteObjectCommand(version)))
  }
  await s3Answer(() => client.send(new DeleteBucketCommand({ Bucket: options.bucket })))
  options.onStep('hold lifted, version and bucket removed')
}

/** The code of a refusal; null: there was none. */
async function refusalOf(send: () => Promise<unknown>): Promise<string | null> {
  try {
    await s3Answer(send)
    return null
  } catch (error) {
    if (error instanceof ServerRefusedError) return error.code
    throw error
  }
}

function bodyOf(bucket: string): string {
  return `written by holdfast self-test into ${bucket}`
}
