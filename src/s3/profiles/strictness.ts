/** What a profile refuses beyond S3, once the version is known. Refusals only: an allow is `src/lock`'s alone. */
import type { EpochMs } from '../../lib/units.ts'
import { activeRetention } from '../../lock/state.ts'
import type { ObjectLockState, Retention } from '../../lock/types.ts'
import { S3Error } from '../s3-error.ts'
import type { Profile, RetentionDialect } from './profile.ts'

type Metadata = Readonly<Record<string, string>>

/** Errors: InvalidRequest. `userMetadata` without prefix. */
export function refuseTimeToLive({ objects }: Profile, userMetadata: Metadata): void {
  const found = objects.timeToLive.find((name) => userMetadata[name] !== undefined)
  if (found === undefined) return
  throw new S3Error('InvalidRequest', {
    message: `An object has a time to live (x-amz-meta-${found}) or a lock, never both.`,
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

/** Why a profile refuses what S3 would let pass; null: it has nothing against it. */
export type Strictness = 'GovernanceChange' | 'EqualDate' | 'RemovalUnderRule'

export function judgeStrictness(dialect: RetentionDialect, change: RetentionChange): Strictness | null {
  const { state, next, nowMs } = change
  const current = state.kind === 'known' ? activeRetention(state, nowMs) : null
  if (current === null) return null
  if (dialect.governanceChange === 'bypass' && current.mode === 'GOVERNANCE' && change.bypass === 'none')
    return 'GovernanceChange'
  if (dialect.removalUnderRule === 'refused' && next === null && change.bucketRule === 'some')
    return 'RemovalUnderRule'
  if (dialect.equalDate === 'refused' && next?.retainUntilMs === current.retainUntilMs) return 'EqualDate'
  return null
}

/** Whether anything of the version has to be known before the store is asked. */
export function isStricter({ retention, objects }: Profile): boolean {
  return (
    retention.governanceChange !== 'asS3' ||
    retention.removalUnderRule !== 'asS3' ||
    retention.equalDate !== 'accepted' ||
    objects.timeToLive.length > 0
  )
}
