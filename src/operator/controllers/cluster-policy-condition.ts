/** The condition ClusterPolicyMet of policies and buckets. Pure. */

import type { EffectiveRetention } from '../../api/cluster-retention.ts'
import type { ConditionReason } from '../../api/conditions.ts'
import { type ClusterPolicies, unparsableSentence } from '../cluster-policies.ts'
import type { WantedCondition } from '../conditions.ts'

/** `met`: what the ClusterRetentionPolicies ask for is so; else the reason why that cannot be said. */
export type ClusterVerdict = 'met' | Extract<ConditionReason, 'ServerUnreachable' | 'NotVerified'>

/** None where no ClusterRetentionPolicy binds. `effective`: null while there is nothing to judge. */
export function clusterPolicyConditions(
  cluster: ClusterPolicies,
  effective: EffectiveRetention | null,
  verdict: ClusterVerdict,
): readonly WantedCondition[] {
  const type = 'ClusterPolicyMet'
  switch (cluster.kind) {
    case 'unreadable':
      return [{ type, status: 'Unknown', reason: 'ClusterPolicyUnknown', message: null }]
    case 'pending':
      return [{ type, status: 'Unknown', reason: 'NamespaceUnknown', message: null }]
    case 'unparsable': {
      const message = unparsableSentence(cluster.names)
      return [{ type, status: 'Unknown', reason: 'ClusterPolicyUnparsable', message }]
    }
    case 'known':
      break
  }
  if (cluster.policies.length === 0 || effective === null) return []
  const { bar, changes } = effective
  if (bar !== null) return [{ type, status: 'False', ...bar }]
  if (verdict !== 'met') {
    const status = verdict === 'ServerUnreachable' ? 'Unknown' : 'False'
    return [{ type, status, reason: verdict, message: null }]
  }
  const names = cluster.policies.map(({ metadata }) => metadata.name).join(', ')
  const message = changes.length === 0 ? `Bound by ${names}.` : changes.join(' ')
  return [{ type, status: 'True', reason: 'ClusterPolicyMet', message }]
}
