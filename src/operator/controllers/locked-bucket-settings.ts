/** What of a bucket its LockedBucket decides besides retention. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { toTags } from '../../api/bucket-tags.ts'
import type { LockedBucketSpec } from '../../api/LockedBucket.ts'
import { toLifecycleRules } from '../../api/lifecycle.ts'
import { toBytes } from '../../api/quantity.ts'
import type { ApplyBucketRequest, BucketFactsAnswer } from '../../client/lock-server.ts'
import { requireChecksumDefaults } from '../../lib/profile.ts'

export type BucketSettings = Pick<
  ApplyBucketRequest,
  'profile' | 'requireChecksum' | 'quotaBytes' | 'lifecycle' | 'tags'
>

/** The spec is valid. Lifecycle and tags that it does not have are their writers' own. */
export function settingsOf(spec: LockedBucketSpec): BucketSettings {
  const profile = spec.profile ?? 'aws'
  return {
    profile,
    requireChecksum: spec.requireChecksum ?? requireChecksumDefaults[profile],
    quotaBytes: spec.quota === undefined ? null : toBytes(spec.quota),
    lifecycle: spec.lifecycle === undefined ? null : toLifecycleRules(spec.lifecycle),
    tags: spec.tags === undefined ? null : toTags(spec.tags),
  }
}

/** Which fields of the spec the server has otherwise, by name. */
export function differentSettings(facts: BucketFactsAnswer, settings: BucketSettings): readonly string[] {
  const { profile, requireChecksum, quotaBytes, lifecycle, tags } = settings
  return [
    ...(facts.profile === profile ? [] : ['profile']),
    ...(facts.requireChecksum === requireChecksum ? [] : ['requireChecksum']),
    ...(facts.quotaBytes === quotaBytes ? [] : ['quota']),
    ...(lifecycle === null || isDeepStrictEqual(facts.lifecycle ?? [], lifecycle) ? [] : ['lifecycle']),
    ...(tags === null || isDeepStrictEqual(facts.tags ?? {}, tags) ? [] : ['tags']),
  ]
}
