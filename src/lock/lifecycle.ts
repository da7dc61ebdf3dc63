/**
 * What a bucket's lifecycle rules ask for, decided for one key, newest version first: pure. It only proposes. Whatever it
 * proposes is judged again by `decide`, in the transaction that would do it, and nothing here knows of a bypass.
 *
 * S3 counts days from an instant and rounds up to the next midnight UTC. Where it is silent, the later date and the version
 * that stays were chosen (docs/decisions/0020).
 */
import { assert, unreachable } from '../lib/assert.ts'
import { dayMs, type EpochMs, epochMs, epochMsMax, laterOf } from '../lib/units.ts'
import { isLocked } from './state.ts'
import type { ObjectLockState } from './types.ts'

export type LifecycleTag = { readonly key: string; readonly value: string }

/** Which objects a rule is about; null and an empty list: any. */
export type LifecycleFilter = {
  /** How the client wrote it: a bare Prefix of old, one condition in Filter, or several in And. */
  readonly form: 'Prefix' | 'Filter' | 'And'
  readonly prefix: string | null
  readonly tags: readonly LifecycleTag[]
  /** Bytes, exclusive. */
  readonly sizeGreaterThan: number | null
  /** Bytes, exclusive. */
  readonly sizeLessThan: number | null
}

export type LifecycleExpiration =
  | { readonly kind: 'days'; readonly days: number }
  /** Midnight UTC. From then on it holds for every object, also those created later. */
  | { readonly kind: 'date'; readonly dateMs: EpochMs }
  | { readonly kind: 'expiredObjectDeleteMarker'; readonly isWanted: boolean }

export type LifecycleRule = {
  readonly id: string
  readonly status: 'Enabled' | 'Disabled'
  readonly filter: LifecycleFilter
  readonly expiration: LifecycleExpiration | null
  readonly noncurrentVersionExpiration: {
    readonly noncurrentDays: number
    /** So many of the newest noncurrent versions stay, whatever their age; null: none. */
    readonly newerNoncurrentVersions: number | null
  } | null
  readonly abortIncompleteMultipartUpload: { readonly daysAfterInitiation: number } | null
}

/** One version or delete marker as the rules see it. */
export type LifecycleVersion = {
  readonly versionId: string
  readonly isDeleteMarker: boolean
  readonly createdMs: EpochMs
  readonly sizeBytes: number
  readonly tags: Readonly<Record<string, string>>
  readonly lock: ObjectLockState
  /** True where nothing of the key is older. */
  readonly isOldest: boolean
}

/** What one key is judged in. */
export type LifecycleContext = {
  readonly rules: readonly LifecycleRule[]
  readonly key: string
  readonly versioning: 'Unversioned' | 'Enabled' | 'Suspended'
  /** Trusted time. */
  readonly nowMs: EpochMs
}

/** What is newer than the version that comes next, as far as the rules ask for it. */
export type NewerVersions = {
  /** When the version that comes next became noncurrent; null: it is the current one. */
  readonly successorCreatedMs: EpochMs | null
  /** Per rule, by its place in the list: the noncurrent versions that count for NewerNoncurrentVersions. */
  readonly counted: ReadonlyMap<number, readonly string[]>
}

export type LifecycleVerdict =
  | { readonly kind: 'keep' }
  /** A rule asks for it, and the lock stands against it: the next run asks again. */
  | { readonly kind: 'locked'; readonly ruleId: string }
  | {
      /** `expireCurrent`: S3's DELETE without version id. The other two remove exactly this version. */
      readonly kind: 'expireCurrent' | 'removeNoncurrent' | 'removeDeleteMarker'
      readonly ruleId: string
      readonly dueMs: EpochMs
      /** These must still be there, and noncurrent, when it is done. */
      readonly newerVersionIds: readonly string[]
    }

const keep: LifecycleVerdict = { kind: 'keep' }

/** Before the newest version of a key. */
export const nothingNewer: NewerVersions = { successorCreatedMs: null, counted: new Map() }

/** Versions of a key come in order, the newest first, each with what `passVersion` made of those before. */
export function judgeVersion(
  context: LifecycleContext,
  newer: NewerVersions,
  version: LifecycleVersion,
): LifecycleVerdict {
  const wanted =
    newer.successorCreatedMs === null
      ? wantedOfCurrent(context, version)
      : wantedOfNoncurrent(context, newer, version)
  if (wanted.kind === 'keep' || wanted.kind === 'locked') return wanted
  return isProtected(context, wanted.kind, version) ? { kind: 'locked', ruleId: wanted.ruleId } : wanted
}

export function passVersion(
  context: LifecycleContext,
  newer: NewerVersions,
  version: LifecycleVersion,
): NewerVersions {
  const { createdMs, versionId, isDeleteMarker } = version
  if (newer.successorCreatedMs === null || isDeleteMarker) return { ...newer, successorCreatedMs: createdMs }
  const counted = new Map(newer.counted)
  for (const [index, rule] of context.rules.entries()) {
    const known = counted.get(index) ?? []
    const newerMax = rule.noncurrentVersionExpiration?.newerNoncurrentVersions ?? 0
    if (known.length < newerMax && appliesTo(rule, context.key, version)) {
      counted.set(index, [...known, versionId])
    }
  }
  return { successorCreatedMs: createdMs, counted }
}

/** The rule by which an upload of the key is to be aborted now; null: none. */
export function uploadToAbort(
  context: Pick<LifecycleContext, 'rules' | 'key' | 'nowMs'>,
  createdMs: EpochMs,
): string | null {
  const found = context.rules.find(({ status, filter, abortIncompleteMultipartUpload: abort }) => {
    if (status !== 'Enabled' || abort === null || !coversKey(filter, context.key)) return false
    return isDue(dueAfter(createdMs, abort.daysAfterInitiation), context.nowMs)
  })
  return found?.id ?? null
}

/** Whether a rule has anything to do with this version: its status, and all conditions of its filter. */
export function appliesTo(
  rule: Pick<LifecycleRule, 'status' | 'filter'>,
  key: string,
  version: Pick<LifecycleVersion, 'isDeleteMarker' | 'sizeBytes' | 'tags'>,
): boolean {
  const { filter } = rule
  if (rule.status !== 'Enabled' || !coversKey(filter, key)) return false
  const { tags, sizeGreaterThan, sizeLessThan } = filter
  // A delete marker has neither tags nor a size: conditions on them are not about it.
  if (version.isDeleteMarker) return tags.length === 0 && sizeGreaterThan === null && sizeLessThan === null
  if (sizeGreaterThan !== null && !(version.sizeBytes > sizeGreaterThan)) return false
  if (sizeLessThan !== null && !(version.sizeBytes < sizeLessThan)) return false
  return tags.every(
    ({ key: name, value }) => Object.hasOwn(version.tags, name) && version.tags[name] === value,
  )
}

function coversKey({ prefix }: LifecycleFilter, key: string): boolean {
  return prefix === null || key.startsWith(prefix)
}

function wantedOfCurrent(context: LifecycleContext, version: LifecycleVersion): LifecycleVerdict {
  if (version.isDeleteMarker && !version.isOldest) return keep
  for (const rule of context.rules) {
    if (rule.expiration === null || !appliesTo(rule, context.key, version)) continue
    const dueMs = dueOfCurrent(rule.expiration, version)
    if (!isDue(dueMs, context.nowMs)) continue
    const kind = version.isDeleteMarker ? 'removeDeleteMarker' : 'expireCurrent'
    return { kind, ruleId: rule.id, dueMs: epochMs(dueMs), newerVersionIds: [] }
  }
  return keep
}

/** Infinity: never. S3 clears away a delete marker that is all of its key by each kind of Expiration. */
function dueOfCurrent(expiration: LifecycleExpiration, version: LifecycleVersion): number {
  switch (expiration.kind) {
    case 'days':
      return dueAfter(version.createdMs, expiration.days)
    case 'date':
      return expiration.dateMs
    case 'expiredObjectDeleteMarker':
      return expiration.isWanted && version.isDeleteMarker ? version.createdMs : Number.POSITIVE_INFINITY
    default:
      return unreachable(expiration, 'an Expiration has one of three kinds')
  }
}

/** Of its age alone: when the rule asks for a version that this successor made noncurrent. Infinity: never. */
export function dueOfNoncurrent(
  { noncurrentVersionExpiration: expiration }: LifecycleRule,
  createdMs: EpochMs,
  successorCreatedMs: EpochMs,
): number {
  if (expiration === null) return Number.POSITIVE_INFINITY
  // Of a clock that was set back: nothing was noncurrent before it was there.
  return dueAfter(laterOf(successorCreatedMs, createdMs), expiration.noncurrentDays)
}

function wantedOfNoncurrent(
  context: LifecycleContext,
  newer: NewerVersions,
  version: LifecycleVersion,
): LifecycleVerdict {
  const { successorCreatedMs, counted } = newer
  assert(successorCreatedMs !== null, 'a noncurrent version has a successor')
  for (const [index, rule] of context.rules.entries()) {
    const expiration = rule.noncurrentVersionExpiration
    if (expiration === null || !appliesTo(rule, context.key, version)) continue
    const newerVersionIds = counted.get(index) ?? []
    if (newerVersionIds.length < (expiration.newerNoncurrentVersions ?? 0)) continue
    const dueMs = dueOfNoncurrent(rule, version.createdMs, successorCreatedMs)
    if (!isDue(dueMs, context.nowMs)) continue
    return { kind: 'removeNoncurrent', ruleId: rule.id, dueMs: epochMs(dueMs), newerVersionIds }
  }
  return keep
}

/** With versioning Enabled an expired current version stays, under a delete marker: its lock is not touched. */
function isProtected(
  { versioning, nowMs }: LifecycleContext,
  kind: 'expireCurrent' | 'removeNoncurrent' | 'removeDeleteMarker',
  { lock, isDeleteMarker }: LifecycleVersion,
): boolean {
  if (kind === 'expireCurrent' && versioning === 'Enabled') return false
  return isDeleteMarker ? lock.kind === 'unknown' : isLocked(lock, nowMs)
}

/** The midnight UTC after the days have passed; at a midnight the next one, so that no full day is missing. */
function dueAfter(fromMs: EpochMs, days: number): number {
  return (Math.floor(fromMs / dayMs) + days + 1) * dayMs
}

/** Written so that what is not a number is not due. */
function isDue(dueMs: number, nowMs: EpochMs): boolean {
  return dueMs <= epochMsMax && nowMs >= dueMs
}
