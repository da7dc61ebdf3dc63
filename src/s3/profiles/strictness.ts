/** What a profile refuses beyond S3. Refusals only: an allow is `src/lock`'s alone. */
import type { EpochMs } from '../../lib/units.ts'
import type { Denial } from '../../lock/rules.ts'
import { activeRetention } from '../../lock/state.ts'
import type { ObjectLockState, Retention } from '../../lock/types.ts'
import { S3Error } from '../s3-error.ts'
import { obsExpiresHeader } from './obs-headers.ts'
import type { Profile, RetentionDialect } from './profile.ts'

type Texts = Readonly<Record<string, string>>

/**
 * A version has a time to live or a lock. `userMetadata` is the version's, names without prefix. Errors: InvalidRequest.
 */
export function refuseTimeToLive({ objects }: Pick<Profile, 'objects'>, userMetadata: Texts): void {
  const found = objects.timeToLive.find((name) => userMetadata[name] !== undefined)
  if (found !== undefined) throw contradictsLock(`x-amz-meta-${found}`)
}

export type NewVersion = {
  readonly headers: Texts
  readonly userMetadata: Texts
  /** By headers or by the bucket's rule. */
  readonly lock: 'some' | 'none'
}

/**
 * The same for a version to be written, whose request may ask for it by header. Nothing is ever deleted by such a header
 * here, so that OBS's is refused even alone. Errors: InvalidRequest, NotImplemented.
 */
export function refuseTimeToLiveOfNew(profile: Profile, { headers, userMetadata, lock }: NewVersion): void {
  const isObsExpiring = headers[obsExpiresHeader] !== undefined
  if (lock === 'none') {
    if (!isObsExpiring) return
    throw new S3Error('NotImplemented', {
      message: 'A header you provided implies functionality that is not implemented',
      extra: { Header: obsExpiresHeader },
    })
  }
  if (isObsExpiring) throw contradictsLock(obsExpiresHeader)
  refuseTimeToLive(profile, userMetadata)
  // MinIO's clients write user metadata under this prefix, too.
  const alias = profile.objects.timeToLive.map((name) => `x-minio-meta-${name}`)
  const sent = alias.find((name) => headers[name] !== undefined)
  if (sent !== undefined) throw contradictsLock(sent)
}

function contradictsLock(name: string): S3Error {
  return new S3Error('InvalidRequest', {
    message: `An object has a time to live (${name}) or an Object Lock, never both.`,
  })
}

/** Parts are never locked, and the assembled object's lock is Create's. Errors: InvalidRequest. */
export function refuseLockHeadersOnParts({ objects }: Profile, headers: Texts): void {
  if (objects.lockHeadersOnParts === 'ignored') return
  const sent = Object.keys(headers).find((name) => name.startsWith('x-amz-object-lock-'))
  if (sent === undefined) return
  throw new S3Error('InvalidRequest', {
    message: `${sent} cannot be used when parts are uploaded or assembled.`,
  })
}

/** A change of one version's retention; `next: null` asks for its removal. */
export type RetentionChange = {
  readonly state: ObjectLockState
  readonly next: Retention | null
  readonly nowMs: EpochMs
  readonly bypass: 'granted' | 'none'
  readonly bucketRule: 'some' | 'none'
}

/** Why a profile refuses what S3 would let pass. */
export type Strictness = 'GovernanceChangeNeedsBypass' | 'EqualDate' | 'RemovalUnderRule'

/** null: nothing against it. */
export function judgeStrictness(dialect: RetentionDialect, change: RetentionChange): Strictness | null {
  const { state, next, nowMs } = change
  const current = state.kind === 'known' ? activeRetention(state, nowMs) : null
  if (current === null) return null
  const isUnbypassed = current.mode === 'GOVERNANCE' && change.bypass === 'none'
  if (dialect.governanceChange === 'bypass' && isUnbypassed) return 'GovernanceChangeNeedsBypass'
  const isRemovalUnderRule = next === null && change.bucketRule === 'some'
  if (dialect.removalUnderRule === 'refused' && isRemovalUnderRule) return 'RemovalUnderRule'
  if (dialect.equalDate === 'refused' && next?.retainUntilMs === current.retainUntilMs) return 'EqualDate'
  return null
}

/** As the store answers and records it: the rule is the profile's, the reason the lock's that it is stricter about. */
export function strictnessDenial(strictness: Strictness): Denial {
  const reason = strictness === 'EqualDate' ? 'ComplianceRetention' : 'GovernanceRetention'
  return { kind: 'deny', rule: ruleOf(strictness), reason, untilMs: null }
}

/** The sentence of a denial that S3 has none for; null: S3's own. */
export function strictnessError({ rule }: Denial): S3Error | null {
  if (rule !== ruleOf('RemovalUnderRule')) return null
  return new S3Error('AccessDenied', {
    message: 'Access Denied because this bucket has a default retention: no version is without one.',
  })
}

function ruleOf(strictness: Strictness): string {
  return `Profile${strictness}`
}
