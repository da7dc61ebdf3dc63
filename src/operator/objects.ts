import type { BucketAccess, BucketAccessStatus } from '../api/BucketAccess.ts'
import type { ClusterRetentionPolicy, ClusterRetentionPolicyStatus } from '../api/ClusterRetentionPolicy.ts'
import type { LockedBucket, LockedBucketStatus } from '../api/LockedBucket.ts'
import type { RetentionPolicy, RetentionPolicyStatus } from '../api/RetentionPolicy.ts'

/** The kinds that the controllers reconcile; a new kind is a row here and a file in controllers/. */
export type ObjectByKind = {
  readonly BucketAccess: BucketAccess
  readonly LockedBucket: LockedBucket
  readonly RetentionPolicy: RetentionPolicy
  readonly ClusterRetentionPolicy: ClusterRetentionPolicy
}
export type StatusByKind = {
  readonly BucketAccess: BucketAccessStatus
  readonly LockedBucket: LockedBucketStatus
  readonly RetentionPolicy: RetentionPolicyStatus
  readonly ClusterRetentionPolicy: ClusterRetentionPolicyStatus
}
export type ObjectKind = keyof ObjectByKind

export const objectKinds: readonly ObjectKind[] = [
  'ClusterRetentionPolicy',
  'RetentionPolicy',
  'LockedBucket',
  'BucketAccess',
]

/** Names an object whether or not it exists; the namespace of what belongs to none is the empty text. */
export type ObjectKey = { readonly namespace: string; readonly name: string }
export type ObjectRef = ObjectKey & { readonly kind: ObjectKind }

/** What an event is about; `uid` is null when the object is gone and was never seen. */
export type Regarding = ObjectRef & { readonly uid: string | null; readonly resourceVersion: string | null }

/** For people: `team/backups`, or the name alone of what belongs to no namespace. */
export function displayName({ namespace, name }: ObjectKey): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

/** One text per key, e.g. `default/backups`: a name cannot hold a slash. */
export function formatKey(key: ObjectKey): string {
  return `${key.namespace}/${key.name}`
}

export function parseKey(text: string): ObjectKey {
  const slash = text.indexOf('/')
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) }
}

export function keyOf(object: { readonly metadata: ObjectKey }): ObjectKey {
  return { namespace: object.metadata.namespace, name: object.metadata.name }
}
