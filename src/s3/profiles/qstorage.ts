import { requireChecksumDefaults } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import type { Profile } from './profile.ts'

/**
 * Quilibrium QStorage: a checksum is required of the lock configuration only, Object Lock is a matter of creation,
 * ObjectLockEnabled may be left out, and every configuration that is not valid is an InvalidRequest.
 */
export const qstorage: Profile = {
  ...aws,
  name: 'qstorage',
  configuration: { ...aws.configuration, enabledElement: 'optional', existingBucket: 'InvalidRequest' },
  checksums: { requireChecksum: requireChecksumDefaults.qstorage, scope: 'lockConfiguration' },
  rewordings: [
    {
      operations: ['PutObjectLockConfiguration', 'PutObjectRetention'],
      codes: ['MalformedXML', 'MissingRequestBodyError'],
      to: { code: 'InvalidRequest' },
    },
    {
      operations: ['PutObjectLockConfiguration'],
      codes: ['InvalidArgument'],
      to: { code: 'InvalidRequest' },
    },
  ],
}
