import { requireChecksumDefaults } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import type { Profile } from './profile.ts'

const wormProtected = 'Object is WORM protected and cannot be overwritten'
const locks = ['LegalHold', 'ComplianceRetention', 'GovernanceRetention', 'LockStateUnknown'] as const

/**
 * MinIO: Object Lock only at creation, letter case of headers free, no checksum demanded, its own sentences. A delete that a
 * lock refuses keeps S3's 403 AccessDenied, by which clients know a lock; MinIO says 400.
 */
export const minio: Profile = {
  ...aws,
  name: 'minio',
  words: { ...aws.words, headerLetters: 'any' },
  configuration: { ...aws.configuration, existingBucket: 'InvalidBucketState' },
  checksums: { ...aws.checksums, requireChecksum: requireChecksumDefaults.minio },
  rewordings: [
    {
      operations: ['PutObjectRetention'],
      codes: ['AccessDenied'],
      situations: locks,
      to: { code: 'InvalidRequest', message: wormProtected },
    },
    { codes: ['AccessDenied'], situations: locks, to: { message: wormProtected } },
    {
      codes: ['InvalidArgument'],
      situations: ['DateNotInFuture'],
      to: { code: 'InvalidRequest', message: 'the retain until date must be in the future' },
    },
    {
      codes: ['InvalidBucketState'],
      situations: ['ExistingBucket'],
      to: { message: 'Object Lock configuration cannot be enabled on existing buckets' },
    },
  ],
}
