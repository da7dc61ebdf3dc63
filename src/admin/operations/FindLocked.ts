import type { AdminOperation } from '../operation.ts'

/** Whether the volume holds anything that is locked, also in a bucket that no LockedBucket speaks for. */
export const FindLocked: AdminOperation = {
  name: 'FindLocked',
  method: 'GET',
  path: '/v1/locked',
  principals: ['root', 'operator'],
  handle: async ({ store }) => ({ status: 200, document: { bucket: await store.buckets.findLocked() } }),
}
