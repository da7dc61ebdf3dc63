/** What random tests of the lock draw from; dates cluster around `now` so that boundaries are met often. */
import fc from 'fast-check'
import { type EpochMs, epochMs, epochMsMax } from '../../src/lib/units.ts'
import type {
  BucketRetention,
  LegalHoldStatus,
  LockContext,
  LockRequest,
  ObjectLockState,
  PrefixRule,
  Retention,
  RetentionMode,
  RetentionPeriod,
} from '../../src/lock/types.ts'
import { at, day } from './decision-words.ts'

export const anyMode: fc.Arbitrary<RetentionMode> = fc.constantFrom('GOVERNANCE', 'COMPLIANCE')
export const anyHold: fc.Arbitrary<LegalHoldStatus> = fc.constantFrom('ON', 'OFF')

/** From 1970 to the end of year 9999, leap days often. */
export const anyStart: fc.Arbitrary<EpochMs> = fc.oneof(
  fc.integer({ min: 0, max: epochMsMax }).map(epochMs),
  fc
    .record({ year: fc.integer({ min: 1972, max: 9996 }), ms: fc.integer({ min: -day, max: 2 * day }) })
    .map(({ year, ms }) => epochMs(Date.UTC(year, 1, 29) + ms)),
)

const anyDays = fc.integer({ min: 1, max: 36_500 }).map((count): RetentionPeriod => ({ unit: 'DAYS', count }))
const anyYears = fc.integer({ min: 1, max: 100 }).map((count): RetentionPeriod => ({ unit: 'YEARS', count }))
/** Days around a whole number of years, where the conversions decide. */
const anyDaysNearYears = fc
  .record({
    years: fc.integer({ min: 1, max: 99 }),
    perYear: fc.constantFrom(365, 366),
    off: fc.integer({ min: -2, max: 2 }),
  })
  .map(({ years, perYear, off }): RetentionPeriod => ({ unit: 'DAYS', count: years * perYear + off }))
export const anyPeriod: fc.Arbitrary<RetentionPeriod> = fc.oneof(anyDays, anyYears, anyDaysNearYears)

/** Few values, so that two draws often meet. */
export const smallPeriod: fc.Arbitrary<RetentionPeriod> = fc.oneof(
  fc.constantFrom(1, 2, 3, 364, 365, 366, 367).map((count): RetentionPeriod => ({ unit: 'DAYS', count })),
  fc.constantFrom(1, 2).map((count): RetentionPeriod => ({ unit: 'YEARS', count })),
)

/** Offsets from now that meet each other often. */
export const anyDate: fc.Arbitrary<EpochMs> = fc
  .oneof(
    fc.constantFrom(-day, -1, 0, 1, day - 1, day, day + 1, 10 * day),
    fc.integer({ min: -5 * day, max: 400 * day }),
  )
  .map(at)

export const anyRetention: fc.Arbitrary<Retention> = fc.record({ mode: anyMode, retainUntilMs: anyDate })

export const knownState: fc.Arbitrary<ObjectLockState & { kind: 'known' }> = fc.record({
  kind: fc.constant('known' as const),
  retention: fc.option(anyRetention),
  legalHold: fc.option(anyHold),
})

export const anyState: fc.Arbitrary<ObjectLockState> = fc.oneof(
  { weight: 9, arbitrary: knownState },
  { weight: 1, arbitrary: fc.constant<ObjectLockState>({ kind: 'unknown', cause: 'unreadable' }) },
)

export const anyRequest: fc.Arbitrary<LockRequest> = fc.oneof(
  fc.record({
    kind: fc.constant('DeleteObjectVersion' as const),
    isDeleteMarker: fc.boolean(),
    bypassGovernance: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('PutObjectRetention' as const),
    next: fc.option(anyRetention),
    bypassGovernance: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('PutObjectLegalHold' as const), next: anyHold }),
)

export const anyContext: fc.Arbitrary<LockContext> = fc.record({
  nowMs: fc.constantFrom(-1, 0, 1, day, 30 * day).map(at),
  requestMs: fc.constantFrom(0, 1, day, 31 * day).map(at),
  bucketLock: fc.constantFrom('Enabled' as const, 'Frozen' as const),
  policyMode: fc.option(anyMode),
  bounds: fc.record({ minimum: fc.option(smallPeriod), maximum: fc.option(smallPeriod) }),
})

/** No bounds and no freeze: plain S3. */
export const plainContext: fc.Arbitrary<LockContext> = anyContext.map((context) => ({
  ...context,
  bucketLock: 'Enabled' as const,
  bounds: { minimum: null, maximum: null },
}))

const prefixes = ['', 'a', 'ab', 'abc', 'b', 'b/', 'é', 'éa', '😀', '😀b']
/** Keys that the prefixes begin, and some that none does. */
export const sampleKeys = [
  ...prefixes,
  'x',
  'ax',
  'abx',
  'abcx',
  'bx',
  'b/x',
  'éx',
  'éax',
  '😀x',
  '😀bx',
  'e',
  '😁',
].filter((key) => key !== '')

function bucketRetentionOf(period: fc.Arbitrary<RetentionPeriod>): fc.Arbitrary<BucketRetention> {
  const rule: fc.Arbitrary<PrefixRule> = fc.record({ prefix: fc.constantFrom(...prefixes), period })
  return fc.record({
    defaultRetention: fc.option(fc.record({ mode: anyMode, period }), { freq: 8 }),
    prefixRules: fc.uniqueArray(rule, { selector: (each) => each.prefix, maxLength: 5 }),
  })
}

export const anyBucketRetention = bucketRetentionOf(smallPeriod)
/** Days only: comparison is exact, not only provable. */
export const daysBucketRetention = bucketRetentionOf(
  fc.integer({ min: 1, max: 4 }).map((count): RetentionPeriod => ({ unit: 'DAYS', count })),
)
