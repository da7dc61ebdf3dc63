/** The AWS SDK for JavaScript against a test server, and what it put on the wire. */
import { createHash } from 'node:crypto'
import { S3, type S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3'
import { afterAll } from 'vitest'
import type { TestServer } from '../server.ts'

export type SentRequest = {
  readonly method: string
  readonly hostname: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export type Sdk = {
  readonly s3: () => S3
  /** The last request as it was signed. */
  readonly sent: () => SentRequest
}

/** One client for a test file, made at its first use and closed after the tests. One attempt each: no hidden retries. */
export function sdkClient(server: () => TestServer, more: () => S3ClientConfig = () => ({})): Sdk {
  let client: S3 | null = null
  let last: SentRequest | null = null
  const make = (): S3 => {
    const { endpoint, region, credentials } = server()
    const s3 = new S3({
      endpoint,
      region,
      credentials: { ...credentials },
      forcePathStyle: true,
      maxAttempts: 1,
      ...more(),
    })
    s3.middlewareStack.add(
      (next) => (args) => {
        last = args.request as SentRequest
        return next(args)
      },
      { name: 'rememberRequest', step: 'deserialize', priority: 'low' },
    )
    return s3
  }
  afterAll(() => client?.destroy())
  return {
    s3: () => {
      client ??= make()
      return client
    },
    sent: () => {
      if (last === null) throw new Error('nothing was sent')
      return last
    },
  }
}

/** Status, code and message of the error that the service must answer. */
export async function refusedBy(call: Promise<unknown>): Promise<readonly [number, string, string]> {
  try {
    await call
  } catch (error) {
    if (error instanceof S3ServiceException)
      return [error.$metadata.httpStatusCode ?? 0, error.name, error.message]
    throw error
  }
  throw new Error('the call was not refused')
}

/** The body of an answer, and its SHA-256 without keeping it. */
export async function bytesOf(answer: { Body?: unknown }): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of answer.Body as AsyncIterable<Uint8Array>) pieces.push(piece)
  return Buffer.concat(pieces)
}

export async function sha256Of(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** A version id that must be there. */
export function idOf(answer: { VersionId?: string | undefined }): string {
  if (answer.VersionId === undefined) throw new Error('the answer has no version id')
  return answer.VersionId
}

/** As a program that has the Secret of a BucketAccess as its environment. The caller destroys it. */
export function clientOfEnvironment(variables: Readonly<Record<string, string>>): S3 {
  const variable = (name: string): string => variables[name] ?? ''
  return new S3({
    endpoint: variable('AWS_ENDPOINT_URL_S3'),
    region: variable('AWS_REGION'),
    credentials: {
      accessKeyId: variable('AWS_ACCESS_KEY_ID'),
      secretAccessKey: variable('AWS_SECRET_ACCESS_KEY'),
    },
    forcePathStyle: variable('COSI_S3_ADDRESSING_STYLE') === 'path',
    maxAttempts: 1,
  })
}
