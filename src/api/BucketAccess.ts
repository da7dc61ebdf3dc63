/** The CRD BucketAccess: its schema and its rules. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { accessRoles } from './access-roles.ts'
import { annotations, handledFields, handledSchema } from './annotations.ts'
import { durationSchema, toDuration } from './durations.ts'
import { apiVersion, objectMetadataSchema, objectNameSchema } from './metadata.ts'
import {
  type ApiRule,
  asListMap,
  brokenTransitions,
  type Violation,
  violationsOfSpec,
  withRules,
} from './rules.ts'
import { conditionsSchema, observedGenerationSchema } from './status.ts'

type Rotation = { readonly period?: string | undefined; readonly gracePeriod?: string | undefined }

const rotationPeriodLong: ApiRule<Rotation> = {
  name: 'RotationPeriodLong',
  cel: "!has(self.period) || duration(self.period) >= duration('1h')",
  message: 'a key is not rotated more often than every hour',
  reason: 'FieldValueInvalid',
  fieldPath: ['period'],
  holds: ({ period }) => period === undefined || toDuration(period) >= limits.keyRotationMsMin,
}

const graceWithinPeriod: ApiRule<Rotation> = {
  name: 'GraceWithinPeriod',
  cel: '!has(self.period) || !has(self.gracePeriod) || duration(self.gracePeriod) < duration(self.period)',
  message: 'gracePeriod is shorter than period: there are two keys at most',
  reason: 'FieldValueInvalid',
  fieldPath: ['gracePeriod'],
  holds: ({ period, gracePeriod }) =>
    period === undefined || gracePeriod === undefined || toDuration(gracePeriod) < toDuration(period),
}

const rotationRules = [rotationPeriodLong, graceWithinPeriod] as const

const baseSpecSchema = z.object({
  buckets: asListMap(
    z
      .array(
        z.object({ name: objectNameSchema.describe('The name of a LockedBucket in the same namespace.') }),
      )
      .min(1)
      .max(limits.accessBucketsMax),
    'name',
  ).describe('The LockedBuckets that the keys reach, and no others.'),
  role: z
    .enum(accessRoles)
    .describe(
      'What the keys may do. ReadOnly: read and list. WriteOnly: bring new objects, read and delete nothing. ' +
        'ReadWrite: both, and delete what is not locked. RetentionOfficer: change retention and legal holds and ' +
        'bypass GOVERNANCE, without reading objects. Auditor: see names, locks and settings, without reading objects.',
    ),
  secretName: objectNameSchema
    .optional()
    .describe(
      'The Secret that the operator writes the keys to, in the same namespace, with the endpoint and, where its ' +
        "certificate is by the operator's own authority, that in ca.crt. One that exists already is never overwritten. " +
        'Set either secretName or existingSecret.',
    ),
  existingSecret: objectNameSchema
    .optional()
    .describe(
      'A Secret of the same namespace with keys of your own: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the ' +
        'former pair as PREVIOUS_AWS_ACCESS_KEY_ID and PREVIOUS_AWS_SECRET_ACCESS_KEY if it shall stay valid. It is ' +
        'read and never written. Set either secretName or existingSecret.',
    ),
  rotation: withRules(
    z.object({
      period: durationSchema(
        `A new key is made so long after the last one, for example 720h. Absent: only by the annotation ${annotations.rotateNow}.`,
      ).optional(),
      gracePeriod: durationSchema(
        'How long the former key stays valid after a rotation, for example 24h. 0s: not at all. Absent: until the next ' +
          'rotation.',
      ).optional(),
    }),
    rotationRules,
  )
    .optional()
    .describe(
      'How the keys of secretName are replaced. Two are valid at most, the current and the former one.',
    ),
})

export type BucketAccessSpec = z.output<typeof baseSpecSchema>

const exactlyOneSecret: ApiRule<BucketAccessSpec> = {
  name: 'ExactlyOneSecret',
  cel: 'has(self.secretName) != has(self.existingSecret)',
  message: 'set exactly one of secretName and existingSecret',
  reason: 'FieldValueInvalid',
  fieldPath: [],
  holds: ({ secretName, existingSecret }) => (secretName === undefined) !== (existingSecret === undefined),
}

const rotationOfOwnSecret: ApiRule<BucketAccessSpec> = {
  name: 'RotationOfOwnSecret',
  cel: '!has(self.existingSecret) || !has(self.rotation)',
  message: 'the keys of an existingSecret are rotated by whoever writes it',
  reason: 'FieldValueInvalid',
  fieldPath: ['rotation'],
  holds: ({ existingSecret, rotation }) => existingSecret === undefined || rotation === undefined,
}

const secretNameImmutable: ApiRule<BucketAccessSpec> = {
  name: 'SecretNameImmutable',
  cel:
    'has(self.secretName) == has(oldSelf.secretName) && ' +
    '(!has(self.secretName) || self.secretName == oldSelf.secretName)',
  message:
    'secretName can never be changed: the former Secret would keep its keys. Make another BucketAccess',
  reason: 'FieldValueForbidden',
  fieldPath: ['secretName'],
  holds: (next, old) => old === null || next.secretName === old.secretName,
}

/** Every rule of `spec`, for the table of cases. */
export const bucketAccessRules: readonly ApiRule<BucketAccessSpec>[] = [
  exactlyOneSecret,
  rotationOfOwnSecret,
  secretNameImmutable,
]
export const bucketAccessRotationRules: readonly ApiRule<Rotation>[] = rotationRules
export const bucketAccessSpecSchema = withRules(baseSpecSchema, bucketAccessRules)

const timeSchema = z.string().meta({ format: 'date-time' })

export const bucketAccessStatusSchema = z.object({
  observedGeneration: observedGenerationSchema,
  conditions: conditionsSchema,
  accountId: z
    .string()
    .max(12)
    .optional()
    .describe("The account that the keys belong to: the namespace's, given by the lock server."),
  role: z.enum(accessRoles).optional().describe('The role that the lock server has for the keys.'),
  buckets: z
    .array(z.string().max(limits.bucketNameLengthMax).describe('The name by which S3 clients ask for it.'))
    .max(limits.accessBucketsMax)
    .optional()
    .describe('The buckets that the keys reach, in the order of the spec.'),
  secretName: z.string().max(253).optional().describe('The Secret that has the keys.'),
  endpoint: z.string().max(2048).optional().describe('Where S3 clients reach the buckets.'),
  region: z.string().max(64).optional().describe('The region that S3 clients sign for.'),
  accessKeyIds: z
    .array(z.string().max(128).describe('The id of a key, never its secret.'))
    .max(2)
    .optional()
    .describe('The keys that the lock server takes, the current one first, then the former one.'),
  lastRotatedTime: timeSchema.optional().describe('When the current key was made.'),
  nextRotationTime: timeSchema.optional().describe('When the next one is made. Absent: when asked for.'),
  previousKeyExpiryTime: timeSchema
    .optional()
    .describe(
      'When the former key is refused. Absent: there is none, or it is valid until the next rotation.',
    ),
  ...handledFields,
  lastHandledRotateAt: handledSchema.describe(
    `The value of the annotation ${annotations.rotateNow} that was handled last; its first characters.`,
  ),
})
export type BucketAccessStatus = z.output<typeof bucketAccessStatusSchema>

/** A BucketAccess as the API server or the directory source has it. */
export const bucketAccessSchema = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('BucketAccess'),
  metadata: objectMetadataSchema,
  spec: baseSpecSchema,
  status: bucketAccessStatusSchema.optional(),
})
export type BucketAccess = z.output<typeof bucketAccessSchema>

/** What is wrong with applying `next` over `old` (null: creation); see `validateRetentionPolicy`. */
export function validateBucketAccess(
  old: { readonly spec: BucketAccessSpec } | null,
  next: { readonly spec: unknown },
): readonly Violation[] {
  return violationsOfSpec(bucketAccessSpecSchema, { old, next }, (change) =>
    brokenTransitions(bucketAccessRules, ['spec'], change),
  )
}
