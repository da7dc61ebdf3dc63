import { limits } from '../../lib/limits.ts'
import { requireChecksumDefaults } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import type { Profile, Rewording } from './profile.ts'

const rewordings: readonly Rewording[] = [
  {
    codes: ['AccessDenied'],
    situations: ['LegalHold', 'ComplianceRetention', 'GovernanceRetention', 'LockStateUnknown'],
    to: { message: 'Access Denied because object protected by object lock' },
  },
]

/** Storj: a version has a time to live or a lock, never both; at most ten years; no checksum demanded. */
export const storj: Profile = {
  ...aws,
  name: 'storj',
  words: { ...aws.words, headerLetters: 'any' },
  configuration: { ...aws.configuration, yearsMax: limits.storjRetentionYearsMax },
  checksums: { ...aws.checksums, requireChecksum: requireChecksumDefaults.storj },
  objects: { ...aws.objects, timeToLive: ['object-expires', 'storj-expires'] },
  rewordings,
}

/** Storj's technical preview: COMPLIANCE only; GOVERNANCE, legal holds and bucket rules are not implemented. */
export const storjPreview: Profile = {
  ...storj,
  name: 'storj-preview',
  words: { ...storj.words, governance: 'notImplemented', legalHold: 'notImplemented' },
  configuration: { ...storj.configuration, put: 'notImplemented' },
  answers: { ...storj.answers, noConfiguration: 'empty', defaultRule: 'omitted' },
}
