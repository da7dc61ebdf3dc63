/** Buckets that are the system's own: hidden from listings, closed to users, never those of a LockedBucket. */

/** What their names begin with: no other bucket's does. */
export const systemBucketPrefix = 'holdfast-'

/** Where the operator proves that the server refuses to delete what is locked; no user's data is ever in it. */
export const canaryBucket = 'holdfast-canary'

export function isSystemBucket(name: string): boolean {
  return name.startsWith(systemBucketPrefix)
}
