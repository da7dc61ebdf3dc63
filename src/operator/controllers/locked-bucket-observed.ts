/** What the server shows of a LockedBucket's bucket beside what is asked: ObjectLockEnforced and Drifted. Pure. */
import { formatRetention } from '../../api/periods.ts'
import type { BucketFactsAnswer, ObservedObjectLock } from '../../client/lock-server.ts'
import type { BucketRetention } from '../../lock/types.ts'
import type { WantedCondition } from '../conditions.ts'
import { type Asked, actualRetention, compareActual } from './locked-bucket-decide.ts'
import { differentSettings } from './locked-bucket-settings.ts'

/** `unknown`: the server did not answer; `none`: it answered, and this object owns nothing there. */
export type OwnedView =
  | {
      readonly kind: 'owned'
      readonly facts: BucketFactsAnswer
      readonly observed: ObservedObjectLock | null
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }

export const ownsNothing = 'This object owns no bucket on the lock server.'

/** From GetObjectLockConfiguration: evidence, never what was asked for. */
export function enforcedCondition(wanted: BucketRetention, view: OwnedView): WantedCondition {
  const type = 'ObjectLockEnforced'
  if (view.kind === 'unknown') return { type, status: 'Unknown', reason: 'ServerUnreachable', message: null }
  if (view.kind === 'none') return { type, status: 'False', reason: 'BucketMissing', message: ownsNothing }
  const { facts, observed } = view
  if (facts.objectLock?.status === 'Frozen') return { type, status: 'False', reason: 'Frozen', message: null }
  const actual = actualRetention(facts, observed)
  if (actual === null || facts.versioning !== 'Enabled') {
    return { type, status: 'False', reason: 'ObjectLockMissing', message: null }
  }
  const comparison = compareActual(wanted, actual)
  if (comparison === 'same') return { type, status: 'True', reason: 'ReadBack', message: null }
  const message = `It answers ${describe(actual)}; the policy asks for ${describe(wanted)}.`
  return { type, status: comparison === 'stronger' ? 'True' : 'False', reason: 'RuleDiffers', message }
}

export function driftedCondition({ retention: wanted, settings }: Asked, view: OwnedView): WantedCondition {
  const type = 'Drifted'
  if (view.kind === 'unknown') return { type, status: 'Unknown', reason: 'ServerUnreachable', message: null }
  if (view.kind === 'none') return { type, status: 'True', reason: 'BucketMissing', message: ownsNothing }
  const actual = actualRetention(view.facts, view.observed)
  const comparison = compareActual(wanted, actual)
  if (comparison === 'same') {
    const names = differentSettings(view.facts, settings)
    if (names.length === 0) return { type, status: 'False', reason: 'InSync', message: null }
    const message = `The server has another ${names.join(', ')} than the spec.`
    return { type, status: 'True', reason: 'SettingsDiffer', message }
  }
  const has = actual === null ? 'no Object Lock' : describe(actual)
  const message = `The server has ${has}; the policy asks for ${describe(wanted)}.`
  return {
    type,
    status: 'True',
    reason: comparison === 'stronger' ? 'ServerStronger' : 'ServerWeaker',
    message,
  }
}

/**
 * Without a wanted retention nothing can be compared: only whether the bucket has Object Lock at all is said.
 */
export function undecided(view: OwnedView): {
  readonly enforced: WantedCondition
  readonly drifted: WantedCondition
} {
  const type = 'ObjectLockEnforced'
  if (view.kind !== 'owned') {
    const isNone = view.kind === 'none'
    const reason = isNone ? 'BucketMissing' : 'ServerUnreachable'
    const message = isNone ? ownsNothing : null
    return {
      enforced: { type, status: isNone ? 'False' : 'Unknown', reason, message },
      drifted: { type: 'Drifted', status: 'Unknown', reason, message },
    }
  }
  const actual = actualRetention(view.facts, view.observed)
  const enforced: WantedCondition =
    actual === null
      ? { type, status: 'False', reason: 'ObjectLockMissing', message: null }
      : { type, status: 'True', reason: 'ReadBack', message: `It answers ${describe(actual)}.` }
  const message = 'There is no valid policy to compare with.'
  return { enforced, drifted: { type: 'Drifted', status: 'Unknown', reason: 'PolicyNotFound', message } }
}

export function describe(retention: BucketRetention): string {
  if (retention.defaultRetention === null) return 'no default retention'
  return `${retention.defaultRetention.mode} ${formatRetention(retention)}`
}
