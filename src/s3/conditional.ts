/** Conditional reads (RFC 9110 section 13, in S3's order), and the two conditions of writes. */
import type { EpochMs } from '../lib/units.ts'
import type { Precondition } from '../store/store.ts'
import { parseHttpDate, parseIsoDate } from './dates.ts'
import { headerNotImplemented } from './object-description.ts'

type Headers = Readonly<Record<string, string>>

/** What the conditions are about. */
export type Validators = { readonly etag: string; readonly lastModifiedMs: EpochMs }

/** The names of the four headers: plain, or those of a copy's source. */
export type ConditionNames = {
  readonly match: string
  readonly noneMatch: string
  readonly modifiedSince: string
  readonly unmodifiedSince: string
}

export const readConditions: ConditionNames = {
  match: 'if-match',
  noneMatch: 'if-none-match',
  modifiedSince: 'if-modified-since',
  unmodifiedSince: 'if-unmodified-since',
}

export const copySourceConditions: ConditionNames = {
  match: 'x-amz-copy-source-if-match',
  noneMatch: 'x-amz-copy-source-if-none-match',
  modifiedSince: 'x-amz-copy-source-if-modified-since',
  unmodifiedSince: 'x-amz-copy-source-if-unmodified-since',
}

export type ConditionResult =
  | { readonly kind: 'met' }
  | { readonly kind: 'notModified'; readonly condition: string }
  | { readonly kind: 'failed'; readonly condition: string }

/**
 * If-Match decides over If-Unmodified-Since, If-None-Match over If-Modified-Since. A date that is none is ignored. Dates are
 * compared in the whole seconds that Last-Modified has.
 */
export function judgeConditions(
  headers: Headers,
  names: ConditionNames,
  validators: Validators,
): ConditionResult {
  const match = headers[names.match]
  const noneMatch = headers[names.noneMatch]
  if (match !== undefined) {
    if (!matchesEtag(match, validators.etag)) return { kind: 'failed', condition: conditionName(names.match) }
  } else if (isLater(validators, headers[names.unmodifiedSince]) === true) {
    return { kind: 'failed', condition: conditionName(names.unmodifiedSince) }
  }
  if (noneMatch !== undefined) {
    if (matchesEtag(noneMatch, validators.etag))
      return { kind: 'notModified', condition: conditionName(names.noneMatch) }
  } else if (isLater(validators, headers[names.modifiedSince]) === false) {
    return { kind: 'notModified', condition: conditionName(names.modifiedSince) }
  }
  return { kind: 'met' }
}

/** `if-none-match` as S3 writes it in the Condition element. */
function conditionName(name: string): string {
  if (name.startsWith('x-amz-')) return name
  return name.replace(/(^|-)([a-z])/g, (_whole, dash: string, letter: string) => dash + letter.toUpperCase())
}

function matchesEtag(value: string, etag: string): boolean {
  return value.split(',').some((each) => {
    const tag = unquotedEtag(each)
    return tag === '*' || tag === etag
  })
}

/** An ETag as it is compared: without quotes and weakness. */
export function unquotedEtag(value: string): string {
  return value
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1')
}

/** Whether the object is later than the date; null: there is no (readable) date. */
function isLater(validators: Validators, date: string | undefined): boolean | null {
  if (date === undefined) return null
  const dateMs = parseHttpDate(date) ?? parseIsoDate(date)
  if (dateMs === null) return null
  return Math.floor(validators.lastModifiedMs / 1000) > Math.floor(dateMs / 1000)
}

/** If-Range: whether the range still applies. A weak or foreign validator does not. */
export function rangeApplies(headers: Headers, validators: Validators): boolean {
  const value = headers['if-range']
  if (value === undefined) return true
  if (value.startsWith('"')) return unquotedEtag(value) === validators.etag
  const dateMs = parseHttpDate(value)
  if (dateMs !== null) return Math.floor(validators.lastModifiedMs / 1000) === Math.floor(dateMs / 1000)
  return value === validators.etag
}

/**
 * The conditions that S3 has for writes: If-None-Match: * and If-Match with an ETag. Any other condition is refused, because
 * ignoring it would write what the client did not want. Errors: NotImplemented naming the header.
 */
export function writePrecondition(headers: Headers): Precondition {
  const match = headers['if-match']
  const noneMatch = headers['if-none-match']
  if (headers['if-modified-since'] !== undefined) throw headerNotImplemented('If-Modified-Since')
  if (headers['if-unmodified-since'] !== undefined) throw headerNotImplemented('If-Unmodified-Since')
  if (noneMatch !== undefined && noneMatch.trim() !== '*') throw headerNotImplemented('If-None-Match')
  if (match !== undefined && (noneMatch !== undefined || /[*,]/.test(match)))
    throw headerNotImplemented('If-Match')
  return {
    ifMatch: match === undefined ? null : unquotedEtag(match),
    ifNoneMatch: noneMatch === undefined ? null : '*',
  }
}

/**
 * If-Match of a delete: an ETag without quotes, `*` for any object; null: none. It is about the current version, so S3 has none
 * with a version id. Errors: NotImplemented naming the header.
 */
export function deleteCondition(headers: Headers, versionId: string | null): string | null {
  const match = headers['if-match']
  if (match === undefined) return null
  const value = unquotedEtag(match)
  if (versionId !== null || value.includes(',')) throw headerNotImplemented('If-Match')
  return value
}

/** The header that a failed precondition of a write is about. */
export function preconditionName(precondition: Precondition): string {
  return precondition.ifMatch === null ? 'If-None-Match' : 'If-Match'
}
