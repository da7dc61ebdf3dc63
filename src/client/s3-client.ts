/**
 * The door to @aws-sdk/client-s3: the lock server as any S3 client sees it. The SDK is used, rather than our own requests, so
 * that evidence is what a user's tool would see. Any S3 client could replace it.
 */
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { ServerRefusedError, ServerUnreachableError } from './lock-server.ts'
import { agentsFor, type ServerTrust } from './trust.ts'

export type S3ClientOptions = {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly timeoutMs: number
  readonly trust: ServerTrust
}

export function openS3Client(options: S3ClientOptions): S3Client {
  const agents = agentsFor(options.trust)
  return new S3Client({
    endpoint: options.endpoint,
    region: options.region,
    credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey },
    forcePathStyle: true,
    // The caller decides when to try again.
    maxAttempts: 1,
    requestHandler: {
      requestTimeout: options.timeoutMs,
      connectionTimeout: options.timeoutMs,
      httpAgent: agents.plain,
      httpsAgent: agents.tls,
    },
  })
}

/** Errors: ServerUnreachableError, and ServerRefusedError with S3's code. */
export async function s3Answer<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send()
  } catch (error) {
    if (!(error instanceof S3ServiceException)) {
      const reason = error instanceof Error ? error.message : 'no reason'
      throw new ServerUnreachableError(`S3 did not answer: ${reason}`, { cause: error })
    }
    const status = error.$metadata.httpStatusCode ?? 0
    if (status >= 500 || status === 0) throw new ServerUnreachableError(error.message, { cause: error })
    throw new ServerRefusedError(status, error.name, error.message)
  }
}
