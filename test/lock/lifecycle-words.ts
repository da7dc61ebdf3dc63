/** Words for the tests of lifecycle rules: rules by their actions, versions by when they were created. */
import { epochMs } from '../../src/lib/units.ts'
import {
  judgeVersion,
  type LifecycleContext,
  type LifecycleExpiration,
  type LifecycleFilter,
  type LifecycleRule,
  type LifecycleVerdict,
  type LifecycleVersion,
  nothingNewer,
  passVersion,
} from '../../src/lock/lifecycle.ts'
import type { ObjectLockState } from '../../src/lock/types.ts'

export const at = (text: string) => epochMs(Date.parse(text))
export const everything: LifecycleFilter = {
  form: 'Filter',
  prefix: null,
  tags: [],
  sizeGreaterThan: null,
  sizeLessThan: null,
}
export const free: ObjectLockState = { kind: 'known', retention: null, legalHold: null }
export const held: ObjectLockState = { kind: 'known', retention: null, legalHold: 'ON' }
export const unknown: ObjectLockState = { kind: 'unknown', cause: 'a test' }
export const until = (mode: 'GOVERNANCE' | 'COMPLIANCE', text: string): ObjectLockState => ({
  kind: 'known',
  retention: { mode, retainUntilMs: at(text) },
  legalHold: null,
})

export function rule(change: Partial<LifecycleRule>): LifecycleRule {
  return {
    id: 'rule',
    status: 'Enabled',
    filter: everything,
    expiration: null,
    noncurrentVersionExpiration: null,
    abortIncompleteMultipartUpload: null,
    ...change,
  }
}
export const days = (count: number): Partial<LifecycleRule> => ({ expiration: { kind: 'days', days: count } })
export const noncurrent = (noncurrentDays: number, newerNoncurrentVersions: number | null = null) => ({
  noncurrentVersionExpiration: { noncurrentDays, newerNoncurrentVersions },
})
export const markers: LifecycleExpiration = { kind: 'expiredObjectDeleteMarker', isWanted: true }

export type Draft = Partial<Omit<LifecycleVersion, 'createdMs' | 'isOldest'>> & { readonly created: string }

/** Verdicts on the versions of the key `logs/a`, given newest first and named v1, v2, … */
export function verdicts(
  context: Partial<LifecycleContext> & { readonly now: string },
  drafts: readonly Draft[],
): readonly LifecycleVerdict[] {
  const whole: LifecycleContext = {
    rules: [],
    key: 'logs/a',
    versioning: 'Enabled',
    nowMs: at(context.now),
    ...context,
  }
  let newer = nothingNewer
  return drafts.map(({ created, ...draft }, index) => {
    const version: LifecycleVersion = {
      versionId: `v${index + 1}`,
      isDeleteMarker: false,
      createdMs: at(created),
      sizeBytes: 100,
      tags: {},
      lock: free,
      isOldest: index === drafts.length - 1,
      ...draft,
    }
    const verdict = judgeVersion(whole, newer, version)
    newer = passVersion(whole, newer, version)
    return verdict
  })
}
export const kinds = (...given: Parameters<typeof verdicts>) => verdicts(...given).map(({ kind }) => kind)
