/** metav1.LabelSelector: its schema, its rule and what it selects. */
import { z } from 'zod'
import { limits } from '../lib/limits.ts'
import { type ApiRule, withRules } from './rules.ts'

export type Labels = Readonly<Record<string, string>>
type Expression = {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values?: readonly string[] | undefined
}
export type LabelSelector = {
  readonly matchLabels?: Labels | undefined
  readonly matchExpressions?: readonly Expression[] | undefined
}

/** Kubernetes' own: 253 characters of a prefix, a slash, 63 of a name. */
const keyLengthMax = 317
const valueLengthMax = 63
const labelValue = z
  .string()
  .max(valueLengthMax)
  .regex(/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/, { error: 'the value of a label' })
const labelKey = z
  .string()
  .min(1)
  .max(keyLengthMax)
  .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/, {
    error: 'the key of a label',
  })

const selectorValues: ApiRule<Expression> = {
  name: 'SelectorValues',
  cel:
    "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : " +
    '!has(self.values) || self.values.size() == 0',
  message: 'In and NotIn compare with values, Exists and DoesNotExist have none',
  reason: 'FieldValueInvalid',
  fieldPath: ['values'],
  holds: ({ operator, values = [] }) =>
    operator === 'In' || operator === 'NotIn' ? values.length > 0 : values.length === 0,
}
export const labelSelectorRules: readonly ApiRule<Expression>[] = [selectorValues]

const expressionSchema = withRules(
  z.object({
    key: labelKey.describe('The key of a label.'),
    operator: z
      .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
      .describe('How the label is compared. NotIn and DoesNotExist also select what has no such label.'),
    values: z
      .array(labelValue)
      .max(limits.selectorValuesMax)
      .optional()
      .describe('With In and NotIn: the values.'),
  }),
  labelSelectorRules,
)

/** Every part of it must hold; with none it selects everything. */
export const labelSelectorSchema = z.object({
  matchLabels: z
    .record(z.string(), labelValue)
    .refine((labels) => Object.keys(labels).length <= limits.selectorTermsMax, {
      error: `at most ${limits.selectorTermsMax} labels`,
    })
    .meta({ maxProperties: limits.selectorTermsMax })
    .describe('Labels that must be there with these values.')
    .optional(),
  matchExpressions: z
    .array(expressionSchema)
    .max(limits.selectorTermsMax)
    .optional()
    .describe('Comparisons of labels that must all hold.'),
})

/** By the rules of Kubernetes. */
export function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  const held = new Map(Object.entries(labels))
  return (
    Object.entries(matchLabels).every(([key, value]) => held.get(key) === value) &&
    matchExpressions.every((expression) => holds(expression, held.get(expression.key)))
  )
}

/** The keys of labels that decide. */
export function selectorKeys({ matchLabels = {}, matchExpressions = [] }: LabelSelector): readonly string[] {
  return [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)]
}

function holds({ operator, values = [] }: Expression, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}
