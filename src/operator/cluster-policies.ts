/** Which ClusterRetentionPolicies bind a namespace, as far as the source can say. */
import type { ClusterRetentionPolicy } from '../api/ClusterRetentionPolicy.ts'
import {
  barredRetention,
  bindingPolicies,
  type EffectiveRetention,
  effectiveRetention,
} from '../api/cluster-retention.ts'
import type { Labels } from '../api/label-selector.ts'
import type { RetentionPolicySpec } from '../api/RetentionPolicy.ts'
import type { ObjectKey } from './objects.ts'
import type { Source } from './sources/source.ts'

/**
 * `unreadable`: an operator of some namespaces may not look at what is of the whole cluster. `pending`: the source has
 * not seen the namespace yet, so nobody can say what binds it. `unparsable`: some of them cannot be understood, so nobody
 * can say whom they bind, and to what.
 */
export type ClusterPolicies =
  | { readonly kind: 'known'; readonly policies: readonly ClusterRetentionPolicy[] }
  | { readonly kind: 'pending' }
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'unparsable'; readonly names: readonly string[] }

/** All by which a namespace is bound, read once. */
type BindingFacts = {
  readonly namespaces: ReadonlyMap<string, Labels> | null
  readonly policies: readonly ClusterRetentionPolicy[]
  /** Names of those that nobody understands. */
  readonly unparsable: readonly string[]
}

export function clusterPoliciesOf(source: Source, namespace: string): ClusterPolicies {
  return bindingOf(bindingFacts(source), namespace)
}

function bindingFacts(source: Source): BindingFacts {
  return {
    namespaces: source.namespaces(),
    policies: source.list('ClusterRetentionPolicy'),
    unparsable: [...source.unparsable('ClusterRetentionPolicy').values()]
      .map(({ metadata }) => metadata.name)
      .sort(),
  }
}

function bindingOf({ namespaces, policies, unparsable }: BindingFacts, namespace: string): ClusterPolicies {
  if (namespaces === null) return { kind: 'unreadable' }
  if (unparsable.length > 0) return { kind: 'unparsable', names: unparsable }
  if (policies.length === 0) return { kind: 'known', policies }
  const labels = namespaces.get(namespace)
  return labels === undefined
    ? { kind: 'pending' }
    : { kind: 'known', policies: bindingPolicies(policies, labels) }
}

/** What a valid policy comes to under them. Begun without those that nobody understands, it might be too weak, or too long. */
export function effectiveUnder(cluster: ClusterPolicies, spec: RetentionPolicySpec): EffectiveRetention {
  if (cluster.kind === 'unparsable')
    return barredRetention(spec, {
      reason: 'ClusterPolicyUnparsable',
      message: unparsableSentence(cluster.names),
    })
  return effectiveRetention(spec, cluster.kind === 'known' ? cluster.policies : [])
}

export function unparsableSentence(names: readonly string[]): string {
  return `This operator cannot understand ClusterRetentionPolicy ${names.join(', ')}, so nobody can say what it asks for.`
}

/**
 * Tells which namespaces are bound otherwise than when it was last asked; the first time all of them. A status of a
 * policy binds nobody otherwise.
 */
export class BindingChanges {
  readonly #revisions = new Map<string, string>()
  #namespaces: BindingFacts['namespaces'] = null
  #asked = ''

  /** Of the objects whose namespaces are bound otherwise now. */
  keysOf(source: Source, objects: readonly { readonly metadata: ObjectKey }[]): readonly ObjectKey[] {
    const facts = bindingFacts(source)
    const isAsBefore = this.#isAsBefore(facts)
    const changed = new Set<string>()
    for (const namespace of new Set(objects.map(({ metadata }) => metadata.namespace))) {
      if (isAsBefore && this.#revisions.has(namespace)) continue
      const revision = revisionOf(bindingOf(facts, namespace))
      if (this.#revisions.get(namespace) !== revision) changed.add(namespace)
      this.#revisions.set(namespace, revision)
    }
    return objects
      .filter(({ metadata }) => changed.has(metadata.namespace))
      .map(({ metadata }) => ({ namespace: metadata.namespace, name: metadata.name }))
  }

  /** One change of a namespace is told once for each policy: all but the first find what was judged already. */
  #isAsBefore(facts: BindingFacts): boolean {
    const asked = JSON.stringify([facts.policies.map(revisionOfPolicy), facts.unparsable])
    const isAsBefore = this.#namespaces === facts.namespaces && this.#asked === asked
    this.#namespaces = facts.namespaces
    this.#asked = asked
    return isAsBefore
  }
}

function revisionOf(binding: ClusterPolicies): string {
  if (binding.kind === 'unparsable') return JSON.stringify(binding)
  if (binding.kind !== 'known') return binding.kind
  return JSON.stringify(binding.policies.map(revisionOfPolicy))
}

function revisionOfPolicy({
  metadata: { uid, generation },
}: ClusterRetentionPolicy): readonly [string, number] {
  return [uid, generation]
}
