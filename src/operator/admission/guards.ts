/** What a ValidatingAdmissionPolicy of ours is made of. */
import type { ApiKind } from '../../api/manifest.ts'
import { apiGroup } from '../../api/metadata.ts'

type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
type Reason = 'Forbidden' | 'Invalid'
type Target = {
  readonly apiGroups: readonly string[]
  readonly operations: readonly Operation[]
  readonly resources: readonly string[]
}
export type Check = {
  /** CEL that is true when the request may go on. */
  readonly expression: string
  readonly message: string
  /** CEL that makes a text with the object's own values; `message` when it cannot. */
  readonly messageExpression?: string
  readonly reason: Reason
}
export type Guard = {
  readonly name: string
  readonly actions: readonly ('Deny' | 'Warn' | 'Audit')[]
  readonly targets: readonly Target[]
  /**
   * Judged once for each object of this kind, `params` in CEL. Whether they are known is a matter of the API server's caches, for seconds
   * after its CRD was made: such a guard fails open, so it is for what is judged again elsewhere.
   */
  readonly parameters?: ApiKind
  /** Only requests for which this is true are judged. */
  readonly condition?: string
  readonly variables?: Readonly<Record<string, string>>
  readonly checks: readonly Check[]
}

export const deny = ['Deny', 'Audit'] as const
export const warn = ['Warn', 'Audit'] as const
/** Resources of this group, also those that a later release brings. */
export const ours = { apiGroups: [apiGroup], resources: ['*'] } as const

/** CEL: whether RBAC gives the caller this verb on this object. */
export function celMay(verb: string, object: string): string {
  return (
    `authorizer.group('${apiGroup}').resource(request.resource.resource).namespace(request.namespace)` +
    `.name(${object}.metadata.name).check('${verb}').allowed()`
  )
}

/** CEL: what a list of these texts has between its brackets. None has a quote. */
export function celTexts(texts: readonly string[]): string {
  return texts.map((text) => `'${text}'`).join(', ')
}

/** CEL: a period for people, the twin of `formatPeriod`. */
export function celPeriod(period: string): string {
  const text = (unit: string) =>
    `string(${period}.${unit}s) + (${period}.${unit}s == 1 ? ' ${unit}' : ' ${unit}s')`
  return `(has(${period}.years) ? ${text('year')} : ${text('day')})`
}

/** CEL: whether the label selector selects what has these labels; the twin of `selects`. */
export function celSelects(selector: string, labels: string): string {
  const isIn = `e.key in ${labels} && ${labels}[e.key] in e.values`
  return (
    `(!has(${selector}.matchLabels) || ` +
    `${selector}.matchLabels.all(k, k in ${labels} && ${labels}[k] == ${selector}.matchLabels[k])) && ` +
    `(!has(${selector}.matchExpressions) || ${selector}.matchExpressions.all(e, ` +
    `e.operator == 'In' ? ${isIn} : e.operator == 'NotIn' ? !(${isIn}) : ` +
    `e.operator == 'Exists' ? e.key in ${labels} : !(e.key in ${labels})))`
  )
}
