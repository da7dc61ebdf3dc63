import { s3testsOf } from './s3-tests.ts'

/**
 * What S3 Object Lock does, a row each: given, then, and how well it is known. Every row has at least one test over HTTP that
 * carries its id in the title, as `[PutObjectRetention.4]`; test/unit/s3/rows.test.ts holds both together and
 * docs/S3.md prints them.
 *
 * Grades: A recorded from AWS; B asserted by suites that were written against AWS; C the vendor's documentation; D read in
 * other servers; E not known, decided here (docs/decisions/0021-what-s3-leaves-open.md); own: a rule of this server.
 */
export type Grade = 'A' | 'B' | 'C' | 'D' | 'E' | 'own'

export type Row = {
  readonly id: string
  /** What the rows of a heading are about: an operation, or what holds for several. */
  readonly subject: string
  readonly grade: Grade
  readonly given: string
  readonly expected: string
  /** Names of the ceph/s3-tests suite that assert it too. */
  readonly s3tests: readonly string[]
}

const choices = `
  1 | A | the bypass header on a bucket without Object Lock | accepted and ignored (AWS refuses it since 2026)
  2 | A | retention or hold that was never set | 404 NoSuchObjectLockConfiguration, never 400
  3 | B | Days or Years zero, negative or too large | 400 InvalidArgument, not InvalidRetentionPeriod
  4 | own | an object's own date far ahead; beyond the year 9999 | stored; refused
  5 | own | a version id that no version has | NoSuchVersion for reads, 204 for deletes; not alphanumeric: 400
  6 | A | the current version is a delete marker, no version id given | PUT of a lock 405, GET of a lock 404 NoSuchKey
  7 | A | several things are wrong | bucket, then request, then object and version, then the bucket's lock
  8 | own | root and the account's owner key with the bypass header | GOVERNANCE is bypassed; others need the permission
  9 | A | lock of a version read by GET and by HEAD | mode, date and hold on both
  10 | B | dates | ISO 8601 everywhere, epoch milliseconds in a body, HTTP date in a header; nothing else
  11 | own | PutBucketVersioning without checksum | accepted
  12 | A | any lock header without checksum, legal-hold OFF too | E16 on PutObject and UploadPart, not on Copy and Create
  13 | own | a wrong Content-MD5, x-amz-checksum-* or trailer | 400 BadDigest
  14 | A | PutObjectRetention and PutObjectLegalHold without body | 400 MalformedXML
  15 | own | the default rule is weakened between Create and Complete | the stronger mode, the later date, from Complete
  16 | own | versionId= empty | 400 InvalidArgument
  17 | own | a malformed version id inside DeleteObjects | an error of that key, the others go on
  18 | own | an x-amz-* header that is not signed | 403 AccessDenied, HeadersNotSigned; nothing changed
  19 | own | hold ON and retention expired | still locked
  20 | own | the default rule is removed or changed | written versions keep theirs; older versions stay unlocked
`

const formats = `
  1 | B | GOVERNANCE, COMPLIANCE | exact upper case
  2 | B | ON, OFF | exact upper case
  3 | B | Days and Years | exactly one; 1 to 36,500 days or 1 to 100 years
  4 | A | the default period | counts from the instant of the creation, not from midnight
  5 | B | one day | 24 hours
  6 | D | one year | the longer of a calendar year and 365 days; the instant is stored, not the period
  7 | B | a date in a body | Z, an offset or no zone, 0 to 9 digits of fraction
  8 | B | a date in a header of an answer | ISO 8601
  9 | own | precision | milliseconds, rounded up: what was read and is written back never shortens
  10 | C | x-amz-bucket-object-lock-token | accepted, without effect, never logged
  11 | D | size of a lock document | more than its bound is refused
  12 | own | the last instant | locked at the very instant, free after it
`

const errors = `
  1 | A | a locked version is to go | 403 AccessDenied "Access Denied because object protected by object lock."
  2 | A | the configuration of a bucket without lock | 404 ObjectLockConfigurationNotFoundError, BucketName
  3 | A | the lock of a version that has none | 404 NoSuchObjectLockConfiguration
  4 | A | a lock sub-resource in a bucket without lock | 400 InvalidRequest "Bucket is missing Object Lock Configuration"
  5 | B | lock headers in a bucket without lock | 400 InvalidRequest "Bucket is missing ObjectLockConfiguration"
  6 | A | a lock configuration without versioning | 409 InvalidBucketState
  7 | A | versioning of a lock bucket is to be suspended | 409 InvalidBucketState
  8 | A | a document that is none | 400 MalformedXML
  9 | A | mode without date, date without mode | 400 InvalidArgument naming the missing header
  10 | A | an unknown mode in a header | 400 InvalidArgument "Unknown wormMode directive."
  11 | A | a date that is not in the future | 400 InvalidArgument with name and value
  12 | B | a date that is none in a header | 400 InvalidArgument "… must be provided in ISO 8601 format"
  13 | B | a hold that is none in a header | 400 InvalidArgument "Legal Hold must be either of 'ON' or 'OFF'"
  14 | B | Days or Years not positive | 400 InvalidArgument naming the unit
  15 | B | Days or Years too large | 400 InvalidArgument naming the unit
  16 | A | PutObject that locks, without checksum | 400 InvalidRequest
  17 | A | a lock document or DeleteObjects without checksum | 400 InvalidRequest
  18 | A | the bypass header on a bucket without lock | not answered here, see Choice.1
  19 | A | a method that a delete marker does not have | 405 MethodNotAllowed, Method, ResourceType DeleteMarker
  20 | B | a version that does not exist | 404 NoSuchVersion, Key, VersionId
  21 | B | a version id that is none | 400 InvalidArgument "Invalid version id specified"
  22 | B | PutObjectLockConfiguration without body | 400 MissingRequestBodyError
  23 | D | DeleteBucket of a bucket that is not empty | 409 BucketNotEmpty
  24 | E | a wrong or undecodable Content-MD5 | 400 BadDigest, 400 InvalidDigest
  25 | A | a bucket or key that does not exist | 404 NoSuchBucket with BucketName, 404 NoSuchKey with Key
`

const CreateBucket = `
  1 | A | x-amz-bucket-object-lock-enabled true or True | lock and versioning Enabled at once, no default rule
  2 | C | the same | needs CreateBucket, PutBucketObjectLockConfiguration and PutBucketVersioning
  3 | A | false | a plain bucket
  4 | D | any other value | 400 InvalidRequest, no bucket
  5 | own | the bucket exists | its lock state does not change
`

const PutObjectLockConfiguration = `
  1 | A | never versioned, or versioning Suspended | 409 InvalidBucketState
  2 | A | versioning Enabled, lock not yet on | 200, the lock is on for good, existing versions stay free
  3 | A | Enabled without Rule | 200, the default rule is gone, versions keep their dates
  4 | A | Enabled with Rule | 200, replaces the rule, for later versions only
  5 | A | ObjectLockEnabled missing | 400 MalformedXML
  6 | A | root empty | 400 MalformedXML
  7 | A | Rule empty | 400 MalformedXML
  8 | A | DefaultRetention empty | 400 MalformedXML
  9 | A | mode without period | 400 MalformedXML
  10 | B | unknown mode | 400 MalformedXML
  11 | B | Days and Years together | 400 MalformedXML
  12 | B | ObjectLockEnabled Disabled | 400 MalformedXML
  13 | B | Days or Years not positive, or too large | 400 InvalidArgument
  14 | B | no body | 400 MissingRequestBodyError
  15 | A | no checksum | 400 InvalidRequest
  16 | C | another permission | 403 AccessDenied
  17 | A | whatever asks to switch the lock off | refused, the lock stays on
`

const GetObjectLockConfiguration = `
  1 | C | another permission | 403 AccessDenied
  2 | A | a bucket without lock | 404 ObjectLockConfigurationNotFoundError
  3 | A | a bucket with lock | no empty Rule; the one unit that was set
`

const PutObjectRetention = `
  1 | A | none or expired, a mode with a future date | 200
  2 | D | none or expired, empty Retention | 200, no-op
  3 | B | GOVERNANCE, GOVERNANCE with an equal or later date | 200
  4 | A | GOVERNANCE, GOVERNANCE with an earlier date | 403; with bypass 200
  5 | B | GOVERNANCE, COMPLIANCE with an equal or later date | 403; with bypass 200
  6 | E | GOVERNANCE, COMPLIANCE with an earlier date | 403; with bypass 200
  7 | A | GOVERNANCE, empty Retention | 403; with bypass 200 and no retention
  8 | B | COMPLIANCE, COMPLIANCE with an equal or later date | 200
  9 | A | COMPLIANCE, COMPLIANCE with an earlier date | 403, with bypass too
  10 | A | COMPLIANCE, GOVERNANCE with any date | 403, with bypass too
  11 | E | COMPLIANCE, empty Retention | 403, with bypass too
  12 | A | one of Mode and RetainUntilDate alone | 400 MalformedXML
  13 | B | an unknown or lower-case mode | 400 MalformedXML
  14 | A | no version id | the current version; 405 if that is a delete marker
  15 | D | a legal hold is ON | retention changes as without it
  16 | C | another permission | 403; the bypass permission is asked for only where the change needs it
  17 | B | the bypass header without its permission, where it is needed | 403
  18 | E | success | 200, no body, x-amz-version-id
  19 | A | several things are wrong | bucket, checksum, document, date, key and version, bucket's lock, marker
  20 | D | a bucket policy's conditions about mode, date and days | judged by what the request asks for, on every entrance
`

const GetObjectRetention = `
  1 | A | a version with retention | 200 Retention
  2 | A | never set | 404 NoSuchObjectLockConfiguration
  3 | A | a bucket without lock | 400 InvalidRequest
  4 | A | a delete marker by its id | 405 MethodNotAllowed
  5 | E | an expired retention | shown as it is stored
  6 | C | another permission | 403 AccessDenied
  7 | A | removed by an empty Retention | 404 NoSuchObjectLockConfiguration
`

const PutObjectLegalHold = `
  1 | A | ON or OFF, whatever the retention | 200; no bypass is asked for; the retention stays
  2 | A | no body, an empty one, a bad status | 400 MalformedXML, before the bucket's lock is looked at
  3 | A | a bucket without lock | 400 InvalidRequest
  4 | B | a delete marker | 405 MethodNotAllowed
  5 | D | the root ObjectLockLegalHold of old SDKs | accepted as LegalHold
  6 | C | another permission | 403 AccessDenied
`

const GetObjectLegalHold = `
  1 | A | never set; after OFF | 404 NoSuchObjectLockConfiguration; 200 OFF
  2 | C | another permission | 403 AccessDenied
  3 | A | a bucket without lock | 400 InvalidRequest
  4 | A | a delete marker by its id | 405 MethodNotAllowed
`

const PutObject = `
  1 | A | mode without date or date without mode | 400 E9, before the mode is judged
  2 | A | both, unknown mode | 400 E10
  3 | B | a date that is none; a past date | 400 E12; 400 E11
  4 | B | a bad hold | 400 E13
  5 | B | any lock header into a bucket without lock, legal-hold OFF too | 400 E5
  6 | A | lock headers into a bucket with a default rule | the headers win, also shorter and weaker
  7 | E | only a hold header into a bucket with a default rule | both apply
  8 | A | lock headers, a hold or a default rule, without checksum | 400 E16
  9 | B | lock headers | each kind needs its own permission; the default rule needs none
  10 | B | the current version is locked | 200, a new version; the old one is untouched
  11 | B | mode, date and hold together | stored with the version and shown by HeadObject
`

const CopyObject = `
  1 | A | bad lock headers | E9, E10, E11, E12, E13 as PutObject
  2 | B | lock headers into a bucket without lock | 400 E5
  3 | A | the source is locked | the target does not inherit; the lock of the source does not change
  4 | A | headers, a default rule of the target, or none | headers win, else the rule, else no lock
  5 | E | only a hold header into a bucket with a default rule | both apply
  6 | B | lock headers | each kind needs its own permission
  7 | D | onto itself without a change | 400 InvalidRequest; a storage class that is named is a change
  8 | E | onto itself with REPLACE | a new version; the old one keeps lock and bytes
  9 | B | the current version of the target is locked | 200, a new version; the old one is untouched
`

const CreateMultipartUpload = `
  1 | A | bad lock headers | E9, E10, E11, E12, E13 as PutObject
  2 | B | lock headers into a bucket without lock | 400 E5
  3 | B | lock headers | each kind needs its own permission
`

const UploadPart = `
  1 | B | the upload carries a lock or the bucket has a rule, no checksum | 400 InvalidRequest "… Put Part …"
`

const UploadPartCopy = `
  1 | C | a locked source | needs the right to read the version; locks are neither copied nor changed
`

const CompleteMultipartUpload = `
  1 | C | lock headers at Create | stored with the assembled version
  2 | C | none at Create | the rule at Complete, counted from Complete
  3 | own | a longer or stronger rule at Create | the later date and the stronger mode of the two
  4 | own | the date of Create has passed | stored; the version is born expired
  5 | E | only a hold header at Create, a default rule | both apply
  6 | B | the current version is locked | 200, a new version; the old one is untouched
`

const AbortMultipartUpload = `
  1 | C | an upload with lock headers | 204
`

const DeleteObject = `
  1 | A | no version id | 204, a delete marker with its id, whatever the locks
  2 | A | a version that is free or expired | 204 with its id
  3 | A | locked by COMPLIANCE or a legal hold | 403 E1, with bypass too
  4 | A | locked by GOVERNANCE | 403 E1; with header and permission 204
  5 | A | a delete marker by its id | 204 with x-amz-delete-marker; never protected
  6 | E | a well-formed id that does not exist; a malformed one | 204; 400 E21
  7 | A | the bypass header on a bucket without lock | accepted and ignored
  8 | own | versionId=null | the null version, never the current one
  9 | C | permissions | s3:DeleteObject or s3:DeleteObjectVersion, and the bypass permission where it is used
  10 | B | a version made of parts | locked as any other
  11 | B | a locked version below a delete marker | the marker may go, the version stays locked
`

const DeleteObjects = `
  1 | A | locked versions among others | 200; AccessDenied with VersionId for those, the others are gone
  2 | A | no checksum | 400 E17
  3 | D | 0 or more than 1,000 keys | 400 MalformedXML
  4 | A | the bypass header | covers all keys, the permission is judged for each
  5 | A | the bypass header on a bucket without lock | accepted and ignored
  6 | own | the same key and version twice | one result each
  7 | own | a lock that comes while the delete runs | one of the two is first: never a lock that was acknowledged and lost
  8 | own | the volume has no room or takes no writes any more when some keys are deleted (100 share a transaction) | 200; InsufficientStorage or ServiceUnavailable for each key that is not deleted; where none is, 507 or 503 for all
  9 | own | a write fails so that nobody knows what of it is on the disk | 503 for all, which says nothing of any key: those of earlier transactions are deleted, those of the one that failed may be
`

const PutBucketVersioning = `
  1 | A | Suspended on a lock bucket | 409 InvalidBucketState
  2 | A | Enabled again | 200
  3 | D | elements that exclude prefixes | refused
`

const DeleteBucket = `
  1 | D | a version, or a delete marker alone | 409 BucketNotEmpty
  2 | own | a locked version, whoever asks | 409 BucketNotEmpty
  3 | own | a write that comes while the bucket is deleted | one of the two is first: no object in a bucket that is gone
`

const GetObject = `
  1 | A | a locked version | mode, date and hold as headers, hold OFF too
  2 | C | without s3:GetObjectRetention or s3:GetObjectLegalHold | those headers are left out
  3 | A | a delete marker by its id | 405
`

const PostObject = `
  1 | D | lock fields of a form | must be covered by conditions of its policy
  2 | D | the same | each kind needs its own permission
  3 | D | the same | mean, and are refused, what the headers of PutObject do
  4 | own | x-obs-* fields | read as their x-amz-* twins; refused where both are there and differ
`

const PutBucketLifecycleConfiguration = `
  1 | C | a bucket with Object Lock | accepted, limited by no lock
  2 | D | actions that remove all versions | refused
  3 | C | no checksum | 400 InvalidRequest
  4 | own | transitions | 501 NotImplemented: there is one storage class
`

const DeleteBucketLifecycle = `
  1 | C | a bucket with Object Lock | 204, limited by no lock; locks stay
`

const lifecycle = `
  1 | C | Expiration of a current version | a delete marker over it, nothing is removed
  2 | C | NoncurrentVersionExpiration, NewerNoncurrentVersions | locked versions stay, no bypass, tried again in the next run
  3 | C | ExpiredObjectDeleteMarker | removes a marker that is left alone
  4 | C | AbortIncompleteMultipartUpload | aborts
`

const noLocks = `
  1 | C | a locked version | no field of the answer is about its lock
`

const PutObjectTagging = `
  1 | C | a locked version | its tags may be changed; bytes, metadata and lock stay
`

const PutObjectAcl = `
  1 | C | a locked version | 200 for what holds anyway; bytes, metadata and lock stay
`

const otherHeaders = `
  1 | own | headers of replication and of vendors | relax nothing, lock nothing
`

/** Those without a heading of their own: they hold for every operation. */
const crossCutting = {
  Choice: choices,
  Format: formats,
  Error: errors,
  OtherHeaders: otherHeaders,
  Lifecycle: lifecycle,
}

const perOperation = {
  CreateBucket,
  PutObjectLockConfiguration,
  GetObjectLockConfiguration,
  PutObjectRetention,
  GetObjectRetention,
  PutObjectLegalHold,
  GetObjectLegalHold,
  PutObject,
  CopyObject,
  CreateMultipartUpload,
  UploadPart,
  UploadPartCopy,
  CompleteMultipartUpload,
  AbortMultipartUpload,
  DeleteObject,
  DeleteObjects,
  PutBucketVersioning,
  PostObject,
  PutBucketLifecycleConfiguration,
  DeleteBucketLifecycle,
  DeleteBucket,
  GetObject,
  HeadObject: GetObject,
  GetObjectAttributes: noLocks,
  ListObjectVersions: noLocks,
  ListObjects: noLocks,
  ListObjectsV2: noLocks,
  GetObjectTagging: noLocks,
  PutObjectTagging,
  GetObjectAcl: noLocks,
  PutObjectAcl,
}

export const rows: readonly Row[] = Object.entries({ ...crossCutting, ...perOperation }).flatMap(
  ([subject, table]) =>
    table
      .trim()
      .split('\n')
      .map((line) => parseRow(subject, line)),
)

function parseRow(subject: string, line: string): Row {
  const [number = '', grade = '', given = '', expected = '', ...rest] = line
    .split(' | ')
    .map((cell) => cell.trim())
  if (rest.length > 0 || expected === '') throw new Error(`not a row of four cells: ${line}`)
  const id = subject === 'Error' ? `E${number}` : `${subject}.${number}`
  return { id, subject, grade: gradeOf(grade), given, expected, s3tests: s3testsOf(id) }
}

function gradeOf(text: string): Grade {
  const grades: readonly Grade[] = ['A', 'B', 'C', 'D', 'E', 'own']
  const grade = grades.find((each) => each === text)
  if (grade === undefined) throw new Error(`not a grade: ${text}`)
  return grade
}
