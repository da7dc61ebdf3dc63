/** What a plan says of ClusterRetentionPolicies, and of what they do to the policies of a namespace. Pure. */
import {
  bindingPolicies,
  type EffectiveRetention,
  effectiveRetention,
  toDefault,
} from '../api/cluster-retention.ts'
import { selectorKeys } from '../api/label-selector.ts'
import type { Manifest } from '../api/manifest.ts'
import { namespaceNameLabel } from '../api/metadata.ts'
import { toPeriod } from '../api/periods.ts'
import type { RetentionPolicySpec } from '../api/RetentionPolicy.ts'
import { compareBucketRetention, type RetentionComparison } from '../lock/compare.ts'
import { periodCovers } from '../lock/periods.ts'
import type { Finding, PlanInput } from './plan-findings.ts'

export type ClusterManifest = Extract<Manifest, { readonly kind: 'ClusterRetentionPolicy' }>
type Manifests = Pick<PlanInput, 'after' | 'before'>

/** By what the manifests say: of a namespace that is its name alone. */
export function effectiveIn(
  { after, before }: Manifests,
  namespace: string,
  spec: RetentionPolicySpec,
): EffectiveRetention {
  // What is not among the new manifests stays until somebody prunes.
  const names = new Set(after.filter(isCluster).map(({ metadata }) => metadata.name))
  const stay = (before ?? []).filter(isCluster).filter(({ metadata }) => !names.has(metadata.name))
  const decided = [...after.filter(isCluster), ...stay].filter(isDecided)
  return effectiveRetention(spec, bindingPolicies(decided, { [namespaceNameLabel]: namespace }))
}

/** The same by the manifests before alone. */
export function effectiveBefore(
  { before }: Pick<Manifests, 'before'>,
  namespace: string,
  spec: RetentionPolicySpec,
): EffectiveRetention {
  return effectiveIn({ after: before ?? [], before: null }, namespace, spec)
}

export function judgeCluster(old: ClusterManifest | null, next: ClusterManifest): readonly Finding[] {
  const notes: readonly Finding[] = isDecided(next)
    ? []
    : [{ kind: 'note', message: 'which namespaces have the labels of its selector, only the cluster knows' }]
  if (old === null) return notes
  const effects = [compareFloors(old, next), compareCeilings(old, next)]
  const kept = 'what buckets have by it stays until their policy is edited'
  if (effects.includes('weaker')) return [{ kind: 'change', effect: 'loosens', message: kept }, ...notes]
  if (effects.includes('stronger'))
    return [
      { kind: 'change', effect: 'tightens', message: 'buckets that it binds are raised at once' },
      ...notes,
    ]
  const message = 'floor and ceiling stay as they are'
  const isSame = JSON.stringify(old.spec) === JSON.stringify(next.spec)
  return isSame ? notes : [{ kind: 'change', effect: 'changes', message }, ...notes]
}

function compareFloors({ spec: old }: ClusterManifest, { spec: next }: ClusterManifest): RetentionComparison {
  const retentionOf = ({ floor }: ClusterManifest['spec']) => ({
    defaultRetention: floor === undefined ? null : toDefault(floor),
    prefixRules: [],
  })
  return compareBucketRetention(retentionOf(old), retentionOf(next))
}

function compareCeilings(
  { spec: { ceiling: old } }: ClusterManifest,
  { spec: { ceiling: next } }: ClusterManifest,
): RetentionComparison {
  if (old === undefined) return next === undefined ? 'same' : 'stronger'
  if (next === undefined || !periodCovers(toPeriod(next), toPeriod(old))) return 'weaker'
  return periodCovers(toPeriod(old), toPeriod(next)) ? 'same' : 'stronger'
}

function isDecided({ spec }: ClusterManifest): boolean {
  return selectorKeys(spec.namespaceSelector).every((key) => key === namespaceNameLabel)
}

function isCluster(manifest: Manifest): manifest is ClusterManifest {
  return manifest.kind === 'ClusterRetentionPolicy'
}
