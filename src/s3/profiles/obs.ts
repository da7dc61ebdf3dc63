import { requireChecksumDefaults } from '../../lib/profile.ts'
import { aws } from './aws.ts'
import type { Profile } from './profile.ts'

/** The host of a region stands in it at OBS; no client compares it. */
const obsNamespace = 'http://obs.region.example.com/doc/2015-06-30/'
const notEnabled =
  'The object retention period cannot be configured, because object lock is not enabled for the bucket.'
const notLater = 'The retention period date must be later than the current or the configured date.'
const malformed =
  'Invalid format of the Object Lock configuration. The XML you provided was not well-formed or did not validate ' +
  'against our published schema.'

/**
 * Open Telekom Cloud OBS: COMPLIANCE only, WORM only at creation, a retention date is later than the one in force and never
 * equal, and a family of x-obs-* headers beside S3's.
 */
export const obs: Profile = {
  ...aws,
  name: 'obs',
  words: { ...aws.words, governance: 'unknown' },
  configuration: {
    ...aws.configuration,
    emptyRoot: 'clearsRule',
    enabledElement: 'optional',
    existingBucket: 'InvalidRequest',
  },
  retention: { ...aws.retention, emptyDocument: 'malformed', equalDate: 'refused' },
  checksums: { ...aws.checksums, requireChecksum: requireChecksumDefaults.obs },
  objects: { ...aws.objects, lockHeadersOnParts: 'refused' },
  answers: {
    ...aws.answers,
    server: 'OBS',
    namespace: obsNamespace,
    headerFamily: 'obs',
    unusedUnit: 'zero',
  },
  rewordings: [
    {
      operations: ['PutObjectLockConfiguration', 'PutObjectRetention'],
      codes: ['MalformedXML', 'MissingRequestBodyError'],
      to: { code: 'MalformedObjectLockError', message: malformed },
    },
    {
      operations: ['PutObjectRetention'],
      codes: ['InvalidArgument'],
      situations: ['DateNotInFuture'],
      to: { code: 'InvalidRequest', message: notLater },
    },
    {
      operations: ['PutObjectRetention'],
      codes: ['AccessDenied'],
      situations: ['ComplianceRetention'],
      to: { code: 'InvalidRequest', message: notLater },
    },
    {
      operations: ['PutObjectRetention'],
      codes: ['InvalidRequest'],
      situations: ['BucketLockMissing'],
      to: { message: notEnabled },
    },
    {
      codes: ['ObjectLockConfigurationNotFoundError'],
      to: { code: 'InvalidRequest', message: 'Object lock is not enabled for the bucket.' },
    },
    // The vendor's page of retention says 400, its list of errors 404.
    {
      operations: ['PutObjectRetention', 'GetObjectRetention'],
      codes: ['NoSuchVersion'],
      to: { status: 400 },
    },
    {
      operations: ['DeleteObject', 'DeleteObjects'],
      codes: ['AccessDenied'],
      situations: ['LegalHold', 'ComplianceRetention', 'GovernanceRetention', 'LockStateUnknown'],
      to: { message: 'Access Denied. The object is immutable and cannot be deleted.' },
    },
  ],
}
