/** Lifecycle rules in manifests: S3's, in the words and the form of Kubernetes. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { epochMs } from '../lib/units.ts'
import type { LifecycleExpiration, LifecycleFilter, LifecycleRule } from '../lock/lifecycle.ts'
import { tagListSchema } from './bucket-tags.ts'
import { type ApiRule, asListMap, withRules } from './rules.ts'

const days = (sentence: string) => z.int().min(1).max(limits.lifecycleDaysMax).describe(sentence)
const size = (sentence: string) =>
  z.int().min(0).max(limits.lifecycleSizeBytesMax).describe(sentence).optional()

const baseFilterSchema = z.object({
  prefix: z
    .string()
    .min(1)
    .max(limits.prefixRuleBytesMax)
    .refine((prefix) => prefix.isWellFormed(), { error: 'a prefix is Unicode text without half characters' })
    .optional()
    .describe('Keys that begin with these characters.'),
  tags: tagListSchema(limits.objectTagsMax)
    .min(1)
    .optional()
    .describe('Objects that have all of these tags.'),
  objectSizeGreaterThan: size('Objects of more bytes than this.'),
  objectSizeLessThan: size('Objects of fewer bytes than this.'),
})
type FilterFields = z.output<typeof baseFilterSchema>

const sizesOrdered: ApiRule<FilterFields> = {
  name: 'LifecycleSizesOrdered',
  cel:
    '!has(self.objectSizeLessThan) || ' +
    '(has(self.objectSizeGreaterThan) ? self.objectSizeGreaterThan : 0) < self.objectSizeLessThan',
  message: 'objectSizeLessThan must be greater than objectSizeGreaterThan, and than 0',
  reason: 'FieldValueInvalid',
  fieldPath: ['objectSizeLessThan'],
  holds: ({ objectSizeGreaterThan = 0, objectSizeLessThan }) =>
    objectSizeLessThan === undefined || objectSizeGreaterThan < objectSizeLessThan,
}

const baseExpirationSchema = z.object({
  days: days('Days after an object was written, rounded up to the next midnight UTC.').optional(),
  date: z
    .string()
    .max(10)
    .regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/, { error: 'a date, for example 2031-01-01' })
    .refine((date) => isDay(date), { error: 'there is no such day' })
    .meta({ format: 'date' })
    .optional()
    .describe('From this midnight UTC on, every object, also those that are written later.'),
  expiredObjectDeleteMarker: z
    .boolean()
    .optional()
    .describe('Whether a delete marker goes when no version is left below it.'),
})
type ExpirationFields = z.output<typeof baseExpirationSchema>

const expirationOne: ApiRule<ExpirationFields> = {
  name: 'LifecycleExpirationOne',
  cel:
    '(has(self.days) ? 1 : 0) + (has(self.date) ? 1 : 0) + ' +
    '(has(self.expiredObjectDeleteMarker) ? 1 : 0) == 1',
  message: 'set exactly one of days, date and expiredObjectDeleteMarker',
  reason: 'FieldValueInvalid',
  fieldPath: [],
  holds: ({ days: after, date, expiredObjectDeleteMarker }) =>
    [after, date, expiredObjectDeleteMarker].filter((each) => each !== undefined).length === 1,
}

const baseRuleSchema = z.object({
  id: z.string().min(1).max(limits.ruleIdLengthMax).describe('Names the rule; no two have the same.'),
  status: z
    .enum(['Enabled', 'Disabled'])
    .optional()
    .describe('Whether the rule is carried out. Enabled when absent.'),
  filter: withRules(baseFilterSchema, [sizesOrdered])
    .optional()
    .describe('Which objects the rule is about: those that meet all of it. Absent: all objects.'),
  expiration: withRules(baseExpirationSchema, [expirationOne])
    .optional()
    .describe('What becomes of current versions: a delete marker hides them; they are not removed.'),
  noncurrentVersionExpiration: z
    .object({
      noncurrentDays: days('Days since a newer version took its place.'),
      newerNoncurrentVersions: z
        .int()
        .min(1)
        .max(limits.newerNoncurrentVersionsMax)
        .optional()
        .describe('So many of the newest noncurrent versions stay, whatever their age.'),
    })
    .optional()
    .describe('When versions that are not current are removed. A locked one stays until its lock ends.'),
  abortIncompleteMultipartUpload: z
    .object({ daysAfterInitiation: days('Days after the upload began.') })
    .optional()
    .describe('When uploads that were never completed are given up.'),
})
type RuleFields = z.output<typeof baseRuleSchema>

const ruleActs: ApiRule<RuleFields> = {
  name: 'LifecycleRuleActs',
  cel:
    'has(self.expiration) || has(self.noncurrentVersionExpiration) || ' +
    'has(self.abortIncompleteMultipartUpload)',
  message: 'a rule has at least one action',
  reason: 'FieldValueRequired',
  fieldPath: [],
  holds: (rule) =>
    rule.expiration !== undefined ||
    rule.noncurrentVersionExpiration !== undefined ||
    rule.abortIncompleteMultipartUpload !== undefined,
}

const markerFilter: ApiRule<RuleFields> = {
  name: 'LifecycleMarkerFilter',
  cel:
    '!has(self.filter) || !(has(self.filter.tags) || has(self.filter.objectSizeGreaterThan) || ' +
    'has(self.filter.objectSizeLessThan)) || !(has(self.abortIncompleteMultipartUpload) || ' +
    '(has(self.expiration) && has(self.expiration.expiredObjectDeleteMarker)))',
  message: 'neither delete markers nor uploads have tags or a size: filter them by prefix only',
  reason: 'FieldValueInvalid',
  fieldPath: ['filter'],
  holds: ({ filter = {}, expiration, abortIncompleteMultipartUpload: abort }) => {
    const { tags, objectSizeGreaterThan, objectSizeLessThan } = filter
    const isOfObjects = [tags, objectSizeGreaterThan, objectSizeLessThan].some((each) => each !== undefined)
    return !isOfObjects || (abort === undefined && expiration?.expiredObjectDeleteMarker === undefined)
  },
}

/** Every rule of a lifecycle, for the table of cases. */
export const lifecycleRules: readonly ApiRule<never>[] = [sizesOrdered, expirationOne, ruleActs, markerFilter]

/** At most 32 rules: S3 takes more, but a manifest is read by people, and the API server prices its rules. */
export const lifecycleSchema = z.object({
  rules: asListMap(
    z.array(withRules(baseRuleSchema, [ruleActs, markerFilter])).max(limits.manifestLifecycleRulesMax),
    'id',
  ).describe('The rules. An empty list: the bucket has no lifecycle.'),
})

/** What the lock server is told. The rules are valid. */
export function toLifecycleRules({ rules }: z.output<typeof lifecycleSchema>): readonly LifecycleRule[] {
  return rules.map((rule) => {
    const { noncurrentVersionExpiration: noncurrent, abortIncompleteMultipartUpload: abort } = rule
    return {
      id: rule.id,
      status: rule.status ?? 'Enabled',
      filter: toFilter(rule.filter ?? {}),
      expiration: rule.expiration === undefined ? null : toExpiration(rule.expiration),
      noncurrentVersionExpiration:
        noncurrent === undefined
          ? null
          : {
              noncurrentDays: noncurrent.noncurrentDays,
              newerNoncurrentVersions: noncurrent.newerNoncurrentVersions ?? null,
            },
      abortIncompleteMultipartUpload:
        abort === undefined ? null : { daysAfterInitiation: abort.daysAfterInitiation },
    }
  })
}

/** S3 writes one condition plainly and several with And. */
function toFilter({ prefix, tags = [], ...sizes }: FilterFields): LifecycleFilter {
  const { objectSizeGreaterThan, objectSizeLessThan } = sizes
  const conditions = [prefix, objectSizeGreaterThan, objectSizeLessThan].filter((each) => each !== undefined)
  return {
    form: conditions.length + tags.length > 1 ? 'And' : 'Filter',
    prefix: prefix ?? null,
    tags: tags.map(({ key, value }) => ({ key, value })),
    sizeGreaterThan: objectSizeGreaterThan ?? null,
    sizeLessThan: objectSizeLessThan ?? null,
  }
}

function toExpiration({
  days: after,
  date,
  expiredObjectDeleteMarker,
}: ExpirationFields): LifecycleExpiration {
  if (after !== undefined) return { kind: 'days', days: after }
  if (date !== undefined) return { kind: 'date', dateMs: epochMs(Date.parse(date)) }
  return { kind: 'expiredObjectDeleteMarker', isWanted: expiredObjectDeleteMarker === true }
}

/** A full-date of RFC 3339 from 1970 on: 30 February is none. */
function isDay(date: string): boolean {
  const parsedMs = Date.parse(date)
  return parsedMs >= 0 && new Date(parsedMs).toISOString().startsWith(date)
}
