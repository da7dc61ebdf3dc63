import type { DenyReason } from '../lock/types.ts'
import { type S3ErrorCode, s3Errors } from './errors.ts'

/** Elements beyond Code and Message, in the order given, e.g. ArgumentName and ArgumentValue. */
export type S3ErrorExtra = Readonly<Record<string, string>>

/** What made the error, where its code does not tell: profiles word these apart. */
export type ErrorSituation = DenyReason | 'BucketLockMissing' | 'DateNotInFuture' | 'ExistingBucket'

export type S3ErrorOptions = {
  /** The table's if left out. */
  readonly status?: number
  /** The table's sentence if left out. */
  readonly message?: string
  readonly extra?: S3ErrorExtra
  /** Headers of the answer, e.g. Allow or x-amz-delete-marker. */
  readonly headers?: Readonly<Record<string, string>>
  readonly situation?: ErrorSituation
  readonly cause?: unknown
}

/** The detail as it goes into the answer: S3's sentence and elements. Never a secret. */
export type S3ErrorDetail = {
  readonly status: number
  readonly message: string
  readonly extra: S3ErrorExtra
  readonly headers: Readonly<Record<string, string>>
}

/**
 * An expected failure: a row of the error table with its detail. Thrown anywhere in the S3 surface, caught in
 * one place (`server/pipeline.ts`).
 */
export class S3Error extends Error {
  override readonly name = 'S3Error'
  readonly code: S3ErrorCode
  readonly detail: S3ErrorDetail
  readonly situation: ErrorSituation | null

  constructor(code: S3ErrorCode, options: S3ErrorOptions = {}) {
    const row = s3Errors[code]
    const message = options.message ?? row.message
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.situation = options.situation ?? null
    this.detail = {
      status: options.status ?? row.status,
      message,
      extra: options.extra ?? {},
      headers: options.headers ?? {},
    }
  }
}

/** `InvalidArgument` with S3's two elements; the value is left out where the client sent none. */
export function invalidArgument(message: string, argumentName: string, argumentValue?: string): S3Error {
  const value = argumentValue === undefined ? {} : { ArgumentValue: argumentValue }
  return new S3Error('InvalidArgument', { message, extra: { ArgumentName: argumentName, ...value } })
}
