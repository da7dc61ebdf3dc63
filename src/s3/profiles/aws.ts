import { limits } from '../../lib/limits.ts'
import { requireChecksumDefaults } from '../../lib/profile.ts'
import { s3Namespace } from '../xml.ts'
import type { Profile } from './profile.ts'

/** S3 itself: the base of every other profile. */
export const aws: Profile = {
  name: 'aws',
  words: {
    headerLetters: 'exact',
    documentLetters: 'exact',
    ruleLetters: 'exact',
    governance: 'served',
    legalHold: 'served',
  },
  configuration: {
    put: 'served',
    emptyBody: 'missing',
    emptyRoot: 'malformed',
    emptyRule: 'malformed',
    enabledElement: 'required',
    existingBucket: 'enabled',
    yearsMax: limits.retentionYearsMax,
  },
  retention: {
    emptyDocument: 'removes',
    governanceChange: 'asS3',
    equalDate: 'accepted',
    removalUnderRule: 'asS3',
  },
  checksums: { requireChecksum: requireChecksumDefaults.aws, scope: 'everything' },
  objects: { timeToLive: [], lockHeadersOnParts: 'ignored' },
  answers: {
    server: 'Holdfast',
    namespace: s3Namespace,
    headerFamily: 'amz',
    unusedUnit: 'omitted',
    noConfiguration: 'notFound',
    defaultRule: 'printed',
  },
  rewordings: [],
}
