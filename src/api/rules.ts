/**
 * A rule of the CRDs that is more than a schema: its CEL for the API server and its twin in TypeScript for
 * standalone and `holdfast plan`, side by side. test/unit/api/rule-cases.ts holds both to one table.
 */
import type { z } from 'zod'

export type ApiRule<Value> = {
  /** Names the rule in tests and answers. */
  readonly name: string
  /** The CEL expression; one that mentions `oldSelf` is a transition rule and runs on updates only. */
  readonly cel: string
  /** Static: a computed message exceeds the cost budget of the API server. */
  readonly message: string
  readonly reason: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired'
  /** The field to blame, relative to the value, e.g. `['rules']`; empty: the value itself. */
  readonly fieldPath: readonly string[]
  /** The twin; `old` is null on creation. */
  readonly holds: (next: Value, old: Value | null) => boolean
}

/** One reason why an object is refused. `path` is written as kubectl writes it, e.g. `spec.rules[0].days`. */
export type Violation = { readonly path: string; readonly rule: string; readonly message: string }

/** The rule named by violations of the schema itself: type, range, length, pattern, a missing field. */
export const schemaRule = 'Schema'

/**
 * Gives the rules to the schema: the CEL as an extension of the CRD, the twins of untransitional rules as
 * checks.
 */
export function withRules<Schema extends z.ZodType>(
  schema: Schema,
  rules: readonly ApiRule<z.output<Schema>>[],
): Schema {
  return schema
    .superRefine((value, context) => {
      for (const rule of rules) {
        if (isTransition(rule) || rule.holds(value, null)) continue
        context.addIssue({
          code: 'custom',
          message: rule.message,
          path: [...rule.fieldPath],
          params: { rule: rule.name },
          // The rules of the parent take a valid value for granted.
          continue: false,
        })
      }
    })
    .meta({ 'x-kubernetes-validations': rules.map(validation) })
}

/** Makes a list a map by `key`: the extension for the API server, which needs no CEL for it, and its twin. */
export function asListMap<Item extends z.ZodType<Readonly<Record<Key, string>>>, Key extends string>(
  schema: z.ZodArray<Item>,
  key: Key,
): z.ZodArray<Item> {
  return schema
    .superRefine((items, context) => {
      const keys = items.map((item) => item[key])
      keys.forEach((value, index) => {
        if (keys.indexOf(value) === index) return
        const message = `duplicate ${key} ${value}`
        context.addIssue({ code: 'custom', message, path: [index], continue: false })
      })
    })
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] })
}

/** The transition rules that `next` breaks against `old`. `path`: where the value lies in the object. */
export function brokenTransitions<Value>(
  rules: readonly ApiRule<Value>[],
  path: readonly PropertyKey[],
  { old, next }: { readonly old: Value; readonly next: Value },
): readonly Violation[] {
  return rules
    .filter((rule) => isTransition(rule) && !rule.holds(next, old))
    .map((rule) => ({
      path: formatPath([...path, ...rule.fieldPath]),
      rule: rule.name,
      message: rule.message,
    }))
}

/**
 * What a parse by a schema found wrong, each with its field; `path`: where the parsed value lies in the
 * object.
 */
export function violationsOf(
  parsed: z.ZodSafeParseResult<unknown>,
  path: readonly PropertyKey[],
): readonly Violation[] {
  if (parsed.success) return []
  return parsed.error.issues.map((issue) => ({
    path: formatPath([...path, ...issue.path]),
    rule: issue.code === 'custom' ? ruleOf(issue.params) : schemaRule,
    message: issue.message,
  }))
}

/** `old` is null on creation. */
type SpecChange<Spec> = {
  readonly old: { readonly spec: Spec } | null
  readonly next: { readonly spec: unknown }
}

/** All that the API server would refuse of a spec. What is invalid by itself is not compared with the old one. */
export function violationsOfSpec<Spec>(
  schema: z.ZodType<Spec>,
  { old, next }: SpecChange<Spec>,
  broken: (change: { readonly old: Spec; readonly next: Spec }) => readonly Violation[],
): readonly Violation[] {
  const parsed = schema.safeParse(next.spec)
  if (!parsed.success || old === null) return violationsOf(parsed, ['spec'])
  return broken({ old: old.spec, next: parsed.data })
}

/** Fields that the schema does not have: a misspelt field must not be dropped in silence. */
export function unknownFields(
  given: unknown,
  parsed: unknown,
  path: readonly PropertyKey[],
): readonly Violation[] {
  if (typeof given !== 'object' || given === null || typeof parsed !== 'object' || parsed === null) return []
  const known = new Map(Object.entries(parsed))
  return Object.entries(given).flatMap(([name, value]) => {
    const here = [...path, Array.isArray(given) ? Number(name) : name]
    if (known.has(name)) return unknownFields(value, known.get(name), here)
    return value === undefined ? [] : [{ path: formatPath(here), rule: schemaRule, message: 'unknown field' }]
  })
}

/** `spec.rules[0].days`, as kubectl and the API server write it. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '')
}

function ruleOf(params: Readonly<Record<string, unknown>> | undefined): string {
  const name = params?.['rule']
  return typeof name === 'string' ? name : schemaRule
}

function isTransition(rule: { readonly cel: string }): boolean {
  return rule.cel.includes('oldSelf')
}

function validation(rule: Omit<ApiRule<never>, 'holds'>): Readonly<Record<string, string>> {
  const { cel, message, reason, fieldPath } = rule
  const where = fieldPath.length === 0 ? {} : { fieldPath: `.${fieldPath.join('.')}` }
  return { rule: cel, message, reason, ...where }
}
