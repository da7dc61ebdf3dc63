/** Which ClusterRetentionPolicies bind a namespace, as far as the source can say. */
import type { ClusterRetentionPolicy } from '../api/ClusterRetentionPolicy.ts'
import {
  barredRetention,
  bindingPolicies,
  type EffectiveRetention,
  effectiveRetention,
} from '../api/cluster-retention.ts'
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

export function clusterPoliciesOf(source: Source, namespace: string): ClusterPolicies {
  const namespaces = source.namespaces()
  if (namespaces === null) return { kind: 'unreadable' }
  const unparsable = [...source.unparsable('ClusterRetentionPolicy').values()]
  if (unparsable.length > 0)
    return { kind: 'unparsable', names: unparsable.map(({ metadata }) => metadata.name).sort() }
  const policies = source.list('ClusterRetentionPolicy')
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

  /** Of the objects whose namespaces are bound otherwise now. */
  keysOf(source: Source, objects: readonly { readonly metadata: ObjectKey }[]): readonly ObjectKey[] {
    const changed = new Set<string>()
    for (const namespace of new Set(objects.map(({ metadata }) => metadata.namespace))) {
      const revision = revisionOf(clusterPoliciesOf(source, namespace))
      if (this.#revisions.get(namespace) !== revision) changed.add(namespace)
      this.#revisions.set(namespace, revision)
    }
    return objects
      .filter(({ metadata }) => changed.has(metadata.namespace))
      .map(({ metadata }) => ({ namespace: metadata.namespace, name: metadata.name }))
  }
}

function revisionOf(binding: ClusterPolicies): string {
  if (binding.kind === 'unparsable') return JSON.stringify(binding)
  if (binding.kind !== 'known') return binding.kind
  return JSON.stringify(binding.policies.map(({ metadata: { uid, generation } }) => [uid, generation]))
}
