/**
 * The x-amz-object-lock-* headers of PutObject, CopyObject and CreateMultipartUpload (semantics 1.2). One function reads them
 * and one judges them, so that every entrance gives the same stored lock (I7).
 */
import type { EpochMs } from '../lib/units.ts'
import type { LegalHoldStatus } from '../lock/types.ts'
import type { BucketRecord } from '../store/records.ts'
import type { ExplicitLock } from '../store/store.ts'
import { parseHeaderDate } from './dates.ts'
import { demandLegalHolds, readMode, readStatus } from './lock-words.ts'
import type { Action, ParseInput } from './operation.ts'
import type { LockWords, Profile } from './profiles/profile.ts'
import { invalidArgument, S3Error } from './s3-error.ts'
import { hasChecksum, wantedChecksum } from './wanted-checksum.ts'

const modeHeader = 'x-amz-object-lock-mode'
const dateHeader = 'x-amz-object-lock-retain-until-date'
const holdHeader = 'x-amz-object-lock-legal-hold'

/** The headers as far as they can be judged without a clock and a bucket. */
export type LockHeaders = ExplicitLock & {
  /** Any lock header was sent, `legal-hold: OFF` too. */
  readonly sent: boolean
  /** The date as the client wrote it, for the error that names it. */
  readonly retainUntilText: string | null
}

/** Errors, in S3's order: E9 (one without the other), E10 (mode), E12 (date), E13 (hold); NotImplemented by the profile. */
export function parseLockHeaders(
  headers: Readonly<Record<string, string>>,
  { words }: Pick<Profile, 'words'>,
): LockHeaders {
  const mode = headers[modeHeader]
  const date = headers[dateHeader]
  const hold = headers[holdHeader]
  const retention = retentionOf(mode, date, words)
  return {
    sent: mode !== undefined || date !== undefined || hold !== undefined,
    retention,
    legalHold: hold === undefined ? null : parseHold(hold, words),
    retainUntilText: date ?? null,
  }
}

function retentionOf(
  mode: string | undefined,
  date: string | undefined,
  words: LockWords,
): ExplicitLock['retention'] {
  if (mode === undefined && date === undefined) return null
  if (mode === undefined || date === undefined) {
    const message = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
    throw invalidArgument(message, mode === undefined ? modeHeader : dateHeader)
  }
  const known = readMode(mode, words.headerLetters, words)
  if (known === null) throw invalidArgument('Unknown wormMode directive.', modeHeader, mode)
  const retainUntilMs = parseHeaderDate(date)
  if (retainUntilMs === null) {
    throw invalidArgument('The retain until date must be provided in ISO 8601 format', dateHeader, date)
  }
  return { mode: known, retainUntilMs }
}

function parseHold(value: string, words: LockWords): LegalHoldStatus {
  demandLegalHolds(words)
  const status = readStatus(value, words.headerLetters)
  if (status === null) throw invalidArgument("Legal Hold must be either of 'ON' or 'OFF'", holdHeader, value)
  return status
}

/** What setting a lock by header needs beyond the right to write (B-36). */
export function lockHeaderPermissions(lock: LockHeaders): readonly Action[] {
  const actions: Action[] = []
  if (lock.retention !== null) actions.push('s3:PutObjectRetention')
  if (lock.legalHold !== null) actions.push('s3:PutObjectLegalHold')
  return actions
}

/**
 * The rest of the judgement. `requestMs` is max(trusted, wall). Errors: E11 (date not in the future), then E5 (bucket without
 * Object Lock). The policy's bounds are judged by the store, in the transaction of the write.
 */
export function judgeLockHeaders(lock: LockHeaders, bucket: BucketRecord, requestMs: EpochMs): ExplicitLock {
  if (lock.retention !== null && lock.retention.retainUntilMs <= requestMs) {
    throw dateNotInFuture(dateHeader, lock.retainUntilText ?? '')
  }
  if (lock.sent && bucket.objectLock === null) throw bucketLockMissingForHeaders()
  return { retention: lock.retention, legalHold: lock.legalHold }
}

/** E11. `argumentName` is the header, or `RetainUntilDate` for a document. */
export function dateNotInFuture(argumentName: string, argumentValue: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: 'The retain until date must be in the future!',
    extra: { ArgumentName: argumentName, ArgumentValue: argumentValue },
    situation: 'DateNotInFuture',
  })
}

/** E5: lock headers. The sub-resources say it with one space more (E4). */
export function bucketLockMissingForHeaders(): S3Error {
  return new S3Error('InvalidRequest', { message: 'Bucket is missing ObjectLockConfiguration' })
}

/** A new version in this bucket, written without lock headers, is stamped by a default rule. */
export function hasDefaultRule(bucket: BucketRecord): boolean {
  if (bucket.objectLock?.status !== 'Enabled') return false
  const { retention } = bucket.objectLock
  return retention.defaultRetention !== null || retention.prefixRules.length > 0
}

/** A new version with these headers is locked, by them or by the bucket's rule. */
export function getsLocked({ retention, legalHold }: ExplicitLock, bucket: BucketRecord): 'some' | 'none' {
  return retention !== null || legalHold === 'ON' || hasDefaultRule(bucket) ? 'some' : 'none'
}

export type ChecksumDemand = {
  readonly bucket: BucketRecord
  readonly profile: Profile
  readonly lockHeaders: 'sent' | 'none'
  readonly checksum: 'sent' | 'none'
  readonly subject: 'Put Object' | 'Put Part'
}

/** E16: bytes that get locked must come with a checksum of the client's, where the bucket asks for it. */
export function demandChecksum(demand: ChecksumDemand): void {
  const { bucket, subject } = demand
  if (!bucket.requireChecksum || demand.checksum === 'sent') return
  const { scope } = demand.profile.checksums
  if (scope === 'lockConfiguration') return
  if (scope === 'objectsUnderRule' && (subject === 'Put Part' || !hasDefaultRule(bucket))) return
  if (demand.lockHeaders === 'none' && !hasDefaultRule(bucket)) return
  throw new S3Error('InvalidRequest', {
    message: `Content-MD5 OR x-amz-checksum- HTTP header is required for ${subject} requests with Object Lock parameters`,
  })
}

export type DocumentDemand = Pick<ParseInput, 'bucket' | 'profile'> & {
  readonly request: { readonly headers: Readonly<Record<string, string>> }
}

/** E17: the documents that change locks, and DeleteObjects, where the bucket asks for it. */
export function demandDocumentChecksum(
  { request: { headers }, bucket, profile }: DocumentDemand,
  document: 'lockConfiguration' | 'other',
): void {
  if (bucket !== null && !bucket.requireChecksum) return
  const { scope } = profile.checksums
  if (scope === 'objectsUnderRule' || (scope === 'lockConfiguration' && document === 'other')) return
  const trailerNames = (headers['x-amz-trailer'] ?? '').split(',').map((name) => name.trim().toLowerCase())
  if (hasChecksum(wantedChecksum(headers, trailerNames))) return
  throw new S3Error('InvalidRequest', {
    message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
  })
}

/** The header asks for the bypass; whether it is granted is the permission's and the verdict's business. */
export function asksBypassGovernance(headers: Readonly<Record<string, string>>): boolean {
  return headers['x-amz-bypass-governance-retention']?.toLowerCase() === 'true'
}
