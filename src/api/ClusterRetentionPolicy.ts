/** The CRD ClusterRetentionPolicy: its schema and its rules. What it does to a policy: cluster-retention.ts. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { daysMax } from '../lock/periods.ts'
import { handledFields } from './annotations.ts'
import { labelSelectorSchema } from './label-selector.ts'
import { apiVersion, clusterObjectMetadataSchema } from './metadata.ts'
import { celCovers, covers, daysXorYears, periodFields, toPeriod } from './periods.ts'
import { celIsConfirmationFree } from './RetentionPolicy.ts'
import { type ApiRule, type Violation, violationsOf, withRules } from './rules.ts'
import { conditionsSchema, observedGenerationSchema } from './status.ts'

const modeSchema = z.enum(['GOVERNANCE', 'COMPLIANCE'])

const floorSchema = withRules(z.object({ mode: modeSchema.describe('The weakest mode.'), ...periodFields }), [
  daysXorYears,
]).describe(
  'The weakest default retention. A bucket gets the stronger mode and the longer period of this and of its ' +
    'RetentionPolicy. It is about the default: a date that a client asks for is bound by the minimum of the ' +
    'RetentionPolicy, as on S3.',
)

const ceilingSchema = withRules(z.object(periodFields), [daysXorYears]).describe(
  'The longest retention. A RetentionPolicy that asks for more is not applied, and what the server enforces ' +
    'stays; clients may not ask for a later date, whatever the maximum of the RetentionPolicy.',
)

const baseSpecSchema = z.object({
  namespaceSelector: labelSelectorSchema.describe(
    'The namespaces that are bound, by their labels; {} binds all of them.',
  ),
  floor: floorSchema.optional(),
  ceiling: ceilingSchema.optional(),
  allowedModes: z
    .array(modeSchema)
    .min(1)
    .max(2)
    .superRefine((modes, context) => {
      if (new Set(modes).size === modes.length) return
      context.addIssue({ code: 'custom', message: 'a mode is there twice', path: [1], continue: false })
    })
    .meta({ 'x-kubernetes-list-type': 'set' })
    .optional()
    .describe('The modes that a RetentionPolicy may have. Absent: both.'),
  irreversible: z
    .boolean()
    .optional()
    .describe(
      'Confirms that COMPLIANCE retention of more than 366 days is meant for every bucket it raises.',
    ),
})
export type ClusterRetentionPolicySpec = z.output<typeof baseSpecSchema>

const asksSomething: ApiRule<ClusterRetentionPolicySpec> = {
  name: 'AsksSomething',
  cel: 'has(self.floor) || has(self.ceiling) || has(self.allowedModes)',
  message: 'set at least one of floor, ceiling and allowedModes',
  reason: 'FieldValueRequired',
  fieldPath: [],
  holds: ({ floor, ceiling, allowedModes }) =>
    [floor, ceiling, allowedModes].some((each) => each !== undefined),
}

const floorBelowCeiling: ApiRule<ClusterRetentionPolicySpec> = {
  name: 'FloorBelowCeiling',
  cel: `!has(self.floor) || !has(self.ceiling) || ${celCovers('self.ceiling', 'self.floor')}`,
  message: 'ceiling must be at least floor (write both in days or both in years)',
  reason: 'FieldValueInvalid',
  fieldPath: ['ceiling'],
  holds: ({ floor, ceiling }) => floor === undefined || ceiling === undefined || covers(ceiling, floor),
}

const floorModeAllowed: ApiRule<ClusterRetentionPolicySpec> = {
  name: 'FloorModeAllowed',
  cel: '!has(self.floor) || !has(self.allowedModes) || self.floor.mode in self.allowedModes',
  message: 'the mode of the floor must be one of allowedModes',
  reason: 'FieldValueInvalid',
  fieldPath: ['allowedModes'],
  holds: ({ floor, allowedModes }) =>
    floor === undefined || allowedModes === undefined || allowedModes.includes(floor.mode),
}

const floorConfirmed: ApiRule<ClusterRetentionPolicySpec> = {
  name: 'FloorConfirmed',
  cel:
    "!has(self.floor) || self.floor.mode != 'COMPLIANCE' || (has(self.irreversible) && self.irreversible) || " +
    celIsConfirmationFree('self.floor'),
  message:
    'a floor of more than 366 days in COMPLIANCE cannot be undone by anybody in any bucket that it reaches: ' +
    'confirm it with spec.irreversible: true',
  reason: 'FieldValueRequired',
  fieldPath: ['irreversible'],
  holds: ({ floor, irreversible }) =>
    floor?.mode !== 'COMPLIANCE' ||
    irreversible === true ||
    daysMax(toPeriod(floor)) <= limits.complianceDaysUnconfirmedMax,
}

/** None compares with the old spec: loosening is allowed, and reaches what is edited later. */
export const clusterRetentionPolicyRules: readonly ApiRule<ClusterRetentionPolicySpec>[] = [
  asksSomething,
  floorBelowCeiling,
  floorModeAllowed,
  floorConfirmed,
]
export const clusterRetentionPolicySpecSchema = withRules(baseSpecSchema, clusterRetentionPolicyRules)

const countSchema = z.int().min(0).max(1_000_000)

export const clusterRetentionPolicyStatusSchema = z.object({
  observedGeneration: observedGenerationSchema,
  conditions: conditionsSchema,
  range: z
    .object({
      floor: z.string().max(64).optional().describe('The weakest default retention: `COMPLIANCE 7 days`.'),
      ceiling: z.string().max(64).optional().describe('The longest retention: `10 years`.'),
    })
    .optional()
    .describe('Floor and ceiling, for people.'),
  namespaceCount: countSchema.optional().describe('How many namespaces it binds.'),
  bucketCount: countSchema.optional().describe('How many LockedBuckets are in them.'),
  ...handledFields,
})
export type ClusterRetentionPolicyStatus = z.output<typeof clusterRetentionPolicyStatusSchema>

/** A ClusterRetentionPolicy as the API server or the directory source has it; its namespace is the empty text. */
export const clusterRetentionPolicySchema = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('ClusterRetentionPolicy'),
  metadata: clusterObjectMetadataSchema,
  spec: baseSpecSchema,
  status: clusterRetentionPolicyStatusSchema.optional(),
})
export type ClusterRetentionPolicy = z.output<typeof clusterRetentionPolicySchema>

/** What is wrong with a spec, whatever it was before; see `validateRetentionPolicy`. */
export function validateClusterRetentionPolicy(next: { readonly spec: unknown }): readonly Violation[] {
  return violationsOf(clusterRetentionPolicySpecSchema.safeParse(next.spec), ['spec'])
}
