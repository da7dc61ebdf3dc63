import type { DefaultRetention, RetentionBounds } from '../../../src/lock/types.ts'
import type { ApplyBucket } from '../../../src/store/store.ts'

/** Of the LockedBucket that asks. */
export const owner = { clusterId: 'c1', namespace: 'team', name: 'ledger', uid: 'u1' }

export type PolicyWish = {
  readonly defaultRetention: DefaultRetention
  readonly bounds?: RetentionBounds
  readonly generation?: number
}

/** What the operator asks for the bucket `ledger` of a policy; `wish` is whatever else it asks. */
export function applyRequest(policy: PolicyWish, wish: Partial<ApplyBucket> = {}): ApplyBucket {
  const { defaultRetention, bounds = { minimum: null, maximum: null }, generation = 1 } = policy
  return {
    epoch: 1,
    name: 'ledger',
    region: 'r',
    accountNamespace: owner,
    owner,
    adoptionPolicy: 'IfUnowned',
    profile: 'aws',
    requireChecksum: true,
    quotaBytes: null,
    applyToExisting: 'No',
    strongerRetention: 'Replace',
    lifecycle: null,
    tags: null,
    policy: {
      ...{ namespace: 'team', name: 'keep', uid: 'p1', generation },
      ...{ defaultRetention, prefixRules: [], bounds },
    },
    ...wish,
  }
}
