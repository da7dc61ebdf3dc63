/**
 * The shape of one S3 operation. `operations/index.ts` is THE TABLE; permission and body bound are required fields, so no
 * operation gets them by accident. Matching does not depend on the order of the table: the operation with
 * the most required query names and headers wins, and a test refuses ties.
 */
import type { Principal } from '../lib/identity.ts'
import type { Log } from '../lib/log.ts'
import type { ProfileName } from '../lib/profile.ts'
import type { BucketRecord } from '../store/records.ts'
import type { Actor, Store, TrustedNow } from '../store/store.ts'
import type { LockFacts } from './policy/facts.ts'
import type { Profile } from './profiles/profile.ts'

export type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS'
/** An AWS action name. */
export type Action = `s3:${string}`

/** A request after the edge has canonicalised it once. Nobody parses the target again. */
export type S3Request = {
  readonly requestId: string
  readonly method: Method
  /** null: the service level. */
  readonly bucket: string | null
  /** Decoded once, byte for byte the key that is authorised and stored; null: the bucket level. */
  readonly key: string | null
  /** Decoded names and values; a name without `=` has the value ''. */
  readonly query: URLSearchParams
  /** Lower-case names; repeated headers are joined with ', ' except where that is refused. */
  readonly headers: Readonly<Record<string, string>>
  /** Target of path-style addressing or of a virtual host: for Location and Resource elements. */
  readonly resource: string
  readonly secure: boolean
  readonly sourceIp: string
}

/** The decoded payload. Frames, signatures and trailers of aws-chunked are gone and verified. */
export type RequestBody = {
  /** Decoded length if the client declared it (Content-Length or x-amz-decoded-content-length). */
  readonly sizeBytes: number | null
  /**
   * Yields the payload once. Throws S3Error when the payload hash, a chunk or trailer signature or the declared length does
   * not hold, at the latest before it ends: whoever stages it discards the stage then.
   */
  readonly stream: () => AsyncIterable<Uint8Array>
  /**
   * Instead of `stream`, for a reader that counts a SHA-256 anyway; only where the request was signed with one. `verify` throws
   * what `stream` would have thrown at its end: nothing may refer to the bytes before it was called with the hash of them all.
   */
  readonly unhashed?: {
    readonly stream: () => AsyncIterable<Uint8Array>
    readonly verify: (sha256Hex: string) => void
  }
  /** Announced trailer names (x-amz-trailer), lower case: a checksum may come here. */
  readonly trailerNames: readonly string[]
  /** The trailers, lower-case names: valid only after `stream()` has ended. */
  readonly trailers: () => Readonly<Record<string, string>>
}

export type S3Response = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: null | string | Uint8Array | BodyStream
}

/** Bytes in order. What was sent may be given to `recycle`, and must not be touched again then: the memory is used anew. */
export type BodyStream = AsyncIterable<Uint8Array> & { readonly recycle?: (chunk: Uint8Array) => void }

export type ServerFacts = {
  readonly region: string
  /** e.g. http://127.0.0.1:9000 */
  readonly publicEndpoint: string
  readonly domain: string | null
  /** Of buckets that CreateBucket makes. */
  readonly defaultProfile: ProfileName
}

/** What an operation may use. `bucket` was read for authorization; a write re-reads it in its own transaction. */
export type OperationContext = {
  readonly store: Store
  readonly request: S3Request
  readonly principal: Principal
  readonly actor: Actor
  /** The addressed bucket; null only on the service level and for CreateBucket. */
  readonly bucket: BucketRecord | null
  readonly server: ServerFacts
  /** The dialect that this request is read and answered in: the bucket's, for the operator S3's own. */
  readonly profile: Profile
  readonly now: () => Promise<TrustedNow>
  /** The verdict of identity, statements and bucket policy for one action on one key; no side effect. */
  readonly may: (action: Action, key: string | null) => boolean
  /** The same for a bucket that the request does not address: the source of a copy. */
  readonly mayIn: (bucket: BucketRecord, action: Action, key: string | null) => Promise<boolean>
  /** Throws AccessDenied, after recording the denial, unless `may`. */
  readonly demand: (action: Action, key: string | null) => Promise<void>
  readonly log: Log
}

export type Match = {
  readonly method: Method
  readonly level: 'service' | 'bucket' | 'object'
  /** All of these must be in the query. */
  readonly query?: readonly string[]
  /** `name=value` pairs that must be in the query, e.g. list-type=2. */
  readonly queryValues?: Readonly<Record<string, string>>
  /** All of these headers must be there, e.g. x-amz-copy-source. */
  readonly headers?: readonly string[]
}

/**
 * `document`: collected up to `bytesMax` and verified before parse. `stream`: handed over as it arrives. `form`: the file of a
 * form that proved itself, handed over as it arrives.
 */
export type BodyKind =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'document'
      readonly bytesMax: number
      /** Whose checksum an x-amz-checksum-* header is: the document's (when absent), or the object's (Complete). */
      readonly checksumOf?: 'document' | 'object'
    }
  | { readonly kind: 'stream'; readonly bytesMax: number }
  | { readonly kind: 'form'; readonly bytesMax: number }

export type ParseInput = {
  readonly request: S3Request
  readonly bucket: BucketRecord | null
  readonly profile: Profile
  readonly document: string
}

export type Operation<Input = unknown> = {
  /** The AWS name; also the file's and the export's. */
  readonly name: string
  readonly match: Match
  readonly permission: Action
  /** Demanded instead of `permission` when the query has a versionId: AWS names those actions apart. */
  readonly versionPermission?: Action
  /**
   * 'request' (when absent): `permission` is demanded before the body is read. 'key': the document names the
   * keys and `handle` demands it for each of them (DeleteObjects).
   */
  readonly permissionScope?: 'request' | 'key'
  readonly body: BodyKind
  /** Throws S3Error only. Runs after authentication, the base permission and the read of a document. */
  readonly parse: (input: ParseInput) => Input
  /**
   * The lock that this input asks for, which conditions of bucket policies judge; called only where there is a policy, before
   * `morePermissions`. Left out: the operation sets no lock.
   */
  readonly lockFacts?: (input: Input, context: OperationContext) => LockFacts | Promise<LockFacts>
  /** What this input needs beyond `permission`; all are demanded before `handle`. */
  readonly morePermissions?: (input: Input, request: S3Request) => readonly Action[]
  readonly handle: (context: OperationContext, input: Input, body: RequestBody) => Promise<S3Response>
}

/** Ties Input of parse and handle together and forgets it for the table. */
export function defineOperation<Input>(operation: Operation<Input>): Operation {
  return operation as Operation
}
