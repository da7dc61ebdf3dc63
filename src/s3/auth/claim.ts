import type { KeyObject } from 'node:crypto'
import { limits } from '../../lib/limits.ts'
import { type EpochMs, formatIso } from '../../lib/units.ts'
import type { QueryPairs } from '../../sigv4/canonical.ts'
import type { RequestHead } from '../route.ts'
import { S3Error } from '../s3-error.ts'
import type { Credential } from './credential.ts'
import type { PayloadMode } from './payload-mode.ts'

/** What a header or a query says about the signature, before any of it is believed. */
export type Claim = {
  readonly credential: Credential
  readonly signedHeaders: readonly string[]
  readonly signature: string
  /** `20130524T000000Z` */
  readonly amzDate: string
  /** What the client put in the place of the payload's hash. */
  readonly payloadHash: string
  /** The query as it was signed. */
  readonly query: QueryPairs
  /** The mode, given that the signature holds. */
  readonly payload: (key: KeyObject) => PayloadMode
  readonly head: RequestHead
}

/** Errors: RequestTimeTooSkewed beyond 15 minutes either way. */
export function checkSkew(timeMs: EpochMs, amzDate: string, wallMs: EpochMs): void {
  if (Math.abs(wallMs - timeMs) <= limits.requestSkewMsMax) return
  throw new S3Error('RequestTimeTooSkewed', {
    extra: {
      RequestTime: amzDate,
      ServerTime: formatIso(wallMs),
      MaxAllowedSkewMilliseconds: String(limits.requestSkewMsMax),
    },
  })
}

export function unsupportedMechanism(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  })
}

export function headersNotSigned(names: readonly string[]): S3Error {
  return new S3Error('AccessDenied', {
    message: 'There were headers present in the request which were not signed',
    extra: { HeadersNotSigned: [...names].sort().join(', ') },
  })
}
