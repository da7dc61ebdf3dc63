/**
 * THE TABLE of what the roles of a BucketAccess may do: the exact actions of S3, without wildcards. Whatever is not here is
 * refused: no role changes a bucket's own settings (its lock, lifecycle, policy, tags), which are the LockedBucket's.
 */

export const accessRoles = ['ReadOnly', 'WriteOnly', 'ReadWrite', 'RetentionOfficer', 'Auditor'] as const
export type AccessRole = (typeof accessRoles)[number]

/** What clients ask of a bucket before they do anything. */
const look = [
  's3:GetBucketLocation',
  's3:GetBucketObjectLockConfiguration',
  's3:GetBucketVersioning',
] as const
const list = [
  's3:ListBucket',
  's3:ListBucketMultipartUploads',
  's3:ListBucketVersions',
  's3:ListMultipartUploadParts',
] as const
const readLocks = ['s3:GetObjectLegalHold', 's3:GetObjectRetention'] as const
const readTags = ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'] as const
const read = [
  's3:GetObject',
  's3:GetObjectAttributes',
  's3:GetObjectVersion',
  's3:GetObjectVersionAttributes',
] as const
/** Retention with it: backup programs date what they write themselves. The policy's `maximum` bounds how far. */
const write = [
  's3:AbortMultipartUpload',
  's3:ListBucketMultipartUploads',
  's3:ListMultipartUploadParts',
  's3:PutObject',
  's3:PutObjectRetention',
  's3:PutObjectTagging',
] as const
/** What is locked stays all the same. */
const remove = ['s3:DeleteObject', 's3:DeleteObjectVersion'] as const
const changeTags = [
  's3:DeleteObjectTagging',
  's3:DeleteObjectVersionTagging',
  's3:PutObjectVersionTagging',
] as const
/** How a bucket is set up. */
const audit = [
  's3:GetBucketAcl',
  's3:GetBucketCORS',
  's3:GetBucketOwnershipControls',
  's3:GetBucketPolicy',
  's3:GetBucketPolicyStatus',
  's3:GetBucketPublicAccessBlock',
  's3:GetBucketTagging',
  's3:GetEncryptionConfiguration',
  's3:GetLifecycleConfiguration',
] as const

const readOnly = [...look, ...list, ...readLocks, ...readTags, ...read] as const

const table = {
  ReadOnly: readOnly,
  /** For programs that only bring data: they read nothing back, and delete nothing. */
  WriteOnly: [...look, ...write],
  ReadWrite: [...readOnly, ...write, ...remove, ...changeTags],
  /** Locks and holds, and removal before a GOVERNANCE lock ends; not what is in the objects. */
  RetentionOfficer: [
    ...look,
    ...list,
    ...readLocks,
    's3:BypassGovernanceRetention',
    's3:DeleteObjectVersion',
    's3:PutObjectLegalHold',
    's3:PutObjectRetention',
  ],
  /** Names, locks and settings; not what is in the objects. */
  Auditor: [...look, ...list, ...readLocks, ...readTags, ...audit],
} as const satisfies Record<AccessRole, readonly string[]>

/** In order, each once. */
export function actionsOfRole(role: AccessRole): readonly string[] {
  return [...new Set<string>(table[role])].sort()
}
