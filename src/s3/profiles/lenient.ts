import { requireChecksumDefaults } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import type { Profile } from './profile.ts'

/**
 * What any of the vendors accepts and S3 does not answer otherwise: any letter case, no checksum demanded, and an empty
 * configuration removes the default rule, the weakest of the three things that the same bytes mean elsewhere. Errors are
 * S3's.
 */
export const lenient: Profile = {
  ...aws,
  name: 'lenient',
  words: { ...aws.words, headerLetters: 'any', documentLetters: 'any', ruleLetters: 'any' },
  configuration: { ...aws.configuration, emptyRoot: 'clearsRule', emptyRule: 'clearsRule' },
  checksums: { ...aws.checksums, requireChecksum: requireChecksumDefaults.lenient },
}
