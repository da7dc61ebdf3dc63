/** What a history is made of: plain data, relative to whatever state it meets, so that any part of a history is one too. */
import fc from 'fast-check'
import type { LegalHoldStatus, RetentionMode } from '../../src/lock/types.ts'
import { type BucketRole, bucketRoles } from './model-bucket.ts'
import { type PolicyName, policyNames, type Who, whos } from './principals.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/**
 * One version: `current`, `null` and `bogus` of this key, the others of any key, where `index` counts among those that there
 * are. Without any, the id is one that nobody has.
 */
export type Pick = {
  readonly key: string
  readonly of: 'current' | 'any' | 'old' | 'null' | 'marker' | 'bogus'
  readonly index: number
}
/** `lock`: counted from the date that the version has, else from now. */
export type RetentionAsk = {
  readonly mode: RetentionMode
  readonly from: 'now' | 'lock'
  readonly offsetMs: number
}
export type LockAsk = { readonly retention: RetentionAsk | null; readonly hold: LegalHoldStatus | null }

export const entrances = ['header', 'presigned', 'chunked', 'form'] as const
export type Entrance = (typeof entrances)[number]
export type Size = 'small' | 'large'

type OnKey = { readonly bucket: BucketRole; readonly who: Who; readonly key: string }
type OnVersion = { readonly bucket: BucketRole; readonly who: Who; readonly pick: Pick }
type OnBucket = { readonly bucket: BucketRole; readonly who: Who }

export type PutCommand = OnKey & {
  readonly kind: 'put'
  readonly entrance: Entrance
  readonly size: Size
  readonly lock: LockAsk
}
export type CopyCommand = OnKey & {
  readonly kind: 'copy'
  readonly source: BucketRole
  readonly pick: Pick
  readonly lock: LockAsk
}
export type DeleteCommand = OnVersion & { readonly kind: 'delete'; readonly bypass: boolean }
export type DeleteManyCommand = OnBucket & {
  readonly kind: 'deleteMany'
  readonly picks: readonly Pick[]
  readonly bypass: boolean
}
export type RetentionCommand = OnVersion & {
  readonly kind: 'putRetention'
  /** null: the empty document. */
  readonly retention: RetentionAsk | null
  readonly bypass: boolean
}
export type ApplyCommand = {
  readonly kind: 'apply'
  readonly mode: RetentionMode
  readonly days: number
  readonly minimumDays: number | null
  readonly maximumDays: number | null
}
export type ClockCommand =
  | { readonly kind: 'advanceClock'; readonly durationMs: number }
  /** Wall clock alone, forward or back. */
  | { readonly kind: 'stepSystemClock'; readonly durationMs: number }
  /** To the date of a version, and so far beyond it. */
  | {
      readonly kind: 'advanceToExpiry'
      readonly bucket: BucketRole
      readonly pick: Pick
      readonly offsetMs: number
    }

export type ServerCommand = { readonly kind: 'restart' | 'kill9' | 'killWorker' }

export type Command =
  | PutCommand
  | CopyCommand
  | DeleteCommand
  | DeleteManyCommand
  | RetentionCommand
  | (OnVersion & { readonly kind: 'putHold'; readonly hold: LegalHoldStatus })
  | (OnVersion & { readonly kind: 'putTags' })
  | (OnVersion & { readonly kind: 'head' })
  | (OnKey & { readonly kind: 'createUpload'; readonly lock: LockAsk })
  /** `index` counts from the newest upload. */
  | {
      readonly kind: 'uploadPart' | 'completeUpload' | 'abortUpload'
      readonly who: Who
      readonly index: number
    }
  | (OnBucket & {
      readonly kind: 'putLock'
      readonly rule: { readonly mode: RetentionMode; readonly days: number } | null
    })
  | { readonly kind: 'freeze'; readonly who: Who }
  | (OnBucket & { readonly kind: 'putVersioning'; readonly status: 'Enabled' | 'Suspended' })
  | (OnBucket & { readonly kind: 'putPolicy'; readonly policy: PolicyName })
  | (OnBucket & { readonly kind: 'deletePolicy' })
  | (OnBucket & { readonly kind: 'deleteBucket' })
  | { readonly kind: 'createBucket'; readonly bucket: BucketRole; readonly lock: boolean }
  | {
      readonly kind: 'lifecycle'
      readonly bucket: BucketRole
      /** Time that passes before. */
      readonly afterDays: number
      readonly newerVersions: number | null
    }
  | ApplyCommand
  | ClockCommand
  | ServerCommand

const bucket = fc.oneof(
  { weight: 5, arbitrary: fc.constant<BucketRole>('locked') },
  ...bucketRoles.map((role) => ({ weight: 1, arbitrary: fc.constant(role) })),
)
const who = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Who>('owner', 'holder', 'writer', 'root') },
  { weight: 1, arbitrary: fc.constantFrom(...whos) },
)
/** For what only the account's owner may do: others try it, too. */
const administrator = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Who>('owner') },
  { weight: 1, arbitrary: fc.constantFrom(...whos) },
)
const key = fc.constantFrom('a', 'a', 'a', 'a', 'b', 'dir/', 'ü%2e')
const mode = fc.constantFrom<RetentionMode>('GOVERNANCE', 'COMPLIANCE')
const hold = fc.constantFrom<LegalHoldStatus>('ON', 'OFF')
const days = fc.integer({ min: 1, max: 3 })
const pick = fc.record<Pick>({
  key,
  of: fc.constantFrom('current', 'any', 'any', 'any', 'old', 'null', 'marker', 'bogus'),
  index: fc.nat(20),
})
const retention: fc.Arbitrary<RetentionAsk> = fc.oneof(
  fc.record<RetentionAsk>({
    mode,
    from: fc.constant('now'),
    offsetMs: fc.constantFrom(-hourMs, 2 * hourMs, 8 * hourMs, dayMs, 2 * dayMs, 5 * dayMs, 40 * dayMs),
  }),
  fc.record<RetentionAsk>({
    mode,
    from: fc.constant('lock'),
    offsetMs: fc.constantFrom(-hourMs, -1, 0, 1, hourMs),
  }),
)
const maybeRetention = fc.option(retention)
const lock = fc.record<LockAsk>({ retention: maybeRetention, hold: fc.option(hold, { freq: 2 }) })
const rule = fc.option(fc.record({ mode, days }))
const onKey = { bucket, who, key }
const onVersion = { bucket, who, pick }
const bypass = fc.boolean()

function of<const Kind extends Command['kind'], Fields extends object>(
  kind: Kind,
  fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
): fc.Arbitrary<{ kind: Kind } & Fields> {
  return fc.record({ kind: fc.constant(kind), ...fields }) as fc.Arbitrary<{ kind: Kind } & Fields>
}

const size = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Size>('small') },
  { weight: 1, arbitrary: fc.constant<Size>('large') },
)

export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 22, arbitrary: of('put', { ...onKey, entrance: fc.constantFrom(...entrances), size, lock }) },
  { weight: 5, arbitrary: of('copy', { ...onKey, source: bucket, pick, lock }) },
  { weight: 16, arbitrary: of('delete', { ...onVersion, bypass }) },
  {
    weight: 6,
    arbitrary: of('deleteMany', {
      bucket,
      who,
      picks: fc.array(pick, { minLength: 1, maxLength: 5 }),
      bypass,
    }),
  },
  { weight: 16, arbitrary: of('putRetention', { ...onVersion, retention: maybeRetention, bypass }) },
  { weight: 8, arbitrary: of('putHold', { ...onVersion, hold }) },
  { weight: 2, arbitrary: of('putTags', onVersion) },
  { weight: 4, arbitrary: of('head', onVersion) },
  { weight: 4, arbitrary: of('createUpload', { ...onKey, lock }) },
  { weight: 6, arbitrary: of('uploadPart', { who, index: fc.nat(2) }) },
  { weight: 4, arbitrary: of('completeUpload', { who, index: fc.nat(2) }) },
  { weight: 1, arbitrary: of('abortUpload', { who, index: fc.nat(2) }) },
  {
    weight: 5,
    arbitrary: of('putLock', {
      bucket,
      who: administrator,
      rule,
    }),
  },
  { weight: 2, arbitrary: of('freeze', { who: administrator }) },
  {
    weight: 3,
    arbitrary: of('putVersioning', {
      bucket: fc.oneof(fc.constant<BucketRole>('plain'), bucket),
      who: administrator,
      status: fc.constantFrom('Enabled', 'Suspended'),
    }),
  },
  {
    weight: 4,
    arbitrary: of('putPolicy', { bucket, who: administrator, policy: fc.constantFrom(...policyNames) }),
  },
  { weight: 2, arbitrary: of('deletePolicy', { bucket, who: administrator }) },
  { weight: 2, arbitrary: of('deleteBucket', { bucket, who: administrator }) },
  { weight: 1, arbitrary: of('createBucket', { bucket, lock: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: of('lifecycle', {
      bucket,
      afterDays: fc.constantFrom(0, 3, 3),
      newerVersions: fc.constantFrom(null, null, 1),
    }),
  },
  {
    weight: 4,
    arbitrary: of('apply', {
      mode,
      days,
      minimumDays: fc.constantFrom(null, 1, 2),
      maximumDays: fc.constantFrom(null, 30),
    }),
  },
  {
    weight: 4,
    arbitrary: of('advanceClock', {
      durationMs: fc.constantFrom(hourMs / 2, 3 * hourMs, 12 * hourMs, 30 * hourMs),
    }),
  },
  {
    weight: 4,
    arbitrary: of('advanceToExpiry', {
      bucket,
      pick,
      offsetMs: fc.constantFrom(-hourMs / 6, hourMs / 6),
    }),
  },
  {
    weight: 4,
    arbitrary: of('stepSystemClock', {
      durationMs: fc.constantFrom(-2 * dayMs, -hourMs, hourMs, dayMs, 5 * dayMs, 40 * dayMs),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Command>({ kind: 'restart' }, { kind: 'kill9' }, { kind: 'killWorker' }),
  },
)
