/** The words in which the cases of the CRDs' rules are written. */
import type { ApiKind } from '../../../src/api/manifest.ts'

export type RuleCase = {
  readonly title: string
  readonly kind: ApiKind
  readonly old: object | null
  readonly next: object
  readonly expected: 'accepted' | { readonly rule: string; readonly path: string }
}

export type Refusal = { readonly rule: string; readonly path: string }
export const refused = (name: string, path: string): Refusal => ({ rule: name, path })
export const schema = (path: string): Refusal => refused('Schema', path)
