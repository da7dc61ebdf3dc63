/** One case of the permissions: a request that is granted with exactly what it needs and denied without any of it. */
import type { Action } from '../../../src/s3/operation.ts'
import type { Bench, TestKey } from '../../support/conformance.ts'
import type { Answer, SendOptions } from '../../support/s3-client.ts'

export type Prepared = {
  /** The addressed bucket: where a policy has its say. */
  readonly bucket: string
  readonly request: (key: TestKey) => SendOptions
}

export type PermissionCase = {
  readonly name: string
  readonly operation: string
  readonly needs: readonly Action[]
  /** What is answered when it is granted. */
  readonly granted: readonly number[]
  /** Made by the owner before each attempt that is granted. */
  readonly prepare: (stage: Stage) => Promise<Prepared>
  /** `service`: no bucket, so no policy and no other account. */
  readonly level: 'bucket' | 'service'
  /** Whether an answer is a refusal of permission. */
  readonly isDenied: (answer: Answer) => boolean
}

/** A bucket with Object Lock of the case's own, and what its requests are made of. */
export type Stage = {
  readonly bench: Bench
  readonly owner: TestKey
  readonly bucket: string
  /** A new version of `key` and its id. */
  readonly put: (headers?: Readonly<Record<string, string>>) => Promise<string>
  readonly upload: () => Promise<string>
}

export type Request = Omit<SendOptions, 'path'> & { readonly path?: string }
export type Options = Partial<Pick<PermissionCase, 'granted' | 'level' | 'isDenied'>>
export type Make = (stage: Stage) => Promise<Request> | Request

/** `Operation` or `Operation: the form of it`. */
export function permissionCase(
  name: string,
  needs: readonly Action[],
  prepare: PermissionCase['prepare'],
  options: Options,
): PermissionCase {
  const operation = name.split(':')[0] ?? ''
  return { level: 'bucket', granted: [200, 204], isDenied, ...options, name, operation, needs, prepare }
}

export function isDenied(answer: Answer): boolean {
  // An answer to HEAD has no code.
  return answer.status === 403 && (answer.text === '' || answer.code === 'AccessDenied')
}

export function onBucket(
  name: string,
  needs: readonly Action[],
  make: Make,
  options: Options = {},
): PermissionCase {
  const prepare = async (stage: Stage): Promise<Prepared> => {
    const request = { path: `/${stage.bucket}`, ...(await make(stage)) }
    return { bucket: stage.bucket, request: (key) => ({ ...request, key }) }
  }
  return permissionCase(name, needs, prepare, options)
}

export function onKey(
  name: string,
  needs: readonly Action[],
  make: Make,
  options: Options = {},
): PermissionCase {
  const withPath: Make = async (stage) => ({ path: `/${stage.bucket}/key`, ...(await make(stage)) })
  return onBucket(name, needs, withPath, options)
}

export const retention = ({ bench }: Stage) => ({
  'x-amz-object-lock-mode': 'GOVERNANCE',
  'x-amz-object-lock-retain-until-date': bench.inDays(1),
})
export const hold = () => ({ 'x-amz-object-lock-legal-hold': 'ON' })
export const tags = () => ({ 'x-amz-tagging': 'a=1' })
