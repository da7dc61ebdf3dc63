/** What the statuses of all kinds have in common: metav1.Condition and observedGeneration. */
import { z } from 'zod'

/** A million times a million: far beyond what etcd would count. */
const generationMax = Number.MAX_SAFE_INTEGER

/**
 * -1 until the operator has seen the object (the CRD's default), so that kstatus does not read "no status" as
 * ready.
 */
export const observedGenerationSchema = z
  .int()
  .min(-1)
  .max(generationMax)
  .optional()
  .describe('The generation of the spec that this status speaks of; -1: not seen yet.')

const conditionTypePrefix = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/'
const conditionTypePattern = new RegExp(
  `^(${conditionTypePrefix})?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`,
)

/** metav1.Condition, exactly. */
export const conditionSchema = z.object({
  type: z
    .string()
    .max(316)
    .regex(conditionTypePattern)
    .describe('What the condition is about, in CamelCase.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  observedGeneration: z
    .int()
    .min(0)
    .max(generationMax)
    .optional()
    .describe('The generation of the spec that this condition speaks of.'),
  lastTransitionTime: z.string().meta({ format: 'date-time' }).describe('When the status last flipped.'),
  reason: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .describe('Why, in one CamelCase word; for programs.'),
  message: z.string().max(32_768).describe('Why, in a sentence; for people.'),
})
export type Condition = z.output<typeof conditionSchema>

export const conditionsSchema = z
  .array(conditionSchema)
  .max(32)
  .optional()
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
  .describe('The state in the words of Kubernetes: Ready, Reconciling, Stalled and more.')
