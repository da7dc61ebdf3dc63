/**
 * The shape of one operation of the admin API: JSON over its own port, signed like S3 (SigV4, service `holdfast`).
 * It says what S3 has no words for; evidence of enforcement comes through S3.
 */
import type { Principal, PrincipalKind } from '../lib/identity.ts'
import type { Actor, Store } from '../store/store.ts'

export type AdminFacts = { readonly region: string; readonly s3Endpoint: string; readonly version: string }

export type AdminContext = {
  readonly store: Store
  readonly principal: Principal
  readonly actor: Actor
  readonly facts: AdminFacts
  /** Whether an access key of this id is one that is not stored. */
  readonly isReserved: (accessKeyId: string) => boolean
  /** The last segment of the path where the template has `{name}`. */
  readonly pathName: string
  readonly query: URLSearchParams
  /** x-holdfast-epoch, or null when it was not sent. */
  readonly epoch: number | null
}

export type AdminAnswer = { readonly status: number; readonly document: object }

export type AdminOperation = {
  readonly name: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** e.g. /v1/buckets/{name}: at most one parameter, at the end. */
  readonly path: string
  readonly principals: readonly PrincipalKind[]
  readonly handle: (context: AdminContext, body: string) => Promise<AdminAnswer>
}

/** Errors that a client may see: HTTP status, code, sentence. */
export class AdminError extends Error {
  override readonly name = 'AdminError'
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}
