/** The CRD RetentionPolicy: its schema, its rules and what it means to the lock. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { compareBounds } from '../lock/compare.ts'
import { daysMax } from '../lock/periods.ts'
import type { BucketRetention, RetentionBounds } from '../lock/types.ts'
import { handledFields } from './annotations.ts'
import { apiVersion, objectMetadataSchema } from './metadata.ts'
import { celCovers, covers, daysXorYears, type PeriodFields, periodFields, toPeriod } from './periods.ts'
import {
  type ApiRule,
  asListMap,
  brokenTransitions,
  type Violation,
  violationsOfSpec,
  withRules,
} from './rules.ts'
import { conditionsSchema, observedGenerationSchema } from './status.ts'

const modeSchema = z
  .enum(['GOVERNANCE', 'COMPLIANCE'])
  .describe(
    'GOVERNANCE: a caller who holds s3:BypassGovernanceRetention and sends the bypass header may delete ' +
      'earlier. COMPLIANCE: nobody may, root included, and the policy can only get stricter.',
  )

type DefaultRetentionFields = PeriodFields & { readonly mode: 'GOVERNANCE' | 'COMPLIANCE' }

const complianceModeKept: ApiRule<DefaultRetentionFields> = {
  name: 'ComplianceModeKept',
  cel: "oldSelf.mode != 'COMPLIANCE' || self.mode == 'COMPLIANCE'",
  message: 'a COMPLIANCE policy stays COMPLIANCE: nobody can weaken it, cluster administrators included',
  reason: 'FieldValueForbidden',
  fieldPath: ['mode'],
  holds: (next, old) => old?.mode !== 'COMPLIANCE' || next.mode === 'COMPLIANCE',
}

const complianceDefaultKept: ApiRule<DefaultRetentionFields> = {
  name: 'ComplianceDefaultKept',
  cel: `oldSelf.mode != 'COMPLIANCE' || ${celCovers('self', 'oldSelf')}`,
  message:
    'the default retention of a COMPLIANCE policy can only get longer ' +
    '(when the unit changes, a year counts as 366 days on the old side and as 365 days on the new)',
  reason: 'FieldValueForbidden',
  fieldPath: [],
  holds: (next, old) => old?.mode !== 'COMPLIANCE' || covers(next, old),
}

const defaultRetentionRules = [daysXorYears, complianceModeKept, complianceDefaultKept] as const

const defaultRetentionSchema = withRules(
  z
    .object({ mode: modeSchema, ...periodFields })
    .describe("What every new version gets unless its writer asks otherwise: S3's DefaultRetention."),
  defaultRetentionRules,
)

const prefixSchema = withRules(
  z
    .string()
    .min(1)
    .max(limits.prefixRuleBytesMax)
    .refine((prefix) => prefix.isWellFormed(), { error: 'a prefix is Unicode text without half characters' })
    .describe('Keys that begin with these characters. Compared byte by byte in UTF-8; no wildcards.'),
  [
    {
      name: 'PrefixBytes',
      cel: `bytes(self).size() <= ${limits.prefixRuleBytesMax}`,
      message: `a prefix has at most ${limits.prefixRuleBytesMax} bytes of UTF-8`,
      reason: 'FieldValueInvalid',
      fieldPath: [],
      holds: (prefix) => new TextEncoder().encode(prefix).length <= limits.prefixRuleBytesMax,
    },
  ],
)

const ruleSchema = withRules(z.object({ prefix: prefixSchema, ...periodFields }), [daysXorYears]).describe(
  "A longer period for keys with a prefix, in the default's mode.",
)

const rulesSchema = asListMap(z.array(ruleSchema).max(limits.prefixRulesMax), 'prefix').describe(
  'Longer periods for keys with a prefix. A key gets the longest of the default and of all rules whose ' +
    'prefix it begins with; a rule never shortens the default.',
)

function boundSchema(sentence: string) {
  return withRules(z.object(periodFields), [daysXorYears]).describe(sentence).optional()
}

const baseSpecSchema = z.object({
  defaultRetention: defaultRetentionSchema,
  rules: rulesSchema.optional(),
  minimum: boundSchema(
    'The shortest retention that clients may ask for, counted from their request. A shorter date, a ' +
      "weaker mode than the policy's or a bypassed shortening below it is refused; " +
      'extending what is in force never is.',
  ),
  maximum: boundSchema(
    'The longest retention that clients may ask for, counted from their request. A later date is refused, ' +
      'never shortened. The default and the rules are not bound by it.',
  ),
  applyToExisting: z
    .enum(['No', 'ExtendOnly', 'IncludingModeChange'])
    .optional()
    .describe(
      'What becomes of versions that were there before the policy. No (also when absent): nothing. ExtendOnly: ' +
        'those without a retention and those of the same mode get what a new version would, never a shorter ' +
        'one. IncludingModeChange: GOVERNANCE becomes COMPLIANCE, too. Once done it cannot be undone.',
    ),
  irreversible: z
    .boolean()
    .optional()
    .describe(
      'Confirms that COMPLIANCE retention of more than 366 days is meant: nobody can undo it while it lasts.',
    ),
})

export type RetentionPolicySpec = z.output<typeof baseSpecSchema>

/** The CEL of "no key under a rule of the spec `old` has a shorter period by the spec `next`". */
function celRulesKept(next: string, old: string): string {
  return (
    `!has(${old}.rules) || ${old}.rules.all(o, ` +
    `${celCovers(`${next}.defaultRetention`, 'o')} || (has(${next}.rules) && ${next}.rules.exists(n, ` +
    `o.prefix.startsWith(n.prefix) && ${celCovers('n', 'o')})))`
  )
}

/** The CEL of "no key at all has a shorter period by the spec `next` than by `old`", whatever the modes. */
export function celRetentionKept(next: string, old: string): string {
  return `(${celCovers(`${next}.defaultRetention`, `${old}.defaultRetention`)} && (${celRulesKept(next, old)}))`
}

const complianceRulesKept: ApiRule<RetentionPolicySpec> = {
  name: 'ComplianceRulesKept',
  cel: `oldSelf.defaultRetention.mode != 'COMPLIANCE' || ${celRulesKept('self', 'oldSelf')}`,
  message:
    'no key may get a shorter retention in a COMPLIANCE policy: keep or lengthen every rule, or cover ' +
    'it by an equal or longer rule of a shorter prefix or by the default',
  reason: 'FieldValueForbidden',
  fieldPath: ['rules'],
  holds: (next, old) =>
    old?.defaultRetention.mode !== 'COMPLIANCE' || (old.rules ?? []).every((rule) => isKept(rule, next)),
}

/** The CEL of "what clients have to ask for at least is no shorter by the spec `next` than by `old`", whatever the modes. */
export function celMinimumKept(next: string, old: string): string {
  return `!has(${old}.minimum) || (has(${next}.minimum) && ${celCovers(`${next}.minimum`, `${old}.minimum`)})`
}

const complianceMinimumKept: ApiRule<RetentionPolicySpec> = {
  name: 'ComplianceMinimumKept',
  cel: `oldSelf.defaultRetention.mode != 'COMPLIANCE' || ${celMinimumKept('self', 'oldSelf')}`,
  message: 'the minimum of a COMPLIANCE policy can only get longer, and stays once it is set',
  reason: 'FieldValueForbidden',
  fieldPath: ['minimum'],
  holds: (next, old) =>
    old === null || compareBounds(old.defaultRetention.mode, toBounds(old), toBounds(next)) !== 'weaker',
}

const boundsOrdered: ApiRule<RetentionPolicySpec> = {
  name: 'BoundsOrdered',
  cel: `!has(self.minimum) || !has(self.maximum) || ${celCovers('self.maximum', 'self.minimum')}`,
  message: 'maximum must be at least minimum (write both in days or both in years)',
  reason: 'FieldValueInvalid',
  fieldPath: ['maximum'],
  holds: ({ minimum, maximum }) => minimum === undefined || maximum === undefined || covers(maximum, minimum),
}

/** The CEL of "a COMPLIANCE period short enough to need no confirmation"; the longest that a year can be still is. */
export function celIsConfirmationFree(period: string): string {
  const daysLongest = limits.complianceDaysUnconfirmedMax
  return `(has(${period}.days) ? ${period}.days <= ${daysLongest} : ${period}.years * 366 <= ${daysLongest})`
}

const irreversibleConfirmed: ApiRule<RetentionPolicySpec> = {
  name: 'IrreversibleConfirmed',
  cel:
    "self.defaultRetention.mode != 'COMPLIANCE' || (has(self.irreversible) && self.irreversible) || " +
    `(${celIsConfirmationFree('self.defaultRetention')} && (!has(self.minimum) || ${celIsConfirmationFree('self.minimum')}) && ` +
    `(!has(self.rules) || self.rules.all(r, ${celIsConfirmationFree('r')})))`,
  message:
    'COMPLIANCE retention of more than 366 days cannot be undone by anybody while it lasts: ' +
    'confirm it with spec.irreversible: true',
  reason: 'FieldValueRequired',
  fieldPath: ['irreversible'],
  holds: ({ defaultRetention, minimum, rules = [], irreversible }) => {
    if (defaultRetention.mode !== 'COMPLIANCE' || irreversible === true) return true
    const periods = [defaultRetention, ...(minimum === undefined ? [] : [minimum]), ...rules]
    return periods.every((period) => daysMax(toPeriod(period)) <= limits.complianceDaysUnconfirmedMax)
  },
}

/** Every rule of `spec`, for the table of cases. */
export const retentionPolicyRules: readonly ApiRule<RetentionPolicySpec>[] = [
  complianceRulesKept,
  complianceMinimumKept,
  boundsOrdered,
  irreversibleConfirmed,
]

/**
 * The whole spec. On the required parent: a transition rule on an optional field does not run when it is
 * unset.
 */
export const retentionPolicySpecSchema = withRules(baseSpecSchema, retentionPolicyRules)

export const retentionPolicyStatusSchema = z.object({
  observedGeneration: observedGenerationSchema,
  conditions: conditionsSchema,
  retention: z
    .string()
    .max(64)
    .optional()
    .describe('The default period and the number of rules, for people: `7 days, 1 rule`.'),
  bucketCount: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe('How many LockedBuckets refer to this policy.'),
  deletionProtected: z
    .boolean()
    .optional()
    .describe('True while a LockedBucket refers to this policy: deleting it is refused.'),
  ...handledFields,
})
export type RetentionPolicyStatus = z.output<typeof retentionPolicyStatusSchema>

/** A RetentionPolicy as the API server or the directory source has it. */
export const retentionPolicySchema = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('RetentionPolicy'),
  metadata: objectMetadataSchema,
  spec: baseSpecSchema,
  status: retentionPolicyStatusSchema.optional(),
})
export type RetentionPolicy = z.output<typeof retentionPolicySchema>

/**
 * What is wrong with applying `next` over `old` (null: creation): all that the API server would refuse, with
 * the same messages. Empty: nothing. An invalid spec is not compared with the old one.
 */
export function validateRetentionPolicy(
  old: { readonly spec: RetentionPolicySpec } | null,
  next: { readonly spec: unknown },
): readonly Violation[] {
  return violationsOfSpec(retentionPolicySpecSchema, { old, next }, (change) => [
    ...brokenTransitions(defaultRetentionRules, ['spec', 'defaultRetention'], {
      old: change.old.defaultRetention,
      next: change.next.defaultRetention,
    }),
    ...brokenTransitions(retentionPolicyRules, ['spec'], change),
  ])
}

/** What the policy makes a bucket stamp on its new versions. The spec is valid. */
export function toBucketRetention({ defaultRetention, rules = [] }: RetentionPolicySpec): BucketRetention {
  return {
    defaultRetention: { mode: defaultRetention.mode, period: toPeriod(defaultRetention) },
    prefixRules: rules.map((rule) => ({ prefix: rule.prefix, period: toPeriod(rule) })),
  }
}

/** The policy's bounds on the dates that clients ask for. The spec is valid. */
export function toBounds({ minimum, maximum }: RetentionPolicySpec): RetentionBounds {
  return {
    minimum: minimum === undefined ? null : toPeriod(minimum),
    maximum: maximum === undefined ? null : toPeriod(maximum),
  }
}

/**
 * True when every key of the rule keeps at least its period: by the default or by a rule of an equal or
 * shorter prefix.
 */
function isKept(rule: PeriodFields & { readonly prefix: string }, next: RetentionPolicySpec): boolean {
  return (
    covers(next.defaultRetention, rule) ||
    (next.rules ?? []).some((other) => rule.prefix.startsWith(other.prefix) && covers(other, rule))
  )
}
