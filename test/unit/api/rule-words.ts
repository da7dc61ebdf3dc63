/** The words in which the cases of the CRDs' rules are written. */
import { validateBucketAccess } from '../../../src/api/BucketAccess.ts'
import { validateClusterRetentionPolicy } from '../../../src/api/ClusterRetentionPolicy.ts'
import { validateLockedBucket } from '../../../src/api/LockedBucket.ts'
import type { ApiKind } from '../../../src/api/manifest.ts'
import { validateRetentionPolicy } from '../../../src/api/RetentionPolicy.ts'
import type { Violation } from '../../../src/api/rules.ts'

export type RuleCase = {
  readonly title: string
  readonly kind: ApiKind
  readonly old: object | null
  readonly next: object
  readonly expected: 'accepted' | { readonly rule: string; readonly path: string }
}

/** What the twins in TypeScript have against a case. */
export function validateCase({
  kind,
  old,
  next,
}: Pick<RuleCase, 'kind' | 'old' | 'next'>): readonly Violation[] {
  const before = old === null ? null : { spec: old as never }
  switch (kind) {
    case 'RetentionPolicy':
      return validateRetentionPolicy(before, { spec: next })
    case 'LockedBucket':
      return validateLockedBucket(before, { spec: next })
    case 'BucketAccess':
      return validateBucketAccess(before, { spec: next })
    case 'ClusterRetentionPolicy':
      return validateClusterRetentionPolicy({ spec: next })
  }
}

export type Refusal = { readonly rule: string; readonly path: string }
export const refused = (name: string, path: string): Refusal => ({ rule: name, path })
export const schema = (path: string): Refusal => refused('Schema', path)
