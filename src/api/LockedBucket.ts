/** The CRD LockedBucket: its schema and its rules. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { profileNames } from '../lib/profile.ts'
import { isSystemBucket, systemBucketPrefix } from '../lib/system-buckets.ts'
import { handledFields } from './annotations.ts'
import { tagListSchema } from './bucket-tags.ts'
import { lifecycleSchema } from './lifecycle.ts'
import { apiVersion, objectMetadataSchema, objectNameSchema } from './metadata.ts'
import { periodFields } from './periods.ts'
import { bytesQuantitySchema } from './quantity.ts'
import { type ApiRule, brokenTransitions, type Violation, violationsOfSpec, withRules } from './rules.ts'
import { conditionsSchema, observedGenerationSchema } from './status.ts'

/** Names that S3 keeps for itself (General purpose bucket naming rules). */
const keptByS3 = {
  prefixes: ['xn--', 'sthree-', 'amzn-s3-demo-'],
  suffixes: ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3'],
} as const
const ipv4Pattern = '^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$'

const bucketNameRules: readonly ApiRule<string>[] = [
  {
    name: 'BucketNameReserved',
    cel: `!self.startsWith('${systemBucketPrefix}')`,
    message: `bucket names beginning ${systemBucketPrefix} are reserved for the lock server itself`,
    reason: 'FieldValueForbidden',
    fieldPath: [],
    holds: (name) => !isSystemBucket(name),
  },
  {
    name: 'BucketNameForm',
    cel: `!self.contains('..') && !self.matches('${ipv4Pattern}')`,
    message: 'a bucket name has no two periods in a row and does not look like an IP address',
    reason: 'FieldValueInvalid',
    fieldPath: [],
    holds: (name) => !name.includes('..') && !new RegExp(ipv4Pattern).test(name),
  },
  {
    name: 'BucketNameKeptByS3',
    cel: [
      ...keptByS3.prefixes.map((prefix) => `!self.startsWith('${prefix}')`),
      ...keptByS3.suffixes.map((suffix) => `!self.endsWith('${suffix}')`),
    ].join(' && '),
    message: `S3 keeps names that begin ${keptByS3.prefixes.join(', ')} or end ${keptByS3.suffixes.join(', ')}`,
    reason: 'FieldValueInvalid',
    fieldPath: [],
    holds: (name) =>
      !keptByS3.prefixes.some((prefix) => name.startsWith(prefix)) &&
      !keptByS3.suffixes.some((suffix) => name.endsWith(suffix)),
  },
]

const bucketNameSchema = withRules(
  z
    .string()
    .min(limits.bucketNameLengthMin)
    .max(limits.bucketNameLengthMax)
    .regex(/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/, {
      error: 'lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit',
    })
    .describe("The bucket's name on the lock server, by S3's rules. It can never be changed."),
  bucketNameRules,
)

/** Why a name is none for a managed bucket, as a sentence; null: it is one. The admin API asks this too. */
export function bucketNameProblem(name: string): string | null {
  const parsed = bucketNameSchema.safeParse(name)
  if (!parsed.success) return parsed.error.issues[0]?.message ?? 'not a bucket name'
  return bucketNameRules.find((rule) => !rule.holds(name, null))?.message ?? null
}

const baseSpecSchema = z.object({
  bucketName: bucketNameSchema,
  retentionPolicyRef: z
    .object({ name: objectNameSchema.describe('The name of a RetentionPolicy in the same namespace.') })
    .describe('The policy that says how long new versions are locked.'),
  adoptionPolicy: z
    .enum(['Never', 'IfUnowned'])
    .optional()
    .describe(
      'What to do when the bucket exists already. Never (also when absent): refuse, unless this very object ' +
        'made it before. IfUnowned: take it over if no other LockedBucket owns it.',
    ),
  deletionPolicy: z
    .enum(['Retain', 'Delete'])
    .optional()
    .describe(
      'What becomes of the bucket when this object is deleted. Retain (also when absent): it stays, with its locks. ' +
        'Delete: it goes if nothing at all is in it, no version, delete marker or upload; else it stays. ' +
        'Standalone keeps every bucket.',
    ),
  profile: z
    .enum(profileNames)
    .optional()
    .describe('The dialect of Object Lock that the bucket speaks; aws when absent. None weakens a lock.'),
  requireChecksum: z
    .boolean()
    .optional()
    .describe(
      "Whether the bucket demands a client's checksum of every body (Content-MD5 or x-amz-checksum-*). " +
        "Absent: as the profile's vendor does.",
    ),
  quota: bytesQuantitySchema(
    'The most that all versions together may take, for example 500Gi. Writes beyond it get 403 ' +
      'QuotaExceeded; deletes and locks go on. Absent: no quota.',
  ).optional(),
  lifecycle: lifecycleSchema
    .optional()
    .describe(
      "S3's lifecycle rules. While the field is there it decides, and what S3 clients change is put back. " +
        'Absent: S3 clients decide. No rule removes what is locked.',
    ),
  tags: tagListSchema(limits.bucketTagsMax)
    .optional()
    .describe(
      "The bucket's tags. While the field is there it decides, and what S3 clients change is put back. " +
        'Absent: S3 clients decide.',
    ),
})

export type LockedBucketSpec = z.output<typeof baseSpecSchema>

const bucketNameImmutable: ApiRule<LockedBucketSpec> = {
  name: 'BucketNameImmutable',
  // On the required parent with the pair of has(), so that unsetting and setting again is no way around it.
  cel:
    'has(self.bucketName) == has(oldSelf.bucketName) && ' +
    '(!has(self.bucketName) || self.bucketName == oldSelf.bucketName)',
  message:
    'bucketName can never be changed: the locked versions stay where they are. Make another LockedBucket',
  reason: 'FieldValueForbidden',
  fieldPath: ['bucketName'],
  holds: (next, old) => old === null || next.bucketName === old.bucketName,
}

export const lockedBucketRules: readonly ApiRule<LockedBucketSpec>[] = [bucketNameImmutable]
export const lockedBucketSpecSchema = withRules(baseSpecSchema, lockedBucketRules)

const countSchema = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const nameSchema = z.string().max(253)
const statusText = z.string().max(limits.statusTextLengthMax)
const timeSchema = z.string().meta({ format: 'date-time' })

const retentionFields = {
  mode: z.enum(['GOVERNANCE', 'COMPLIANCE']).optional().describe('The mode of the default rule.'),
  ...periodFields,
  rules: z
    .array(
      z.object({
        prefix: z.string().max(limits.prefixRuleBytesMax).describe('Keys that begin with these characters.'),
        ...periodFields,
      }),
    )
    .max(limits.prefixRulesMax)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['prefix'] })
    .optional()
    .describe('The prefix rules.'),
}

export const lockedBucketStatusSchema = z.object({
  observedGeneration: observedGenerationSchema,
  conditions: conditionsSchema,
  bucket: z
    .object({
      name: z.string().max(limits.bucketNameLengthMax).describe('The name by which S3 clients ask for it.'),
      endpoint: z.string().max(2048).optional().describe('Where S3 clients reach it.'),
      region: z.string().max(64).optional().describe('The region that S3 clients sign for.'),
      uid: z
        .string()
        .max(64)
        .optional()
        .describe('The id of this very bucket; a re-created one gets another.'),
    })
    .optional()
    .describe('The bucket as the lock server has it.'),
  objectLock: z
    .object({
      retention: z
        .string()
        .max(64)
        .optional()
        .describe('The default period and the number of rules, for people: `7 days, 1 rule`.'),
      ...retentionFields,
    })
    .optional()
    .describe('The default retention that the lock server really enforces, read back from it.'),
  lockedUntil: timeSchema
    .optional()
    .describe('The latest date until which a version is locked; legal holds have no date and are not in it.'),
  lockedVersions: countSchema.optional().describe('How many versions are locked by retention.'),
  legalHolds: countSchema.optional().describe('How many versions have a legal hold.'),
  versions: countSchema.optional().describe('How many versions of objects there are.'),
  sizeBytes: countSchema.optional().describe('What all versions together take.'),
  quotaBytes: countSchema.optional().describe('The quota that the lock server enforces. Absent: none.'),
  profile: z
    .enum(profileNames)
    .optional()
    .describe('The dialect in which the lock server answers for the bucket.'),
  requireChecksum: z
    .boolean()
    .optional()
    .describe("Whether the lock server demands a client's checksum of every body."),
  applyToExisting: z
    .object({
      scope: z.enum(['ExtendOnly', 'IncludingModeChange']).describe('As the policy asks for it.'),
      policyGeneration: countSchema.describe('The generation of the policy that asked last.'),
      startTime: timeSchema.describe('When the walk over the versions began.'),
      completionTime: timeSchema
        .optional()
        .describe('When it was done. Absent: it goes on, or waits until the clock is not suspect.'),
      versions: countSchema.describe('How many versions there were when it began.'),
      seen: countSchema.describe('How many it has looked at.'),
      extended: countSchema.describe('How many were locked, or locked longer.'),
      otherMode: countSchema.describe('How many it left alone because of a retention in another mode.'),
      denied: countSchema.describe('How many it may not change: the bucket was frozen.'),
      unreadable: countSchema.describe('How many have a record or a lock that cannot be read.'),
      deferred: countSchema
        .optional()
        .describe(
          'How many were written by a clock that was ahead, and are locked by what is certain of them: they are judged again when it is not suspect.',
        ),
    })
    .optional()
    .describe("How far the policy's applyToExisting has come in this bucket; it goes on after a restart."),
  lastLifecycleRun: z
    .object({
      startTime: timeSchema.describe('When the run began, by trusted time.'),
      completionTime: timeSchema.describe('When it ended.'),
      expired: countSchema.describe('How many current versions it expired.'),
      removed: countSchema.describe('How many noncurrent versions and delete markers it removed.'),
      abortedUploads: countSchema.describe('How many uploads it aborted.'),
      locked: countSchema.describe('How many were due, and kept by their locks.'),
      unreadable: countSchema.describe('How many it left alone, because their records cannot be read.'),
    })
    .optional()
    .describe("What the last run of the bucket's lifecycle rules did. Absent: none ended yet."),
  lastDenials: z
    .array(
      z.object({
        time: timeSchema.describe('When, by trusted time.'),
        operation: statusText.describe("The operation, by S3's or the admin API's name."),
        rule: statusText.describe('The rule that denied it.'),
        accessKeyId: statusText.describe('The access key that asked. `*`: several.'),
        key: statusText.optional().describe('The key of the object. Absent: the bucket, or several keys.'),
        versionId: statusText.optional().describe('The version, if one was named.'),
        count: countSchema.describe('How many requests alike it stands for.'),
      }),
    )
    .max(limits.lastDenialsMax)
    .optional()
    .describe(
      'The last few requests that would have changed something in the bucket and were denied, newest first; all are ' +
        'in the audit log. Coarse: written with other changes, or after five minutes.',
    ),
  integrity: z
    .object({
      lastScrubTime: timeSchema
        .optional()
        .describe(
          'When the last scrub of the volume ended. Absent: none that began after the bucket was made.',
        ),
      quarantinedVersions: countSchema.describe(
        'How many versions have damaged bytes; reads of them are refused.',
      ),
    })
    .optional()
    .describe('What clients and the scrub found, which reads all bytes of the volume once a week.'),
  policy: z
    .object({
      name: nameSchema.describe('The name of the RetentionPolicy.'),
      uid: nameSchema.describe('Its uid: a policy that was made again has another.'),
      generation: countSchema.describe('Its generation, which counts the changes of its spec.'),
    })
    .optional()
    .describe('The policy that the lock server enforces, as it was when it was applied.'),
  floor: z
    .object(retentionFields)
    .optional()
    .describe(
      'What the lock server will not go below, for anybody. Absent: no COMPLIANCE policy applied yet.',
    ),
  lastVerifiedTime: timeSchema
    .optional()
    .describe('When the server was last asked. Coarse: not every check is written.'),
  ...handledFields,
  deletionProtected: z
    .boolean()
    .optional()
    .describe(
      'True unless the last check proved that no locked version and no hold is left; with deletionPolicy Delete, no version.',
    ),
})
export type LockedBucketStatus = z.output<typeof lockedBucketStatusSchema>

/** A LockedBucket as the API server or the directory source has it. */
export const lockedBucketSchema = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('LockedBucket'),
  metadata: objectMetadataSchema,
  spec: baseSpecSchema,
  status: lockedBucketStatusSchema.optional(),
})
export type LockedBucket = z.output<typeof lockedBucketSchema>

/** What is wrong with applying `next` over `old` (null: creation); see `validateRetentionPolicy`. */
export function validateLockedBucket(
  old: { readonly spec: LockedBucketSpec } | null,
  next: { readonly spec: unknown },
): readonly Violation[] {
  return violationsOfSpec(lockedBucketSpecSchema, { old, next }, (change) =>
    brokenTransitions(lockedBucketRules, ['spec'], change),
  )
}
