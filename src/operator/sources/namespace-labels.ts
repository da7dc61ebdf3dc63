import { isDeepStrictEqual } from 'node:util'
import type { Labels } from '../../api/label-selector.ts'

/** The labels of all namespaces. Tells whether a step changed any: all else that happens to a namespace binds nobody otherwise. */
export class NamespaceLabels {
  readonly #labels = new Map<string, Labels>()
  #all: ReadonlyMap<string, Labels> | null = null

  /** The same map until something changes. */
  all(): ReadonlyMap<string, Labels> {
    this.#all ??= new Map(this.#labels)
    return this.#all
  }

  /** null: the namespace is gone. */
  take(name: string, labels: Labels | null): boolean {
    if (isDeepStrictEqual(this.#labels.get(name) ?? null, labels)) return false
    if (labels === null) this.#labels.delete(name)
    else this.#labels.set(name, labels)
    this.#all = null
    return true
  }
}
