/** Volumes that nobody serves: opened by their owner for some work, and closed. */
import { silentLog } from '../../../src/lib/log.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import type { Store } from '../../../src/store/store.ts'
import { actor, type TestClock } from './support.ts'

export async function onVolume<T>(
  { directory, clock }: { readonly directory: string; readonly clock: TestClock },
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const owner = await openVolumeOwner({ directory, clock, log: silentLog })
  try {
    return await work(owner.store)
  } finally {
    await owner.close()
  }
}

/** The bucket `ledger`, with Object Lock. */
export async function createLedger(store: Store): Promise<void> {
  const name = 'ledger'
  const { accountId } = actor
  await store.buckets.create(actor, { name, accountId, region: 'us-east-1', objectLock: 'enabled' })
}
