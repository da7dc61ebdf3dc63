import { requireChecksumDefaults } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import type { Profile } from './profile.ts'

/** Wasabi: an object's mode and hold in any letter case, a rule cleared by an empty body or an empty rule. */
export const wasabi: Profile = {
  ...aws,
  name: 'wasabi',
  words: { ...aws.words, headerLetters: 'any', documentLetters: 'any' },
  configuration: { ...aws.configuration, emptyBody: 'clearsRule', emptyRule: 'clearsRule' },
  checksums: { ...aws.checksums, requireChecksum: requireChecksumDefaults.wasabi },
}
