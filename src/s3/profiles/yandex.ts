import { requireChecksumDefaults } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import type { Profile } from './profile.ts'

/**
 * Yandex Object Storage: an empty configuration disables Object Lock, which here is a freeze: nothing new is locked, and
 * what is locked stays enforced and as it is. Whatever changes a GOVERNANCE retention needs the bypass.
 */
export const yandex: Profile = {
  ...aws,
  name: 'yandex',
  configuration: { ...aws.configuration, emptyRoot: 'freezes' },
  retention: { ...aws.retention, governanceChange: 'bypass', removalUnderRule: 'refused' },
  checksums: { requireChecksum: requireChecksumDefaults.yandex, scope: 'objectsUnderRule' },
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
